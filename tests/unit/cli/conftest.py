from __future__ import annotations

from pathlib import Path

import pytest

from bertspec import study
from bertspec.spec import StudySpec
from bertspec.store import Store
from bertspec.study import Study, Workbench


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in which commands are called, without W&B and without a hub."""
    monkeypatch.chdir(tmp_path)
    for name in ("BERTSPEC_STORE", "BERTSPEC_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return tmp_path


@pytest.fixture
def made(folder: Path, bench: Workbench, study_spec: StudySpec) -> Study:
    """Two finished runs in the folder's store."""
    work = Workbench(bench.catalog, bench.places, Store(folder / ".bertspec"), bench.tracker, keep_models=True)
    return study.run(study_spec, work)
