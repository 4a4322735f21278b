from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent, indent

import pytest
from bertspec.steps import given, then, when

from bertspec.pytest_plugin import gherkin, usage
from bertspec.pytest_plugin.internals import Definition, definitions_in, feature

DEFINITIONS: list[Definition] = [each for module in (given, when, then) for each in definitions_in(module)]
GOOD = """
    Given the encoder "bert-tiny"
    And the task "bundled/sentiment"
    And the recipe "from-scratch" with
      | steps | 2 |
    When it is fine-tuned with "adamw" on seeds 1 to 3
    Then its accuracy is at least 0.9
    And no seed collapses
"""
GOOD_LINES = GOOD.strip("\n").splitlines()

Problems = Callable[[str], list[tuple[int, str]]]


@pytest.fixture
def problems(tmp_path: Path) -> Problems:
    """The problems of the only scenario of a file; its steps begin on line 3."""

    def found(steps: str, head: str = "Feature: A\n  Scenario: a") -> list[tuple[int, str]]:
        file = tmp_path / f"{abs(hash((head, steps)))}.feature"
        file.write_text(f"{head}\n{indent(dedent(steps).strip(chr(10)), '    ')}\n", "utf-8")
        [template] = feature(file).scenarios.values()
        example = next(gherkin.examples(gherkin.parse(file.read_text("utf-8"))))
        return [(problem.line, problem.text) for problem in usage.problems(template, example, DEFINITIONS)]

    return found


def test_a_scenario_in_which_everything_counts_has_no_problem(problems: Problems) -> None:
    assert problems(GOOD) == []


@pytest.mark.parametrize("number", range(len(GOOD_LINES)), ids=lambda number: GOOD_LINES[number].strip())
def test_a_doc_string_under_any_step_is_refused(problems: Problems, number: int) -> None:
    if GOOD_LINES[number].lstrip().startswith("|"):
        return
    at = number + 1 + GOOD_LINES[number].endswith(" with")
    with_doc_string = [*GOOD_LINES[:at], '      """', "      doc", '      """', *GOOD_LINES[at:]]
    if GOOD_LINES[number].endswith(" with"):
        with_doc_string.remove("      | steps | 2 |")
    [(line, text), *_] = problems("\n".join(with_doc_string))
    assert (line, text) == (3 + number, f"the step reads no doc string: {GOOD_LINES[number].strip()}")


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ('"bert-tiny"\n', '"bert-tiny"\n      | steps | 2 |\n', 3, "the step reads no table: Given the encoder"),
        ("      | steps | 2 |\n", "", 5, "the step needs a table below it: And the recipe"),
        ("| steps | 2 |", "| steps |  |", 6, "a cell is empty: | steps |  |"),
        ("| steps | 2 |", "| | 2 |", 6, "a cell is empty"),
        (
            "| steps | 2 |",
            "| steps | 2 |\n      | seed | 1 |\n      | steps | 3 |",
            8,
            "'steps' is already in the table",
        ),
        (
            "    Then its",
            '    When it is fine-tuned with "sgd" on seeds 4 to 6\n    Then its',
            8,
            "a second When, after",
        ),
        ("    And no", '    When it is fine-tuned with "sgd" on seeds 4 to 6\n    Then no', 9, "that of line 7"),
        ("    Then its", '    Given the encoder "bert-small"\n    Then its', 8, "this Given changes nothing"),
        ("    Then its", "    Given the encoder is frozen\n    Then its", 8, "it comes after the When"),
        (
            "    When it",
            '    And the encoder "bert-small"\n    When it',
            7,
            "the encoder is given twice, first on line 3",
        ),
        (
            "    When it",
            '    And the task "bundled/majority"\n    When it',
            7,
            "the task is given twice, first on line 4",
        ),
        ("    When it", '    And the recipe "x"\n    When it', 7, "the recipe is given twice, first on line 5"),
    ],
)
def test_what_would_be_ignored_is_refused_with_its_line(
    problems: Problems, old: str, new: str, line: int, message: str
) -> None:
    assert old in GOOD
    [(at, text), *_] = problems(GOOD.replace(old, new, 1))
    assert at == line
    assert message in text


def test_what_changes_a_given_or_follows_a_when_with_effect_is_no_problem(problems: Problems) -> None:
    sabotaged = GOOD.replace("    When it", "    And the training labels are shuffled\n    When it")
    assert problems(sabotaged.replace("    Then its", '    Given bounds from "our runs"\n    Then its')) == []


def test_a_scenario_may_replace_what_its_background_gives(problems: Problems) -> None:
    head = 'Feature: A\n  Background:\n    Given the encoder "bert-small"\n  Scenario: a'
    assert problems(GOOD, head) == []


def test_a_second_when_of_a_background_counts(problems: Problems) -> None:
    act = 'When it is fine-tuned with "sgd" on seeds 1'
    head = f'Feature: A\n  Background:\n    Given the encoder "a"\n    {act}\n  Scenario: a'
    assert [line for line, text in problems(GOOD, head) if "second When" in text] == [10]


def test_an_empty_cell_of_the_examples_is_refused_where_a_step_uses_it(problems: Problems) -> None:
    outline = f"""
    {GOOD.strip().replace("bundled/sentiment", "<task>").replace("| 2 |", "| <steps> |")}

    Examples:
      | task | steps | note |
      |      | 2     |      |
      | b    |       | x    |
    """.replace("    Given", "Given")
    head = "Feature: A\n  Scenario Outline: <note>"
    assert problems(outline, head) == [
        (13, "a cell is empty, in the column 'task'"),
        (14, "a cell is empty, in the column 'steps'"),
    ]


def test_steps_of_others_may_have_what_they_like(problems: Problems) -> None:
    assert problems('Given a board\n  | a | |\n"""\nx\n"""\nWhen it moves\nWhen it moves\n') == []


def test_a_step_that_others_override_is_theirs(problems: Problems, monkeypatch: pytest.MonkeyPatch) -> None:
    own = [
        Definition(**{**{n: getattr(d, n) for n in Definition.__slots__}, "module": "conftest"}) for d in DEFINITIONS
    ]
    monkeypatch.setattr(f"{__name__}.DEFINITIONS", [*DEFINITIONS, *own])
    assert problems(GOOD.replace('"bert-tiny"\n', '"bert-tiny"\n      | steps | 2 |\n')) == []


def test_steps_of_ours_without_a_then_claim_nothing(tmp_path: Path) -> None:
    def claims_nothing(text: str) -> bool:
        file = tmp_path / f"{abs(hash(text))}.feature"
        file.write_text(f"Feature: A\n  Scenario: a\n{text}\n")
        [template] = feature(file).scenarios.values()
        return usage.claims_nothing(template.steps, DEFINITIONS)

    assert not claims_nothing(GOOD)
    assert claims_nothing(GOOD.partition("    Then")[0])
    assert claims_nothing('    Given the encoder "bert-tiny"')
    assert not claims_nothing("    Given a board")
    assert not claims_nothing('    Given the encoder "bert-tiny"\n    Then it is nice')
