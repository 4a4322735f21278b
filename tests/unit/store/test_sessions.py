from __future__ import annotations

import os
from collections.abc import Callable
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


@pytest.fixture
def former(tmp_path: Path) -> Path:
    """A record of layout 1, the last one of its folder."""
    file = tmp_path / f"20261124T100000-{'d' * 12}.json"
    file.write_text('{"layout": 1, "session": "d", "scenarios": [{"claims": [{"teeth": "sharp"}]}]}')
    return file


def test_a_record_of_another_layout_is_refused_with_what_to_do(former: Path) -> None:
    with pytest.raises(
        StoreError, match="the record of the session has another layout.*run the features again"
    ) as caught:
        sessions.read(former)
    assert (caught.value.given, caught.value.allowed) == ("layout 1", "layout 2")


def test_a_record_of_another_layout_is_never_the_latest_and_stays(
    former: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert sessions.latest(former.parent) is None
    current = sessions.write(session("2026-11-23T10:00:00+00:00"), former.parent)
    caplog.clear()
    assert sessions.latest(former.parent) == current
    assert [record.message for record in caplog.records] == [
        f"{former.parent}: skipped session records of another layout of bertspec's store: 1"
    ]
    assert former.exists()


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"layout": 2}'])
def test_a_damaged_record_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "x.json"
    file.write_text(text)
    with pytest.raises(StoreError, match="the record of the session is damaged"):
        sessions.read(file)


def test_a_missing_record_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        sessions.read(tmp_path / "none.json")


def test_a_record_that_is_no_file_is_refused_and_blocks_nobody(tmp_path: Path) -> None:
    file = tmp_path / "20991123T100000-x.json"
    os.mkfifo(file)
    with pytest.raises(StoreError, match="the record of the session cannot be read: it is no regular file"):
        sessions.read(file)


def test_a_record_is_not_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    (tmp_path / "sessions").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="a folder of the store is a symbolic link"):
        sessions.write(session("2026-11-23T10:00:00+00:00"), tmp_path / "sessions")
    assert list((tmp_path / "victim").iterdir()) == []


def test_a_deep_record_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("[" * 100_000)
    with pytest.raises(StoreError, match="the record of the session is damaged"):
        sessions.read(tmp_path / "x.json")


@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_folder_of_records_that_is_a_link_or_a_file_is_refused(kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "sessions"
    if kind == "link":
        sessions.write(session("2026-11-23T10:00:00+00:00"), tmp_path / "elsewhere")
        folder.symlink_to(tmp_path / "elsewhere")
    else:
        folder.touch()
    with pytest.raises(StoreError, match="the sessions cannot be read: a folder of the store is a"):
        sessions.latest(folder)


@pytest.mark.parametrize("plant", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/etc/hostname")])
def test_what_is_no_file_is_never_the_latest_record(
    plant: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    written = sessions.write(session("2026-11-23T10:00:00+00:00"), tmp_path)
    plant(tmp_path / "99991231T000000-x.json")
    assert sessions.latest(tmp_path) == written
    assert "99991231T000000-x.json is no record of a session, and is left out: it is " in caplog.text
