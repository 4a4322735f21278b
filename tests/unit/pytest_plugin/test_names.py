from __future__ import annotations

import pytest

from bertspec.pytest_plugin.document import parse
from bertspec.pytest_plugin.names import Example, clashes, examples, fill

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
    found = list(examples(parse("Feature: F\n  Scenario: a-b\n    Given a\n  Scenario: a b\n    Given a\n")))
    assert [(problem.line, "'a_b' belongs to line 2" in problem.text) for problem in clashes(found)] == [(4, True)]


def test_different_names_do_not_clash() -> None:
    assert clashes(outline("<encoder>")) == []


def test_a_value_is_not_filled_again() -> None:
    assert fill("<a> <b> <c>", {"a": "<b>", "b": "1"}) == "<b> 1 <c>"
