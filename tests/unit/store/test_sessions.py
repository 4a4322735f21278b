from __future__ import annotations

from pathlib import Path

import pytest

from bertspec.errors import StoreError
from bertspec.results import SessionRecord
from bertspec.store import sessions


def session(finished: str, name: str = "a" * 32) -> SessionRecord:
    return SessionRecord(session=name, started=finished, finished=finished, command="pytest features/")


def test_a_record_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = session("2026-11-23T10:00:00+00:00")
    file = sessions.write(written, tmp_path / "sessions")
    assert file.name == f"20261123T100000-{'a' * 12}.json"
    assert sessions.read(file) == written


def test_the_latest_record_is_the_one_that_ended_last(tmp_path: Path) -> None:
    assert sessions.latest(tmp_path) is None
    later = sessions.write(session("2026-11-23T10:00:00+00:00", "b" * 32), tmp_path)
    sessions.write(session("2026-11-22T23:00:00+00:00", "c" * 32), tmp_path)
    assert sessions.latest(tmp_path) == later


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"layout": 2}'])
def test_a_damaged_record_is_told(tmp_path: Path, text: str) -> None:
    file = tmp_path / "x.json"
    file.write_text(text)
    with pytest.raises(StoreError, match="the record of the session is damaged"):
        sessions.read(file)


def test_a_missing_record_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        sessions.read(tmp_path / "none.json")
