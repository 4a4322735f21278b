from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import bertspec
from bertspec import device, study
from bertspec.config import RunConfig, StudyConfig
from bertspec.engine import RunInputs
from bertspec.sources import Sources

PACKAGE = Path(bertspec.__file__).parent


@pytest.fixture
def config(study_config: StudyConfig) -> RunConfig:
    return study_config.runs()[0]


def name(config: RunConfig, chosen: device.Device | None = None) -> str:
    whole = StudyConfig(encoder=config.encoder, task=config.task, recipe=config.recipe, seeds=(config.seed,))
    inputs: RunInputs = study.gather(whole, Sources(None, None))
    return study.fingerprint(config, inputs, chosen or device.Device("cpu", "fp32", 1))


def changed(config: RunConfig, part: str, **values: Any) -> RunConfig:
    record = getattr(config, part)
    return config.model_copy(update={part: type(record).model_validate(record.model_dump() | values)})


def test_equal_runs_have_one_name(config: RunConfig) -> None:
    assert name(config) == name(config)


@pytest.mark.parametrize(
    ("part", "values"),
    [
        ("recipe", {"steps": 9}),
        ("recipe", {"clip_norm": None}),
        ("recipe", {"optimizer": {"algorithm": "adamw", "learning_rate": 2e-3}}),
        ("recipe", {"optimizer": {"algorithm": "adamw", "learning_rate": 1e-3, "layer_decay": 0.9}}),
        ("recipe", {"optimizer": {"algorithm": "adamw", "learning_rate": 1e-3, "averaging": {"kind": "ema"}}}),
        ("recipe", {"micro_batch": 4}),
        ("encoder", {"architecture": {"hidden_size": 32}}),
        ("task", {"metrics": ("accuracy",)}),
        ("task", {"generated": {"train_rows": 97, "evaluation_rows": 40, "label_noise": 0.05}}),
        ("task", {"generated": {"train_rows": 96, "evaluation_rows": 40, "label_noise": 0.1}}),
        ("task", {"sabotage": "shuffled labels"}),
    ],
)
def test_whatever_could_change_a_number_changes_the_name(config: RunConfig, part: str, values: dict[str, Any]) -> None:
    assert name(changed(config, part, **values)) != name(config)


def test_the_seed_changes_the_name(config: RunConfig) -> None:
    assert name(config.model_copy(update={"seed": 9})) != name(config)


@pytest.mark.parametrize(
    "other", [device.Device("cpu", "bf16", 1), device.Device("cpu", "fp32", 2)], ids=["precision", "threads"]
)
def test_how_it_is_computed_changes_the_name(config: RunConfig, other: device.Device) -> None:
    assert name(config, other) != name(config)


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a CUDA device that computes nothing says of itself."""
    facts: dict[str, Any] = {"name": "NVIDIA H100", "cuda": "13.0", "cudnn": 91002}
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: facts["name"])
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: facts["cudnn"])
    monkeypatch.setattr(torch.version, "cuda", facts["cuda"])
    return facts


@pytest.mark.parametrize(("fact", "other"), [("name", "NVIDIA H200"), ("cudnn", 91100)])
def test_another_gpu_or_library_changes_the_name(
    config: RunConfig, gpu: dict[str, Any], fact: str, other: str | int
) -> None:
    before = name(config, device.Device("cuda", "bf16", 1))
    gpu[fact] = other
    assert name(config, device.Device("cuda", "bf16", 1)) != before


def test_another_version_of_cuda_changes_the_name(
    config: RunConfig, gpu: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = name(config, device.Device("cuda", "bf16", 1))
    monkeypatch.setattr(torch.version, "cuda", f"{gpu['cuda']}.1")
    assert name(config, device.Device("cuda", "bf16", 1)) != before


@pytest.mark.usefixtures("gpu")
def test_the_cores_of_the_host_do_not_change_the_name_on_a_gpu(config: RunConfig) -> None:
    assert name(config, device.Device("cuda", "bf16", 1)) == name(config, device.Device("cuda", "bf16", 64))


def test_what_the_optimizer_is_called_does_not_change_the_name(config: RunConfig) -> None:
    called = config.recipe.optimizer.model_dump() | {"name": "mine"}
    assert name(changed(config, "recipe", optimizer=called)) == name(config)


@pytest.mark.parametrize("part", ["encoder", "task"])
def test_what_a_thing_is_called_does_not_change_the_name(config: RunConfig, part: str) -> None:
    assert name(changed(config, part, name="another")) == name(config)


@pytest.mark.parametrize("package", ["numpy", "tokenizers", "torch", "transformers"])
def test_another_version_changes_the_name(config: RunConfig, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, version_of = name(config), device.version_of
    monkeypatch.setattr(device, "version_of", lambda asked: "0" if asked == package else version_of(asked))
    assert name(config) != before


@pytest.mark.parametrize(
    "file", ["engine/training.py", "data/batches.py", "optimizers/protocol.py", "metrics/__init__.py"]
)
def test_an_edited_engine_changes_the_name(tmp_path: Path, file: str) -> None:
    copy = tmp_path / "bertspec"
    for room in study.ENGINE_PACKAGES:
        source = PACKAGE / room if (PACKAGE / room).is_dir() else PACKAGE / f"{room}.py"
        target = copy / source.name
        shutil.copytree(source, target) if source.is_dir() else (copy.mkdir(exist_ok=True), shutil.copy(source, target))
    before = study.engine_hash(copy)
    study.engine_hash.cache_clear()
    edited = copy / file
    edited.write_text(edited.read_text() + "# edited\n")
    assert study.engine_hash(copy) != before
    assert before == study.engine_hash(PACKAGE)


def test_every_package_that_the_engine_imports_is_hashed() -> None:
    code = (
        "import sys, bertspec.engine\n"
        "import bertspec.metrics, bertspec.sources.tables, bertspec.sources.generated\n"
        "print(' '.join(sorted({n.split('.')[1] for n in sys.modules if n.startswith('bertspec.')})))\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert set(found) == set(study.ENGINE_PACKAGES)
