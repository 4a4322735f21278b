from __future__ import annotations

import errno
import logging
import re
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest

from bertspec import cli
from bertspec.cli import commands
from bertspec.cli.commands import listing
from bertspec.errors import (
    BertspecError,
    DataError,
    DeviceError,
    Diverged,
    FormerName,
    HashMismatch,
    InvalidConfig,
    SourceError,
    StoreError,
    UnknownName,
    Unreachable,
)
from bertspec.store import Store

pytestmark = pytest.mark.usefixtures("folder")


class OutOfMemoryError(RuntimeError):
    """Named as torch's is."""


def raising(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    def execute(_: Any) -> int:
        raise error

    monkeypatch.setattr(listing, "execute", execute)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidConfig("x"), 2),
        (UnknownName("encoder", "x", ["y"]), 2),
        (DataError("x"), 2),
        (SourceError("x"), 3),
        (Unreachable("x"), 3),
        (HashMismatch("x"), 3),
        (DeviceError("x"), 3),
        (StoreError("x"), 3),
        (OSError(errno.ENOSPC, "no space left"), 3),
        (OutOfMemoryError("x"), 3),
        (ImportError("libtorch_cpu.so: failed to map segment from shared object"), 3),
        (Diverged("x"), 4),
        (KeyError("x"), 70),
    ],
)
def test_every_kind_of_trouble_has_its_exit_status(
    error: BaseException, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(error, monkeypatch)
    assert cli.main(["list", "runs"]) == status
    output = capsys.readouterr()
    assert output.err.startswith("error: ")
    assert "Traceback" not in output.err
    assert output.out == ""


def test_every_error_of_ours_has_an_exit_status() -> None:
    assert [kind for kind in BertspecError.__subclasses__() if not issubclass(kind, tuple(cli._EXIT))] == []


def test_the_exit_statuses_stand_in_the_help() -> None:
    for status in {0, 1, cli._BUG, cli._INTERRUPTED, *cli._EXIT.values()}:
        assert f"{status} " in commands._EPILOG


def test_a_users_mistake_is_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["show", "latest"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_bug_says_how_to_see_where(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    raising(KeyError("x"), monkeypatch)
    cli.main(["list", "runs"])
    assert "error: unexpected KeyError: 'x'\nThis is a bug" in capsys.readouterr().err


@pytest.mark.parametrize(("words", "variable"), [(["-vv"], ""), ([], "1")])
def test_who_asks_for_it_sees_where(
    words: list[str], variable: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BERTSPEC_DEBUG", variable)
    raising(KeyError("x"), monkeypatch)
    assert cli.main(["list", "runs", *words]) == 70
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["-v", "list", "runs"], ["list", "runs", "-v"]])
def test_more_is_said_wherever_it_is_asked_for(words: list[str]) -> None:
    cli.main(words)
    assert logging.getLogger("bertspec").level == logging.INFO


def test_a_message_never_holds_a_secret(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("HF_TOKEN", "planted-token")
    raising(SourceError("https://me:planted-word@hub.example refused planted-token"), monkeypatch)
    cli.main(["list", "runs", "-vv"])
    assert "planted" not in capsys.readouterr().err


def test_an_interruption_says_what_is_kept(
    kept: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(KeyboardInterrupt(), monkeypatch)
    assert cli.main(["list", "runs"]) == 130
    assert capsys.readouterr().err == f"interrupted; 2 runs are kept in {kept.root}\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the following arguments are required: COMMAND (see bertspec --help)"),
        (["lisst"], "invalid choice: 'lisst'"),
        (["run", "--encoder", "bert-tiny"], "required: --task (see bertspec run --help)"),
        (["run", "--enc", "bert-tiny"], "required: --encoder"),
        (["list", "animals"], "invalid choice: 'animals'"),
        (["list", "runs", "--verbosely"], "unrecognized arguments: --verbosely"),
    ],
)
def test_bad_usage_is_one_line_that_says_where_to_look(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(words)
    output = capsys.readouterr().err
    assert (stopped.value.code, output.count("\n")) == (2, 1)
    assert message in output


@pytest.mark.parametrize("command", [module.NAME for module in commands.COMMANDS])
def test_every_command_shows_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main([command, "--help"])
    output = capsys.readouterr().out
    assert stopped.value.code == 0
    assert f"examples:\n  bertspec {command}" in output


def test_every_command_is_a_module_with_the_same_parts() -> None:
    for module in commands.COMMANDS:
        assert set(module.__all__) >= {"EPILOG", "HELP", "NAME", "add_arguments", "execute"}


def test_a_folder_that_was_deleted_meanwhile_is_no_bug(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = folder / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert cli.main(["list", "encoders"]) == 3
    assert "error: the current folder was deleted" in capsys.readouterr().err


@pytest.mark.filterwarnings("default::bertspec.errors.FormerName")
def test_a_former_name_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def execute(_: Any) -> int:
        for _ in range(2):
            warnings.warn("a.yaml: old is now called new", FormerName, stacklevel=1)
        return 0

    monkeypatch.setattr(listing, "execute", execute)
    assert cli.main(["list", "encoders"]) == 0
    assert capsys.readouterr().err == "a.yaml: old is now called new\n"


def test_an_error_is_one_line_whatever_it_quotes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(DataError("no such label: a\nerror: b\x1b[31m"), monkeypatch)
    assert cli.main(["list", "runs"]) == 2
    assert capsys.readouterr().err == "error: no such label: a\\nerror: b\\x1b[31m\n"


def test_a_warning_is_one_line_and_its_traceback_several() -> None:
    record = logging.makeLogRecord({"msg": "the label %s is missing", "args": ("a\nb\tc",)})
    assert cli._EscapingFormatter("%(message)s").format(record) == r"the label a\nb\tc is missing"
    try:
        int("x\x1b")
    except ValueError:
        record.exc_info = sys.exc_info()
    shown = cli._EscapingFormatter("%(message)s").format(record)
    assert shown.startswith("the label a\\nb\\tc is missing\nTraceback (most recent call last):\n")
    assert re.search(r"\nValueError: .*x\\x1b", shown)
