from __future__ import annotations

import errno
import json
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bertspec.config import RecipeConfig, RunConfig
from bertspec.engine import Checkpoints
from bertspec.errors import StoreError
from bertspec.optimizers import ALGORITHMS, hypergradient
from bertspec.tracking import SilentObserver
from tests.unit.engine.conftest import Ran


class PowerCut(BaseException):
    """What stops a run, as a kill would."""


class CutAfter(SilentObserver):
    """Stops the run after one of its steps."""

    def __init__(self, step: int) -> None:
        self.step = step

    def stepped(self, step: int, loss: float, learning_rate: float) -> None:
        if step == self.step:
            raise PowerCut


class Heard(SilentObserver):
    def __init__(self) -> None:
        self.steps: list[int] = []
        self.looks: list[int] = []

    def stepped(self, step: int, loss: float, learning_rate: float) -> None:
        self.steps.append(step)

    def evaluated(self, step: int, score: float) -> None:
        self.looks.append(step)


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "unfinished", every=2)


def cut(ran: Ran, config: RunConfig, checkpoints: Checkpoints, step: int) -> None:
    with pytest.raises(PowerCut):
        ran(config, CutAfter(step), checkpoints=checkpoints)


AVERAGES: dict[str, Any] = {
    "swa": {"kind": "swa", "start": 0.4, "every": 3, "anneal_steps": 2},
    "ema": {"kind": "ema", "decay": 0.9},
}


def of(config: RunConfig, name: str) -> RunConfig:
    """The run with that rule; or AdamW with that average, layer decay and parts of a batch."""
    optimizer: dict[str, Any] = {"algorithm": name, "learning_rate": 0.01, "weight_decay": 0.1}
    values: dict[str, Any] = {"steps": 14, "schedule": "constant"}
    if name == "asgd":
        optimizer["settings"] = {"averaging_start": 4.0}
    if name in AVERAGES:
        optimizer |= {"algorithm": "adamw", "averaging": AVERAGES[name], "layer_decay": 0.8}
        values |= {"schedule": "cosine", "micro_batch": 6}
    recipe = RecipeConfig.model_validate(config.recipe.model_dump() | values | {"optimizer": optimizer})
    return config.model_copy(update={"recipe": recipe})


@pytest.mark.parametrize("name", [*sorted(set(ALGORITHMS) - set(hypergradient.ALGORITHMS)), *AVERAGES])
@pytest.mark.parametrize("step", [3, 8, 13])
def test_an_interrupted_run_ends_with_the_bits_of_an_uninterrupted_one(
    ran: Ran, config: RunConfig, checkpoints: Checkpoints, name: str, step: int
) -> None:
    """Fourteen steps of six to a pass: breaks in the first, the second and the third pass."""
    config = of(config, name)
    whole = ran(config)
    cut(ran, config, checkpoints, step)
    resumed = ran(config, checkpoints=checkpoints)
    assert np.array_equal(resumed.outcomes.outputs, whole.outcomes.outputs)
    assert np.array_equal(resumed.curve.loss, whole.curve.loss)
    assert resumed.facts.train_tokens == whole.facts.train_tokens
    assert resumed.facts.resumed_at == (step - step % 2,)


@pytest.mark.parametrize("step", [3, 4, 5])
def test_the_looks_before_a_break_are_kept_and_told_again(
    ran: Ran, config: RunConfig, checkpoints: Checkpoints, step: int
) -> None:
    watched = config.model_copy(update={"recipe": config.recipe.model_copy(update={"evaluate_every": 2})})
    whole, heard = ran(watched), Heard()
    cut(ran, watched, checkpoints, step)
    resumed = ran(watched, heard, checkpoints=checkpoints)
    assert resumed.curve.evaluated.tolist() == heard.looks == [2, 4, 6, 8]
    assert np.array_equal(resumed.curve.score, whole.curve.score)


def test_a_run_may_be_interrupted_again_and_again(ran: Ran, config: RunConfig, checkpoints: Checkpoints) -> None:
    whole = ran(config)
    for step in (3, 5, 7):
        cut(ran, config, checkpoints, step)
    resumed = ran(config, checkpoints=checkpoints)
    assert resumed.facts.resumed_at == (2, 4, 6)
    assert np.array_equal(resumed.outcomes.outputs, whole.outcomes.outputs)


def test_a_resumed_run_goes_on_and_does_not_start_anew(ran: Ran, config: RunConfig, checkpoints: Checkpoints) -> None:
    """A changed state shows: what is in the checkpoint is what is trained on."""
    cut(ran, config, checkpoints, 5)
    state = checkpoints.load(8)
    assert state is not None
    state["weights"] = {name: torch.zeros_like(tensor) for name, tensor in state["weights"].items()}
    checkpoints.save(4, state)
    assert not np.array_equal(ran(config, checkpoints=checkpoints).outcomes.outputs, ran(config).outcomes.outputs)


def test_the_observer_hears_every_step_of_a_resumed_run(ran: Ran, config: RunConfig, checkpoints: Checkpoints) -> None:
    cut(ran, config, checkpoints, 5)
    heard = Heard()
    ran(config, heard, checkpoints=checkpoints)
    assert heard.steps == list(range(1, 9))


def test_snapshots_change_nothing(ran: Ran, config: RunConfig, checkpoints: Checkpoints) -> None:
    assert np.array_equal(ran(config, checkpoints=checkpoints).outcomes.outputs, ran(config).outcomes.outputs)


def test_the_seconds_before_the_break_count(ran: Ran, config: RunConfig, checkpoints: Checkpoints) -> None:
    cut(ran, config, checkpoints, 5)
    state = checkpoints.load(8)
    assert state is not None
    state["progress"]["seconds"] = 1000.0
    checkpoints.save(4, state)
    assert 1000 < ran(config, checkpoints=checkpoints).facts.timings.train_s < 1100


def damage_tensors(folder: Path) -> None:
    file = next(folder.glob("*.safetensors"))
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def truncate_tensors(folder: Path) -> None:
    file = next(folder.glob("*.safetensors"))
    file.write_bytes(file.read_bytes()[:100])


def lose_tensors(folder: Path) -> None:
    next(folder.glob("*.safetensors")).unlink()


def truncate_record(folder: Path) -> None:
    file = folder / "checkpoint.json"
    file.write_bytes(file.read_bytes()[:-20])


def point_elsewhere(folder: Path) -> None:
    file = folder / "checkpoint.json"
    record = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps(record | {"tensors": "../../elsewhere"}), "utf-8")


@pytest.mark.parametrize("damage", [damage_tensors, truncate_tensors, lose_tensors, truncate_record, point_elsewhere])
def test_a_damaged_snapshot_is_told_and_not_used(
    ran: Ran, config: RunConfig, checkpoints: Checkpoints, damage: Any, caplog: pytest.LogCaptureFixture
) -> None:
    cut(ran, config, checkpoints, 5)
    damage(checkpoints.folder)
    resumed = ran(config, checkpoints=checkpoints)
    assert "is damaged" in caplog.text
    assert resumed.facts.resumed_at == ()
    assert np.array_equal(resumed.outcomes.outputs, ran(config).outcomes.outputs)


def test_a_snapshot_that_cannot_be_written_costs_a_warning_and_not_the_run(
    ran: Ran, config: RunConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    result = ran(config, checkpoints=Checkpoints(tmp_path / "file" / "below", every=2))
    assert result.facts.steps == 8
    assert "cannot be written, training goes on" in caplog.text


def test_one_snapshot_is_kept_and_none_after_the_last_step(
    ran: Ran, config: RunConfig, checkpoints: Checkpoints
) -> None:
    ran(config, checkpoints=checkpoints)
    assert sorted(file.name for file in checkpoints.folder.iterdir()) == ["checkpoint.json", "step-6.safetensors"]


def test_without_an_interval_a_snapshot_is_taken_up_and_none_is_made(
    ran: Ran, config: RunConfig, checkpoints: Checkpoints, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "bertspec")
    cut(ran, config, checkpoints, 3)
    assert ran(config, checkpoints=Checkpoints(checkpoints.folder, every=None)).facts.resumed_at == (2,)
    assert "resuming after step 2 of 8" in caplog.text
    assert [file.name for file in checkpoints.folder.glob("*.safetensors")] == ["step-2.safetensors"]


def test_any_nest_of_values_and_tensors_comes_back(checkpoints: Checkpoints) -> None:
    shared = torch.arange(3.0)
    state = {"a": [1, 2.5, None, shared], "b": {0: {"m": shared}, 1: {}}, "c": {"x": "text", "t": torch.tensor(1)}}
    assert checkpoints.save(2, state)
    back = checkpoints.load(8)
    assert back is not None
    assert back["a"][:3] == [1, 2.5, None]
    assert back["b"][1] == {}
    assert torch.equal(back["b"][0]["m"], shared)
    assert torch.equal(back["a"][3], shared)
    assert back["c"]["t"].shape == ()


STATE = {"weights": {"w": torch.ones(2)}}


def test_a_folder_that_is_a_link_is_neither_written_nor_read(
    checkpoints: Checkpoints, victim: Path, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints.folder.symlink_to(victim)
    assert not checkpoints.save(2, STATE)
    assert "a folder of the store is a symbolic link" in caplog.text
    assert checkpoints.load(8) is None


@pytest.mark.parametrize("name", ["step-2.safetensors", "checkpoint.json"])
def test_a_link_where_a_checkpoint_is_written_leads_nowhere(checkpoints: Checkpoints, name: str, victim: Path) -> None:
    checkpoints.folder.mkdir()
    (checkpoints.folder / name).symlink_to(victim / "step-1.safetensors")
    assert checkpoints.save(2, STATE)
    loaded = checkpoints.load(8)
    assert loaded is not None
    assert loaded["weights"]["w"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("name", ["step-2.safetensors", "checkpoint.json"])
def test_a_pipe_in_place_of_a_checkpoint_blocks_nobody(
    checkpoints: Checkpoints, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert checkpoints.save(2, STATE)
    (checkpoints.folder / name).unlink()
    os.mkfifo(checkpoints.folder / name)
    assert checkpoints.load(8) is None
    assert "training starts anew" in caplog.text


@pytest.mark.parametrize("text", ["[" * 100_000, "[]", "1", '{"tensors": 1}', '{"tensors": "..", "sha256": ""}'])
def test_a_planted_checkpoint_is_not_used(
    checkpoints: Checkpoints, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    checkpoints.folder.mkdir()
    (checkpoints.folder / "checkpoint.json").write_text(text)
    assert checkpoints.load(8) is None
    assert "training starts anew" in caplog.text


def test_a_record_of_more_than_the_steps_of_its_run_is_not_read(
    checkpoints: Checkpoints, caplog: pytest.LogCaptureFixture
) -> None:
    assert checkpoints.save(2, STATE | {"losses": [0.1234567890123456] * 300_000})
    assert checkpoints.load(300_000) is not None
    assert checkpoints.load(8) is None
    assert "training starts anew" in caplog.text


@pytest.mark.parametrize("name", ["step-2.safetensors", "checkpoint.json"])
def test_a_checkpoint_that_the_machine_cannot_read_is_kept(
    checkpoints: Checkpoints, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert checkpoints.save(2, STATE)
    opened = os.open

    def failing_open(path: Any, *arguments: Any, **options: Any) -> int:
        if Path(path).name == name:
            raise OSError(errno.EIO, "Input/output error", str(path))
        return opened(path, *arguments, **options)

    monkeypatch.setattr(os, "open", failing_open)
    with pytest.raises(StoreError, match="the checkpoint of this run cannot be read: Input/output error; allowed: "):
        checkpoints.load(8)
    monkeypatch.undo()
    assert checkpoints.load(8) is not None
