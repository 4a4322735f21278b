from __future__ import annotations

from pathlib import Path

import pytest

from bertspec.cli import main
from bertspec.results import SessionRecord, SweepRecord, TrialRecord
from bertspec.store import sessions
from bertspec.store.sweeps import SweepFile

pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with the record of one session, and an empty folder to stand in."""
    monkeypatch.chdir(tmp_path)
    session = SessionRecord(session="a" * 32, started="2026-11-23", finished="2026-11-23T10", command="pytest")
    sessions.write(session, tmp_path / "store" / "sessions")
    return tmp_path / "store"


def test_the_last_session_is_drawn_as_a_page(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--store", str(store)]) == 0
    assert "0 scenarios of 2026-11-23T10" in capsys.readouterr().out
    assert Path("bertspec-report.html").read_text("utf-8").lstrip().startswith("<!doctype html>")


def test_markdown_is_written_out(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--store", str(store), "--format", "markdown", "--output", "-"]) == 0
    assert capsys.readouterr().out.startswith("### bertspec: 0 PASS")


def test_a_session_may_be_named(store: Path) -> None:
    file = next((store / "sessions").glob("*.json"))
    assert main(["report", "--session", str(file), "--output", "site/index.html"]) == 0
    assert Path("site/index.html").is_file()


def test_without_a_session_nothing_is_drawn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "--store", str(tmp_path / "none")]) == 2
    wanted = "the store has no record of a session; allowed: pytest features/ or bertspec sweep, first"
    assert wanted in capsys.readouterr().err


def test_sweeps_are_drawn_where_no_session_was_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trial = TrialRecord(number=0, parameters={"steps": 8}, state="finished", score=0.9, finished="2026-11-24")
    swept = SweepRecord(
        name="rates", sha256="ab" * 32, metric="accuracy", goal="maximize", method="grid", planned=1, trials=(trial,),
        began="2026-11-24",
    )  # fmt: skip
    SweepFile(tmp_path / "store", "rates", swept.sha256).write(swept)
    assert main(["report", "--store", str(tmp_path / "store"), "--output", str(tmp_path / "page.html")]) == 0
    assert "0 scenarios of 2026-11-24" in capsys.readouterr().out
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "rates" in page
    assert 'data-count="PASS"' not in page


def test_a_damaged_session_is_told(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = next((store / "sessions").glob("*.json"))
    file.write_text("{")
    assert main(["report", "--store", str(store)]) == 3
    assert "the record of the session is damaged" in capsys.readouterr().err
