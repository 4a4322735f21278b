from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Project

pytest_plugins = ["pytester"]

STEP = 'Given a network "x"'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("", "wrong.feature:1: the file has no Feature", id="empty"),
        pytest.param("Feature: A\n", "wrong.feature:1: the file has no scenario", id="no scenario"),
        pytest.param(
            f"\ufeffFeature: A\n  Scenario: a\n    {STEP}\n", "wrong.feature:1: *byte-order mark*", id="byte-order mark"
        ),
        pytest.param(
            f"Feature: A\n  Scenario: a\n    {STEP}\n  Scenario: a\n    {STEP}\n",
            "wrong.feature:4: the title 'a' is already used on line 2",
            id="same title twice",
        ),
        pytest.param("Feature: A\n  Scenario: a\n", "wrong.feature:2: the scenario has no steps*", id="no steps"),
        pytest.param(
            f"Feature: A\n  Scenario: a\n    And {STEP[6:]}\n",
            "wrong.feature:3: the first step starts with 'And'*",
            id="And",
        ),
        pytest.param(
            f"Feature: A\n  Scenario: a\n    * {STEP[6:]}\n",
            "wrong.feature:3: the first step starts with '[*]'*",
            id="*",
        ),
        pytest.param(
            f"Feature: A\n  Scenario Outline: a\n    {STEP}\n",
            "wrong.feature:2: the outline has no Examples",
            id="outline",
        ),
    ],
)
def test_a_trap_of_plain_pytest_bdd_is_refused_with_file_and_line(project: Project, text: str, message: str) -> None:
    project.write("features/right.feature", f"Feature: A\n  Scenario: a\n    {STEP}\n")
    project.write("features/wrong.feature", text)
    result = project.run("features/wrong.feature")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines([f"features/{message}"])


def test_all_errors_of_a_file_are_reported_at_once(rejected: Callable[[str], str]) -> None:
    message = rejected(
        """
        Feature: A
          Scenario Outline: <encodr> learns
            Given a network "<encoder>"

            Examples:
              | encoder | bound |
              | albert  | 0.9   |
        """
    )
    assert "features/wrong.feature:2: <encodr> has no value" in message
    assert "features/wrong.feature:5: neither the title nor a step uses the column 'bound'" in message


def test_a_column_may_serve_a_docstring_or_a_table_only(project: Project) -> None:
    project.write(
        "features/right.feature",
        """
        Feature: A
          Scenario Outline: it reads
            Given a board
              | <cell> |
            And a letter
              \"\"\"
              Dear <name>, <unknown> is markup.
              \"\"\"

            Examples:
              | cell | name |
              | x    | y    |
        """,
    )
    project.run("features").assert_outcomes(passed=1)


def test_a_step_that_two_definitions_match_is_refused_with_both(project: Project) -> None:
    project.write(
        "features/conftest.py",
        """
        from pytest_bdd import given, parsers

        @given(parsers.parse("a {thing}"))
        def a_thing(thing):
            pass
        """,
    )
    project.scenario('Given a network "x"')
    result = project.run("features")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(
        ["features/one.feature:4: 2 step definitions match: Given a network*'a network *'a {thing}'*"]
    )


def test_a_file_that_is_not_utf_8_is_refused(project: Project) -> None:
    file = project.write("features/wrong.feature", "Feature: A\n")
    file.write_bytes(b"Feature: A\n  Scenario: caf\xe9\n")
    project.run("features/wrong.feature").stdout.fnmatch_lines(["features/wrong.feature:2: the file is not UTF-8"])
