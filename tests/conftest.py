"""Specs small enough to train in a second, and a bench to train them on."""

from __future__ import annotations

from pathlib import Path

import pytest

from bertspec.catalog import Catalog
from bertspec.sources.places import Places
from bertspec.spec import EncoderSpec, GeneratedSpec, OptimizerSpec, RecipeSpec, StudySpec, TaskSpec
from bertspec.store import Store
from bertspec.study import Workbench
from bertspec.tracking import SilentTracker

ROOT = Path(__file__).parent.parent


@pytest.fixture
def nowhere() -> Places:
    """No mirror and no hub."""
    return Places(mirror=None, endpoint=None)


@pytest.fixture
def encoder() -> EncoderSpec:
    """A BERT of one layer and width 16."""
    shape = {
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 66,
    }
    return EncoderSpec(name="bert-micro", family="bert", architecture=shape, recipe="from-scratch")


@pytest.fixture
def task() -> TaskSpec:
    """The bundled sentiment task with few rows."""
    return TaskSpec(
        name="bundled/sentiment",
        dataset="bundled/sentiment",
        text="text",
        head="classification",
        labels=("negative", "positive"),
        metrics=("accuracy", "f1"),
        generated=GeneratedSpec(train_rows=96, evaluation_rows=40, label_noise=0.05),
    )


@pytest.fixture
def recipe() -> RecipeSpec:
    """Eight steps of AdamW."""
    return RecipeSpec(
        optimizer=OptimizerSpec(algorithm="adamw", learning_rate=1e-3),
        steps=8,
        batch_size=16,
        max_length=32,
        warmup_fraction=0.25,
        schedule="linear",
        clip_norm=1.0,
        precision="fp32",
        threads=1,
    )


@pytest.fixture
def study_spec(encoder: EncoderSpec, task: TaskSpec, recipe: RecipeSpec) -> StudySpec:
    """Two seeds of the micro encoder."""
    return StudySpec(encoder=encoder, task=task, recipe=recipe, seeds=(1, 2))


@pytest.fixture
def bench(tmp_path: Path, nowhere: Places) -> Workbench:
    """A bench with an empty store, no network and no tracker."""
    return Workbench(
        catalog=Catalog.beside(tmp_path), places=nowhere, store=Store(tmp_path / "store"), tracker=SilentTracker()
    )
