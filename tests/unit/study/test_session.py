from __future__ import annotations

from pathlib import Path

import pytest

from bertspec.errors import SourceError
from bertspec.study import Session
from bertspec.tracking import SilentTracker


class Closed(SilentTracker):
    def __init__(self) -> None:
        self.times = 0

    def close(self) -> None:
        self.times += 1


@pytest.fixture(autouse=True)
def quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BERTSPEC_STORE", "BERTSPEC_MIRROR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.chdir(tmp_path)


def test_a_session_belongs_to_the_root_folder(tmp_path: Path) -> None:
    (tmp_path / ".bertspec").mkdir()
    session = Session.open(device="cpu")
    assert session.store.root == tmp_path / ".bertspec"
    assert session.catalog.folders[0] == tmp_path / "configs"
    assert (session.sources.endpoint, session.device) == (None, "cpu")


def test_a_session_closes_its_trackers(tmp_path: Path) -> None:
    progress = Closed()
    with Session.open(tmp_path / "store", progress=progress) as session:
        assert (session.store.root, progress.times) == (tmp_path / "store", 0)
    assert progress.times == 1


def test_a_mirror_that_is_missing_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BERTSPEC_MIRROR", "/nowhere")
    with pytest.raises(SourceError, match="BERTSPEC_MIRROR"):
        Session.open()
