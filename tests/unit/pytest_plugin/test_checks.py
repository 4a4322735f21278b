from __future__ import annotations

import textwrap

import pytest

from bertspec.pytest_plugin.checks import problems
from bertspec.pytest_plugin.document import Unreadable, parse


def found(text: str, *, known_tags: tuple[str, ...] = ()) -> list[str]:
    """The problems of a feature file, each as ``line: text``."""
    document = parse(textwrap.dedent(text).lstrip("\n"))
    return [f"{problem.line}: {problem.text}" for problem in problems(document, known_tags=known_tags)]


RIGHT = """
    @known
    Feature: A
      Background:
        Given a thing

      Rule: of thumb
        Scenario Outline: <word> is heard
          Given <word>
          And * in the middle
          * a bullet
          Then 1 < 2 and 3 > 2

          @known
          Examples: some
            | word |
            | bird |
"""


def test_a_right_file_has_no_problems() -> None:
    assert found(RIGHT, known_tags=("known",)) == []


def test_every_unknown_tag_is_told_with_its_line() -> None:
    assert [line.partition(" ")[0] for line in found(RIGHT)] == ["1:", "13:"]


def test_the_same_title_in_two_rules_is_the_same_title() -> None:
    text = "Feature: A\n  Rule: x\n    Scenario: a\n      Given b\n  Rule: y\n    Scenario: a\n      Given b\n"
    assert found(text) == ["6: the title 'a' stands on line 3 already"]


@pytest.mark.parametrize(
    ("examples", "problem"),
    [
        ("| word |", "5: the Examples have no rows, and the outline would run once with its placeholders"),
        ("| word | word |\n| a | b |", "5: the column 'word' stands twice in the Examples"),
        ("| word |  |\n| a | b |", "5: a column of the Examples has no name"),
        ("| word | other |\n| a | b |", "5: the column 'other' is used by neither the title nor a step"),
        ("| wrd |\n| a |", "2: <word> has no value: the Examples on line 5 have the columns wrd"),
    ],
)
def test_examples_must_fit_their_outline(examples: str, problem: str) -> None:
    assert problem in found(f"Feature: A\n  Scenario Outline: <word>\n    Given a\n\n  Examples:\n{examples}\n")


def test_each_table_of_an_outline_is_checked() -> None:
    first, second = "Examples:\n| word |\n| a |\n", "Examples:\n| wrd |\n| a |\n"
    lines = found(f"Feature: A\n  Scenario Outline: a\n    Given <word>\n{first}{second}")
    assert lines == [
        "3: <word> has no value: the Examples on line 7 have the columns wrd",
        "7: the column 'wrd' is used by neither the title nor a step",
    ]


def test_a_placeholder_without_examples_is_told() -> None:
    assert found("Feature: A\n  Scenario: a\n    Given <word>\n") == [
        "3: <word> has no value: no Examples give it a value"
    ]


def test_a_placeholder_in_a_background_is_told() -> None:
    text = "Feature: A\n  Background:\n    Given <word>\n  Scenario: a\n    Given b\n"
    assert found(text) == ["3: <word> in a Background: examples belong to one scenario, write it there"]


def test_a_background_must_not_start_with_and() -> None:
    text = "Feature: A\n  Background:\n    And b\n  Scenario: a\n    Given b\n"
    assert found(text) == ["3: the first step starts with 'And': start it with Given, When or Then"]


def test_a_scenario_without_a_title_is_told() -> None:
    assert found("Feature: A\n  Scenario:\n    Given b\n") == ["2: the scenario has no title"]


def test_an_outline_keyword_of_another_language_wants_examples() -> None:
    text = "# language: nl\nFunctionaliteit: A\n  Abstract Scenario: a\n    Gegeven b\n"
    assert found(text) == ["3: the outline has no Examples"]


@pytest.mark.parametrize(
    ("text", "line"), [("", 1), ("\ufeffFeature: A\n", 1), ("Feature: A\n  Scenario: a\n    Given b\n  Oops\n", 4)]
)
def test_what_is_no_gherkin_is_unreadable(text: str, line: int) -> None:
    with pytest.raises(Unreadable) as caught:
        parse(text)
    assert [problem.line for problem in caught.value.problems] == [line]
