from __future__ import annotations

import logging
import threading
from pathlib import Path

import pytest

from bertspec.errors import StoreError
from bertspec.results import SweepRecord, TrialRecord
from bertspec.store import Store
from bertspec.sweep.ledger import Ledger

SHA = "ab" * 32
NOW = "2026-01-01T00:00:00+00:00"


def trial(number: int) -> TrialRecord:
    return TrialRecord(number=number, parameters={"steps": 4}, state="finished", score=0.5, finished=NOW)


def evidence(*numbers: int, sha256: str = SHA) -> SweepRecord:
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
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(Store(tmp_path / "store"), "my sweep/1", SHA)


def test_what_was_written_is_read_again(ledger: Ledger) -> None:
    assert ledger.read() is None
    ledger.write(evidence(0, 2))
    assert ledger.read() == evidence(0, 2)
    assert ledger.file.name == "my-sweep-1-abababababab.json"
    assert [file.name for file in ledger.file.parent.iterdir()] == [ledger.file.name]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"name": "mine"}',
        "\x00" * 99,
        "[" * 100_000,
        evidence(0, sha256="cd" * 32).model_dump_json(),
        evidence(1, 1).model_dump_json(),
    ],
    ids=["empty", "cut", "a list", "half", "zeros", "deep", "of another sweep", "a trial twice"],
)
def test_a_damaged_record_is_set_aside_and_told_once(
    ledger: Ledger, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    ledger.write(evidence(0))
    ledger.file.write_text(text, "utf-8")
    with caplog.at_level(logging.WARNING):
        assert ledger.read() is None
        assert ledger.read() is None
    assert len(caplog.messages) == 1
    assert "the record of sweep my sweep/1 is damaged" in caplog.messages[0]
    assert "what it has trained comes from the store" in caplog.messages[0]
    assert (ledger.file.parent / f"damaged-{ledger.file.stem}.txt").read_text("utf-8") == text


def test_a_second_process_is_told_that_the_sweep_is_running(ledger: Ledger) -> None:
    with ledger.held():
        other = Ledger(ledger.store, "another name", SHA)
        with pytest.raises(StoreError, match="another process is running this sweep"), other.held():
            pass
    with ledger.held():
        pass


def test_who_waits_goes_on_when_the_other_is_through(ledger: Ledger) -> None:
    order: list[str] = []

    def other() -> None:
        with Ledger(ledger.store, "another name", SHA).held(wait=True):
            order.append("other")

    with ledger.held():
        waiting = threading.Thread(target=other)
        waiting.start()
        waiting.join(0.2)
        order.append("first")
    waiting.join(30)
    assert order == ["first", "other"]


def test_a_store_that_cannot_be_written_is_told(ledger: Ledger) -> None:
    ledger.store.root.write_text("a file", "utf-8")
    with pytest.raises(StoreError, match="the sweep's record cannot be written"):
        ledger.write(evidence(0))
    with pytest.raises(StoreError, match="the sweep's record cannot be written"), ledger.held():
        pass


def test_a_write_that_fails_leaves_what_was_there(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.write(evidence(0))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StoreError, match="No space left on device"):
        ledger.write(evidence(0, 1))
    assert ledger.read() == evidence(0)
