from __future__ import annotations

from collections.abc import Callable

import pytest
from bertspec.steps.arguments import fields, lengths, number, parameters, rule, seeds

from bertspec.errors import FormerName, InvalidConfig


@pytest.mark.parametrize(
    ("words", "expected"),
    [("1 to 3", (1, 2, 3)), ("7", (7,)), ("1, 2 and 5", (1, 2, 5)), ("5 and 1", (5, 1)), ("3 to 3", (3,))],
)
def test_seeds_are_read_as_people_write_them(words: str, expected: tuple[int, ...]) -> None:
    assert seeds(words) == expected


@pytest.mark.parametrize("words", ["one to three", "1..3", "-1"])
def test_seeds_that_are_not_understood_are_refused(words: str) -> None:
    with pytest.raises(InvalidConfig, match="'1 to 3', or '1, 2 and 5'"):
        seeds(words)


@pytest.mark.parametrize(("words", "expected"), [("64", (64,)), ("16 and 64", (16, 64)), ("8, 32 and 64", (8, 32, 64))])
def test_lengths_are_read_as_people_write_them(words: str, expected: tuple[int, ...]) -> None:
    assert lengths(words) == expected


@pytest.mark.parametrize("words", ["8 to 64", "", "long"])
def test_lengths_that_are_not_understood_are_refused(words: str) -> None:
    with pytest.raises(InvalidConfig, match="'64', or '8, 32 and 64'"):
        lengths(words)


def test_a_rule_is_named_and_its_former_name_warns() -> None:
    assert rule("contamination") == "contamination"
    with pytest.warns(FormerName, match='write "by its contamination" instead'):
        assert rule("overlap") == "contamination"


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(InvalidConfig, match="no rule has that name; given: 'meen'; allowed: mean, collapse"):
        rule("meen")


def test_a_table_holds_fields_with_or_without_a_header() -> None:
    rows = [["steps", "5"], ["clip_norm", "null"], ["seeds", "[1, 2]"]]
    expected = {"steps": 5, "clip_norm": None, "seeds": [1, 2]}
    assert fields(rows) == fields([["field", "value"], *rows]) == expected


def test_a_table_has_two_columns() -> None:
    with pytest.raises(InvalidConfig, match="two columns"):
        fields([["a", "b", "c"]])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("3 to 1", "the first seed is above the last one; given: '3 to 1'; allowed: '1 to 3'"),
        ("1 to 30000000", r"too many seeds; given: '1 to 30000000 \(30,000,000\)'; allowed: up to 1,000"),
        ("1 to " + "9" * 5000, "the seeds are not understood"),
        (", ".join(map(str, range(1001))), r"too many seeds; .*\(1,001\)"),
        ("\u00b2", "the seeds are not understood"),
        ("", "the seeds are not understood"),
    ],
)
def test_seeds_that_no_study_could_have_are_refused_at_once(words: str, message: str) -> None:
    with pytest.raises(InvalidConfig, match=message):
        seeds(words)


@pytest.mark.parametrize("word", ["1.2.3", ".", "inf", "nan", "many"])
def test_a_word_that_is_no_number_is_refused(word: str) -> None:
    with pytest.raises(InvalidConfig, match="this is not a number"):
        number(word)


def test_a_number_is_read() -> None:
    assert number("1.25") == 1.25


@pytest.mark.parametrize("read", [fields, parameters])
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([["steps", "2"], ["steps", "3"]], "stands twice in the table; given: 'steps'"),
        ([["steps", ""]], r"a cell is empty; given: '\| steps \|  \|'; allowed: a value"),
        ([["", "3"]], "a cell is empty"),
        ([["steps", "{a: 1"]], "the value of steps is not YAML"),
        ([["steps", "2024-13-45"]], "the value of steps has a date"),
        ([["steps", "[" * 5000]], "the value of steps is nested more than 50 levels deep"),
        ([["steps", "010"]], "the value of steps has a number that other readers of YAML read differently"),
    ],
)
def test_a_table_that_says_something_twice_or_nothing_is_refused(
    read: Callable[[list[list[str]]], object], rows: list[list[str]], message: str
) -> None:
    with pytest.raises(InvalidConfig, match=message):
        read(rows)


def test_a_value_between_two_commas_is_not_empty() -> None:
    with pytest.raises(InvalidConfig, match="a value between two commas is empty; given: 'adam,,sgd'"):
        parameters([["optimizer", "adam,,sgd"]])
