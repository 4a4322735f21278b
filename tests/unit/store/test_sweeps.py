from __future__ import annotations

import json
import logging
import os
import threading
from pathlib import Path

import pytest

from bertspec.errors import StoreError
from bertspec.results import ComparisonRecord, ContenderRecord, SweepRecord, TrialRecord
from bertspec.store.sweeps import SweepFile, sweeps

SHA = "ab" * 32
NOW = "2026-01-01T00:00:00+00:00"


def trial(number: int) -> TrialRecord:
    return TrialRecord(number=number, parameters={"steps": 4}, state="finished", score=0.5, finished=NOW)


def record(*numbers: int, sha256: str = SHA) -> SweepRecord:
    return SweepRecord(
        name="mine",
        sha256=sha256,
        metric="accuracy",
        goal="maximize",
        method="random",
        planned=4,
        trials=tuple(trial(number) for number in numbers),
        began=NOW,
    )


@pytest.fixture
def file(tmp_path: Path) -> SweepFile:
    return SweepFile(tmp_path / "store", "my sweep/1", SHA)


def test_what_was_written_is_read_again(file: SweepFile) -> None:
    assert file.read() is None
    file.write(record(0, 2))
    assert file.read() == record(0, 2)
    assert file.path.name == "my-sweep-1-abababababab.json"
    assert [each.name for each in file.path.parent.iterdir()] == [file.path.name]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"name": "mine"}',
        "\x00" * 99,
        "[" * 100_000,
        record(0, sha256="cd" * 32).model_dump_json(),
        record(1, 1).model_dump_json(),
    ],
    ids=["empty", "cut", "a list", "half", "zeros", "deep", "of another sweep", "a trial twice"],
)
def test_a_damaged_record_is_set_aside_with_one_warning(
    file: SweepFile, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    file.write(record(0))
    file.path.write_text(text, "utf-8")
    with caplog.at_level(logging.WARNING):
        assert file.read() is None
        assert file.read() is None
    assert len(caplog.messages) == 1
    assert "the record of sweep my sweep/1 is damaged" in caplog.messages[0]
    assert "with its finished runs from the store" in caplog.messages[0]
    assert (file.path.parent / f"damaged-{file.path.stem}.txt").read_text("utf-8") == text


def test_a_second_process_is_refused_while_the_sweep_is_running(file: SweepFile) -> None:
    with file.lock():
        other = SweepFile(file.root, "another name", SHA)
        with pytest.raises(StoreError, match="another process is running this sweep"), other.lock():
            pass
    with file.lock():
        pass


def test_a_waiting_process_goes_on_when_the_other_has_finished(file: SweepFile) -> None:
    order: list[str] = []

    def other() -> None:
        with SweepFile(file.root, "another name", SHA).lock(wait=True):
            order.append("other")

    with file.lock():
        waiting = threading.Thread(target=other)
        waiting.start()
        waiting.join(0.2)
        order.append("first")
    waiting.join(30)
    assert order == ["first", "other"]


def test_a_store_that_cannot_be_written_is_reported(file: SweepFile) -> None:
    file.root.write_text("a file", "utf-8")
    with pytest.raises(StoreError, match="the sweep's record cannot be written"):
        file.write(record(0))
    with pytest.raises(StoreError, match="the sweep's record cannot be written"), file.lock():
        pass


def test_a_write_that_fails_leaves_what_was_there(file: SweepFile, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write(record(0))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StoreError, match="No space left on device"):
        file.write(record(0, 1))
    assert file.read() == record(0)


def test_a_record_of_another_layout_is_left_as_it_is_and_reported(
    file: SweepFile, caplog: pytest.LogCaptureFixture
) -> None:
    other = json.dumps({"layout": 7, "whatever": []})
    file.write(record(0))
    file.path.write_text(other, "utf-8")
    with pytest.raises(StoreError, match="has another layout of bertspec's store; it is left as it is"):
        file.read()
    with caplog.at_level(logging.WARNING):
        assert sweeps(file.root) == ()
    assert f"the sweep record {file.path} has another layout of bertspec's store" in caplog.text
    assert file.path.read_text("utf-8") == other


def test_a_record_of_layout_1_is_read_with_its_comparison(file: SweepFile) -> None:
    contender = ContenderRecord(name="adamw", trials=1, tokens=9, best=0, ranks=(1, 2))
    comparison = ComparisonRecord(parameter="optimizer", contenders=(contender,), tolerance=0.01)
    current = record(0).model_copy(update={"comparison": comparison})
    file.write(current)
    values = json.loads(file.path.read_text("utf-8"))
    assert values.pop("layout") == 2  # layout 1 wrote no number
    values["comparison"]["contenders"][0]["places"] = values["comparison"]["contenders"][0].pop("ranks")
    former = json.dumps(values)
    file.path.write_text(former, "utf-8")
    assert sweeps(file.root) == (current,)
    assert file.read() == current
    assert file.path.read_text("utf-8") == former


@pytest.mark.parametrize("contenders", [None, 1, [1], [{"places": "first"}]])
def test_a_damaged_comparison_of_layout_1_is_set_aside(file: SweepFile, contenders: object) -> None:
    file.write(record(0))
    values = json.loads(file.path.read_text("utf-8"))
    del values["layout"]
    values["comparison"] = {"parameter": "optimizer", "contenders": contenders, "tolerance": 0.1}
    file.path.write_text(json.dumps(values), "utf-8")
    assert sweeps(file.root) == ()
    assert file.read() is None
    assert not file.path.exists()


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_a_record_that_is_no_file_is_set_aside_and_its_target_stays(
    kind: str, file: SweepFile, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file.path.parent.mkdir(parents=True)
    victim = tmp_path / "victim"
    victim.write_text("precious")
    if kind == "link":
        file.path.symlink_to(victim)
    else:
        os.mkfifo(file.path)
    assert sweeps(file.root) == ()
    assert "cannot be read, and is left out: it is " in caplog.text
    assert file.read() is None
    assert "is damaged (it is " in caplog.text
    file.write(record(0))
    assert file.read() == record(0)
    assert victim.read_text() == "precious"


def test_a_lock_that_is_a_link_leads_nowhere(file: SweepFile, tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("precious")
    (file.root / "locks").mkdir(parents=True)
    (file.root / "locks" / f"sweep-{SHA[:32]}.lock").symlink_to(tmp_path / "victim")
    with file.lock():
        assert (tmp_path / "victim").read_text() == "precious"


@pytest.mark.parametrize("area", ["sweeps", "locks"])
def test_a_folder_that_is_a_link_is_refused(area: str, file: SweepFile, tmp_path: Path) -> None:
    (tmp_path / "victim").mkdir()
    file.root.mkdir()
    (file.root / area).symlink_to(tmp_path / "victim")
    with pytest.raises(StoreError, match="a folder of the store is a symbolic link"), file.lock():
        file.write(record(0))
    assert list((tmp_path / "victim").iterdir()) == []


def test_the_records_behind_a_link_are_neither_listed_nor_read_nor_renamed(file: SweepFile, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / file.path.name).write_text("precious")
    file.root.mkdir()
    (file.root / "sweeps").symlink_to(victim)
    for act in (lambda: sweeps(file.root), file.read, file.lock().__enter__):
        with pytest.raises(StoreError, match="a folder of the store is a symbolic link"):
            act()
    assert [(each.name, each.read_text()) for each in victim.iterdir()] == [(file.path.name, "precious")]


def test_a_folder_in_place_of_a_lock_is_refused_with_its_path(file: SweepFile) -> None:
    lock = file.root / "locks" / f"sweep-{SHA[:32]}.lock"
    lock.mkdir(parents=True)
    with pytest.raises(StoreError, match=f"a folder lies where a file belongs; given: '{lock}'"), file.lock():
        pass
