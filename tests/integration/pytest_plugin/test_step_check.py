from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Project

pytest_plugins = ["pytester"]


def test_defined_steps_are_counted_and_nothing_runs(learning: Project) -> None:
    learning.scenario('Given a network "buggy-net"\nWhen it learns with "adamw"')
    result = learning.run("features", "--check-steps")
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes()
    result.stdout.fnmatch_lines(["4 scenarios, all steps defined"])


def test_an_undefined_step_is_listed_once_with_what_comes_close(learning: Project) -> None:
    learning.write(
        "features/wrong.feature",
        """
        Feature: Wrong
          Scenario Outline: <encoder>
            Given a netwrk "<encoder>"
            Then its score is at least 0.5

            Examples:
              | encoder |
              | a       |
              | b       |
        """,
    )
    result = learning.run("features", "--check-steps")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    listed = [line for line in result.outlines if "undefined step" in line]
    assert listed == [
        'features/wrong.feature:3: undefined step: Given a netwrk "a"; did you mean \'Given a network "{name}"\'?'
    ]


def test_an_ambiguous_step_is_listed(learning: Project) -> None:
    learning.write(
        "features/conftest.py",
        "from pytest_bdd import given, parsers\n\n@given(parsers.parse('a {thing}'))\ndef a_thing(thing):\n    pass\n",
    )
    result = learning.run("features", "--check-steps")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["features/learning.feature:5: 2 step definitions match: Given a network*"])


def test_a_rejected_file_is_not_called_defined(learning: Project) -> None:
    learning.write("features/wrong.feature", 'Feature: A\n  Scenario: a\n    And a network "x"\n')
    result = learning.run("features", "--check-steps")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.no_fnmatch_line("*all steps defined")


@pytest.mark.parametrize("workers", [["-n", "2"], ["--dist", "load", "--tx", "2*popen"]])
def test_workers_are_not_started(learning: Project, workers: list[str]) -> None:
    result = learning.run("features", "--check-steps", *workers)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["3 scenarios, all steps defined"])
