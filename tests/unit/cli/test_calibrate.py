from __future__ import annotations

from pathlib import Path

import pytest

from bertspec.cli import main

pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The command lines that pytest is called with; it finds nothing to complain about."""
    lines: list[list[str]] = []

    def called(options: list[str]) -> pytest.ExitCode:
        lines.append(options)
        return pytest.ExitCode.OK

    monkeypatch.setattr(pytest, "main", called)
    return lines


def test_pytest_finds_and_runs_the_scenarios(asked: list[list[str]], tmp_path: Path) -> None:
    assert main(["calibrate", "my.feature", "--runs", "5", "-k", "bert", "--store", str(tmp_path)]) == 0
    [options] = asked
    assert options[:4] == ["my.feature", "--calibrate=5", "--bertspec-device=auto", f"--bertspec-store={tmp_path}"]
    assert options[-2:] == ["-k", "bert"]


def test_workers_and_tags_are_handed_on(asked: list[list[str]]) -> None:
    assert main(["calibrate", "features", "--workers", "2", "--tags", "bundled"]) == 0
    assert asked[0][-4:] == ["-m", "bundled", "-n", "2"]


@pytest.mark.parametrize("option", [["--runs", "2"], ["--runs", "many"], ["--workers", "0"]])
def test_too_few_runs_are_bad_usage(option: list[str], asked: list[list[str]]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["calibrate", "my.feature", *option])
    assert (stopped.value.code, asked) == (2, [])


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (pytest.ExitCode.TESTS_FAILED, 1),
        (pytest.ExitCode.NO_TESTS_COLLECTED, 2),
        (pytest.ExitCode.USAGE_ERROR, 2),
        (pytest.ExitCode.INTERRUPTED, 130),
    ],
)
def test_what_pytest_says_becomes_an_exit_status(
    monkeypatch: pytest.MonkeyPatch, status: pytest.ExitCode, expected: int
) -> None:
    monkeypatch.setattr(pytest, "main", lambda _: status)
    assert main(["calibrate", "my.feature"]) == expected
