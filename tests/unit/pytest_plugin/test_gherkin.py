from __future__ import annotations

import textwrap

import pytest

from bertspec.pytest_plugin.gherkin import Example, Unreadable, clashes, examples, fill, parse, problems


def errors_in(text: str, *, known_tags: tuple[str, ...] = ()) -> list[str]:
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


def test_a_correct_file_has_no_errors() -> None:
    assert errors_in(RIGHT, known_tags=("known",)) == []


def test_every_unknown_tag_is_reported_with_its_line() -> None:
    assert [line.partition(" ")[0] for line in errors_in(RIGHT)] == ["1:", "13:"]


def test_the_same_title_in_two_rules_is_the_same_title() -> None:
    text = "Feature: A\n  Rule: x\n    Scenario: a\n      Given b\n  Rule: y\n    Scenario: a\n      Given b\n"
    assert errors_in(text) == ["6: the title 'a' is already used on line 3"]


@pytest.mark.parametrize(
    ("examples", "problem"),
    [
        ("| word |", "5: the Examples have no rows; the outline would run once, with its placeholders unfilled"),
        ("| word | word |\n| a | b |", "5: the Examples have the column 'word' twice"),
        ("| word |  |\n| a | b |", "5: the Examples have a column without a name"),
        ("| word | other |\n| a | b |", "5: neither the title nor a step uses the column 'other'"),
        ("| wrd |\n| a |", "2: <word> has no value: the Examples on line 5 have only the columns wrd"),
    ],
)
def test_examples_must_fit_their_outline(examples: str, problem: str) -> None:
    assert problem in errors_in(f"Feature: A\n  Scenario Outline: <word>\n    Given a\n\n  Examples:\n{examples}\n")


def test_each_table_of_an_outline_is_checked() -> None:
    first, second = "Examples:\n| word |\n| a |\n", "Examples:\n| wrd |\n| a |\n"
    lines = errors_in(f"Feature: A\n  Scenario Outline: a\n    Given <word>\n{first}{second}")
    assert lines == [
        "3: <word> has no value: the Examples on line 7 have only the columns wrd",
        "7: neither the title nor a step uses the column 'wrd'",
    ]


def test_a_placeholder_without_examples_is_an_error() -> None:
    assert errors_in("Feature: A\n  Scenario: a\n    Given <word>\n") == [
        "3: <word> has no value: the scenario has no Examples"
    ]


def test_a_placeholder_in_a_background_is_an_error() -> None:
    text = "Feature: A\n  Background:\n    Given <word>\n  Scenario: a\n    Given b\n"
    assert errors_in(text) == [
        "3: <word> in a Background has no value: move the step into the scenario that has the Examples"
    ]


def test_a_background_must_not_start_with_and() -> None:
    text = "Feature: A\n  Background:\n    And b\n  Scenario: a\n    Given b\n"
    assert errors_in(text) == ["3: the first step starts with 'And'; start it with Given, When or Then"]


def test_a_scenario_without_a_title_is_an_error() -> None:
    assert errors_in("Feature: A\n  Scenario:\n    Given b\n") == ["2: the scenario has no title"]


def test_an_outline_keyword_of_another_language_needs_examples() -> None:
    text = "# language: nl\nFunctionaliteit: A\n  Abstract Scenario: a\n    Gegeven b\n"
    assert errors_in(text) == ["3: the outline has no Examples"]


@pytest.mark.parametrize(
    ("text", "line"), [("", 1), ("\ufeffFeature: A\n", 1), ("Feature: A\n  Scenario: a\n    Given b\n  Oops\n", 4)]
)
def test_a_file_that_is_not_gherkin_is_unreadable(text: str, line: int) -> None:
    with pytest.raises(Unreadable) as caught:
        parse(text)
    assert [problem.line for problem in caught.value.problems] == [line]


TABLE = "    Examples:\n      | encoder | task | bound |\n      | a/b | x y | 0.9 |\n      | c | z | 0.8 |\n"


def outline(title: str, table: str = TABLE) -> list[Example]:
    return list(examples(parse(f"Feature: F\n  @t\n  Scenario Outline: {title}\n    Given a\n{table}")))


@pytest.mark.parametrize(
    ("title", "names"),
    [
        ("<encoder> learns <task>", ["encoder_learns_task[a/b-x y]", "encoder_learns_task[c-z]"]),
        ("on <task>, <encoder>", ["on_task_encoder[x y-a/b]", "on_task_encoder[z-c]"]),
        ("it learns", ["it_learns[a/b-x y-0.9]", "it_learns[c-z-0.8]"]),
        ("≥ <encoder>", ["encoder[a/b]", "encoder[c]"]),
    ],
)
def test_the_id_is_made_of_the_columns_that_the_title_names(title: str, names: list[str]) -> None:
    assert [example.name for example in outline(title)] == names


def test_an_example_has_the_title_and_the_line_of_its_row() -> None:
    assert [(example.title, example.line) for example in outline("<encoder>!")] == [("a/b!", 7), ("c!", 8)]


def test_an_example_has_the_tags_of_its_scenario_and_of_its_table() -> None:
    tagged = outline("<encoder>", "    @u\n" + TABLE)
    assert [example.tags for example in tagged] == [{"t", "u"}, {"t", "u"}]


def test_a_scenario_without_rows_is_one_example() -> None:
    [only] = examples(parse("Feature: F\n  Scenario: It Learns!\n    Given a\n"))
    assert (only.name, only.title, only.line, only.values) == ("it_learns", "It Learns!", 2, {})


def test_a_title_without_words_is_named_by_its_line() -> None:
    [only] = examples(parse("Feature: F\n  Scenario: ???\n    Given a\n"))
    assert only.name == "line_2"


def test_two_titles_with_one_name_clash() -> None:
    candidates = list(examples(parse("Feature: F\n  Scenario: a-b\n    Given a\n  Scenario: a b\n    Given a\n")))
    assert [(problem.line, "'a_b' is already used on line 2" in problem.text) for problem in clashes(candidates)] == [
        (4, True)
    ]


def test_different_names_do_not_clash() -> None:
    assert clashes(outline("<encoder>")) == []


def test_a_value_is_not_filled_again() -> None:
    assert fill("<a> <b> <c>", {"a": "<b>", "b": "1"}) == "<b> 1 <c>"


def test_an_id_that_a_terminal_could_act_on_is_escaped() -> None:
    outline = "Feature: A\n  Scenario Outline: It reads <text>\n    Given <text>\n    Then it\n"
    table = "    Examples:\n      | text |\n      | \x1b[31m\u202e |\n"
    [example] = examples(parse(outline + table))
    assert example.name == r"it_reads_text[\x1b[31m\u202e]"
