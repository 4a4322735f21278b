from __future__ import annotations

from dataclasses import dataclass

import pytest
from pytest_bdd import parsers

from bertspec.pytest_plugin.definitions import ambiguous, undefined
from bertspec.pytest_plugin.internals import Definition


@dataclass(frozen=True)
class Line:
    """A step of a feature file."""

    name: str
    type: str = "given"
    keyword: str = "Given"
    line_number: int = 7


def defined(pattern: str, *, kind: str | None = "given", module: str = "ours", visible_from: str = "") -> Definition:
    parser = parsers.parse(pattern)
    return Definition(kind, pattern, parser, module, visible_from, f"{module}.py:1")


ENCODER = defined('the encoder "{name}"')


def test_a_step_with_a_definition_is_defined() -> None:
    assert list(undefined([Line('the encoder "x"')], [ENCODER])) == []


def test_a_definition_of_another_kind_does_not_count() -> None:
    [problem] = undefined([Line('the encoder "x"', type="when", keyword="When")], [ENCODER])
    assert problem.line == 7
    assert problem.text == 'undefined step: When the encoder "x"'


@pytest.mark.parametrize("text", ['the encodr "distilbert-base-uncased"', 'an encoder "x"', "the encoder x"])
def test_a_step_that_nearly_matches_is_told_what_comes_close(text: str) -> None:
    [problem] = undefined([Line(text)], [ENCODER, defined("something else altogether")])
    assert problem.text.endswith("did you mean 'Given the encoder \"{name}\"'?")


def test_two_patterns_for_one_step_are_ambiguous_wherever_they_stand() -> None:
    greedy = defined("the {thing}", module="conftest", visible_from="features")
    [problem] = ambiguous([Line('the encoder "x"')], [ENCODER, greedy])
    assert "2 step definitions match" in problem.text
    assert "'the {thing}' (conftest.py:1)" in problem.text


def test_the_same_pattern_twice_in_one_module_is_ambiguous() -> None:
    assert list(ambiguous([Line('the encoder "x"')], [ENCODER, ENCODER]))


@pytest.mark.parametrize("visible_from", ["", "features"])
def test_the_same_pattern_in_a_conftest_overrides(visible_from: str) -> None:
    own = defined(ENCODER.pattern, module="conftest", visible_from=visible_from)
    assert list(ambiguous([Line('the encoder "x"')], [ENCODER, own])) == []
