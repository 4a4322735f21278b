from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Project

pytest_plugins = ["pytester"]

TEETH = "would have refused 0.02 less"
HEADING = "detectable_drop, or reason"
TABLE = [
    f"verdict  scenario                      claim                  measured  interval        runs       {HEADING}",
    f"PASS     distilbert learns with adamw  score is at least 0.8  0.912     [0.900, 0.924]  3 trained  {TEETH}",
    f"PASS     distilbert learns with sgd    score is at least 0.7  0.912     [0.900, 0.924]  3 trained  {TEETH}",
    f"PASS     albert learns with adamw      score is at least 0.9  0.912     [0.900, 0.924]  3 trained  {TEETH}",
]


def test_each_claim_is_a_line_of_an_aligned_table(learning: Project) -> None:
    lines = learning.run("features").outlines
    start = next(number for number, line in enumerate(lines) if line.strip("=") == " claims ")
    assert lines[start + 1 : start + 5] == TABLE
    assert lines[start + 5] == "3 claims: 3 PASS, 0 FAIL, 0 UNDECIDED; 0 scenarios not run"


@pytest.mark.parametrize("dist", ["load", "loadgroup"])
def test_claims_of_all_workers_meet_in_one_table(learning: Project, dist: str) -> None:
    lines = learning.run("features", "-n2", "--dist", dist).outlines
    assert sorted(line for line in lines if line.startswith("PASS ")) == sorted(TABLE[1:])
    assert "3 claims: 3 PASS, 0 FAIL, 0 UNDECIDED; 0 scenarios not run" in lines


def test_the_reasons_of_workers_are_told_and_nothing_ran(learning: Project) -> None:
    text = (learning.pytester.path / "features/learning.feature").read_text("utf-8")
    learning.write("features/learning.feature", text.replace("@bundled", "@hub"))
    result = learning.run("features", "-n2")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    result.stdout.fnmatch_lines(
        ["3 scenarios: needs a mirror*", "    albert learns with adamw", "0 claims*; 3 scenarios not run"]
    )


def test_other_peoples_suites_see_no_summary(project: Project) -> None:
    project.write("test_python.py", "def test_it():\n    pass\n")
    result = project.run(".")
    result.stdout.no_fnmatch_line("*claims*")


def test_colours_are_the_terminals(learning: Project) -> None:
    coloured = learning.run("features", "--color=yes").stdout.str()
    assert "\x1b[32mPASS\x1b[0m     distilbert" in coloured
    assert "\x1b[" not in learning.run("features", "--color=no").stdout.str()


def test_a_stream_without_unicode_gets_ascii(learning: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (learning.pytester.path / "features/learning.feature").read_text("utf-8")
    learning.write("features/learning.feature", text.replace("<encoder> learns", "<encoder> · learns"))
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    monkeypatch.setenv("PYTHONUTF8", "0")
    result = learning.pytester.runpytest_subprocess("features")
    result.stdout.fnmatch_lines(["PASS * distilbert - learns with adamw *"])
