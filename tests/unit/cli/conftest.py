"""A folder of a user, with finished runs: invented ones, or trained ones."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bertspec import study
from bertspec.config import StudyConfig
from bertspec.heads import Classification
from bertspec.results import Curve, Environment, Origin, Outcomes, Provenance, RunFacts, RunResult, Timings
from bertspec.store import Store, StoredRun
from bertspec.study import Session, Study

OLD, NEW = "ab" + "0" * 62, "ac" + "1" * 62


def finished(study_config: StudyConfig, *, seed: int, fingerprint: str, when: str) -> StoredRun:
    origin = Origin(name="x", source="installed", sha256="0" * 64)
    facts = RunFacts(
        seed=seed,
        scores={"accuracy": 0.5 + seed / 10, "f1": 0.25},
        steps=2,
        train_examples=8,
        train_tokens=80,
        evaluation_examples=60,
        timings=Timings(prepare_s=1, train_s=2, evaluate_s=3),
        peak_memory_bytes=10,
        environment=Environment(
            device="cpu", device_name="x", precision="fp32", threads=1, python="3.11", versions={"torch": "2"}
        ),
        provenance=Provenance(encoder=origin, tokenizer=origin, data=origin),
        finished=when,
    )
    outcomes = Outcomes(*_scoring(0.5 + seed / 10), Classification(("negative", "positive")))
    config = study_config.runs()[seed - 1]
    return StoredRun(
        fingerprint, config, RunResult(facts, outcomes, Curve(np.array([0.7, 0.6]), np.array([1e-3, 0.0])))
    )


def _scoring(accuracy: float) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Outputs and references of 60 examples with this accuracy and an F1 of 0.25."""
    wrong = round(60 * (1 - accuracy))
    hits = wrong // 6
    references = np.repeat([1.0, 1.0, 0.0], [hits, wrong, 60 - wrong - hits])
    predictions = np.repeat([1, 0], [hits, 60 - hits])
    return np.eye(2, dtype=np.float32)[predictions], references


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder in which commands are called, without W&B and without a hub; logging stays as it was."""
    for name in ("BERTSPEC_STORE", "BERTSPEC_MIRROR", "BERTSPEC_DEBUG", "FORCE_COLOR", "_ARGCOMPLETE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.chdir(tmp_path)
    logger = logging.getLogger("bertspec")
    before = logger.level
    yield tmp_path
    logger.setLevel(before)


@pytest.fixture
def runs(study_config: StudyConfig) -> tuple[StoredRun, StoredRun]:
    """Two invented runs, the newer one first."""
    return (
        finished(study_config, seed=2, fingerprint=NEW, when="2026-01-02T00:00:00+00:00"),
        finished(study_config, seed=1, fingerprint=OLD, when="2026-01-01T00:00:00+00:00"),
    )


@pytest.fixture
def kept(folder: Path, runs: tuple[StoredRun, StoredRun]) -> Store:
    """The store of that folder, with the runs."""
    store = Store(folder / ".bertspec")
    for run in runs:
        store.put(run)
    return store


@pytest.fixture
def trained(folder: Path, session: Session, study_config: StudyConfig) -> Study:
    """Two runs that were trained, with their models, in the folder's store."""
    work = Session(session.catalog, session.sources, Store(folder / ".bertspec"), session.tracker, keep_models=True)
    return study.run(study_config, work)
