from __future__ import annotations

import pytest
from bertspec.steps.arguments import fields, lengths, rule, seeds

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
