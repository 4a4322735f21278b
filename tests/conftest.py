"""Configs small enough to train in a second, and a session to train them in; long tests run where ``-m full`` asks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bertspec.catalog import Catalog
from bertspec.config import EncoderConfig, GeneratedConfig, OptimizerConfig, RecipeConfig, StudyConfig, TaskConfig
from bertspec.sources import Sources
from bertspec.store import Store
from bertspec.study import Session
from bertspec.tracking import SilentTracker

ROOT = Path(__file__).parent.parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip, with a reason, the tests that take many minutes or repeat what a shorter one shows."""
    if "full" in config.option.markexpr:
        return
    for item in items:
        if item.path.is_relative_to(ROOT / "tests") and item.get_closest_marker("full"):
            item.add_marker(pytest.mark.skip(reason="runs with -m full"))


@pytest.fixture(scope="session")
def nowhere() -> Sources:
    """No mirror and no hub."""
    return Sources(mirror=None, endpoint=None)


@pytest.fixture(scope="session")
def encoder() -> EncoderConfig:
    """A BERT of one layer and width 16."""
    shape = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 66,
    }
    return EncoderConfig(name="bert-micro", family="bert", architecture=shape, recipe="from-scratch")


@pytest.fixture(scope="session")
def task() -> TaskConfig:
    """The bundled sentiment task with few rows."""
    return TaskConfig(
        name="bundled/sentiment",
        dataset="bundled/sentiment",
        text="text",
        head="classification",
        labels=("negative", "positive"),
        metrics=("accuracy", "f1"),
        generated=GeneratedConfig(train_rows=96, evaluation_rows=40, label_noise=0.05),
    )


@pytest.fixture(scope="session")
def recipe() -> RecipeConfig:
    """Eight steps of AdamW."""
    return RecipeConfig(
        optimizer=OptimizerConfig(algorithm="adamw", learning_rate=1e-3),
        steps=8,
        batch_size=16,
        max_length=32,
        warmup_fraction=0.25,
        schedule="linear",
        clip_norm=1.0,
        precision="fp32",
        threads=1,
    )


@pytest.fixture(scope="session")
def study_config(encoder: EncoderConfig, task: TaskConfig, recipe: RecipeConfig) -> StudyConfig:
    """Two seeds of the micro encoder."""
    return StudyConfig(encoder=encoder, task=task, recipe=recipe, seeds=(1, 2))


@pytest.fixture
def session(tmp_path: Path, nowhere: Sources) -> Session:
    """A session with an empty store, no network and no tracker."""
    return Session(
        catalog=Catalog.beside(tmp_path), sources=nowhere, store=Store(tmp_path / "store"), tracker=SilentTracker()
    )


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Path]:
    """A folder of somebody else with a file; whatever a test does, both stay as they are."""
    folder = tmp_path / "victim"
    folder.mkdir()
    (folder / "step-1.safetensors").write_text("precious")
    yield folder
    assert [(each.name, each.read_text()) for each in folder.iterdir()] == [("step-1.safetensors", "precious")]
