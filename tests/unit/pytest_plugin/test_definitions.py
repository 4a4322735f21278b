from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest
from pytest_bdd import parsers

from bertspec.pytest_plugin.definitions import ambiguous, feature_files_in, may_be_ours, undefined
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


FEATURES = Path(__file__).parents[3] / "features"
ENCODER = defined('the encoder "{name}"')


def test_a_step_with_a_definition_is_defined() -> None:
    assert list(undefined([Line('the encoder "x"')], [ENCODER])) == []


def test_a_definition_of_another_kind_does_not_count() -> None:
    [problem] = undefined([Line('the encoder "x"', type="when", keyword="When")], [ENCODER])
    assert problem.line == 7
    assert problem.text == 'undefined step: When the encoder "x"'


@pytest.mark.parametrize("text", ['the encodr "distilbert-base-uncased"', 'an encoder "x"', "the encoder x"])
def test_an_undefined_step_is_reported_with_similar_texts(text: str) -> None:
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


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for name in ("a/one.feature", "a/b/two.feature", "venv/three.feature", "a/test_it.py"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return tmp_path


def test_feature_files_are_found_below_a_folder_but_not_in_skipped_ones(folders: Path) -> None:
    assert sorted(path.name for path in feature_files_in(folders, ["ven*"])) == ["one.feature", "two.feature"]


def test_a_feature_file_is_found_in_itself(folders: Path) -> None:
    assert list(feature_files_in(folders / "a/one.feature")) == [folders / "a/one.feature"]


def test_a_python_file_holds_none(folders: Path) -> None:
    assert list(feature_files_in(folders / "a/test_it.py")) == []


@pytest.mark.parametrize("path", sorted(FEATURES.rglob("*.feature")), ids=lambda path: path.name)
def test_every_feature_file_of_ours_holds_one_of_our_words(path: Path) -> None:
    assert may_be_ours(path)


@pytest.mark.parametrize("line", ['Given the task "buy milk"', "Then its price is at least 5", ""])
def test_what_anybody_could_write_is_not_ours(line: str, tmp_path: Path) -> None:
    file = tmp_path / "others.feature"
    file.write_text(f"Feature: Others\n  Scenario: One\n    {line}\n")
    assert not may_be_ours(file)


BOUND = defined("its {metric} is at least {bound:g}", kind="then")
HIGHEST = defined("its {metric} is at most {bound:g}", kind="then")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("accuracy is over 0.9", "its accuracy is at least 0.9"),
        ("its accuracy is above 0.9", "its accuracy is at least 0.9"),
        ("its accuracy is >= 0.9", "its accuracy is at least 0.9"),
        ("its macro F1 is greater than 0.9", "its macro F1 is at least 0.9"),
        ("its error rate is below 0.1", "its error rate is at most 0.1"),
        ("accuracy is < 0.1", "its accuracy is at most 0.1"),
    ],
)
def test_a_bound_in_other_words_is_answered_with_ours(text: str, meant: str) -> None:
    [problem] = undefined([Line(text, type="then", keyword="Then")], [BOUND, HIGHEST])
    assert problem.text == f"undefined step: Then {text}; did you mean 'Then {meant}'?"


@pytest.mark.parametrize(
    ("text", "odd"),
    [
        ('the\u00a0encoder "x"', "U+00A0 (no-break space): write a plain space instead"),
        ('the \u200bencoder "x"', "U+200B (zero width space): write a plain space instead"),
        ("the encoder \u201cx\u201d", 'U+201C (left double quotation mark): write " instead'),
    ],
)
def test_a_character_that_looks_like_another_is_named(text: str, odd: str) -> None:
    [problem] = undefined([Line(text)], [ENCODER])
    assert problem.text.endswith(f"; it has the character {odd}")


def test_a_line_that_rows_repeat_is_matched_once() -> None:
    greedy = defined("the {thing}", module="conftest", visible_from="features")
    assert len(list(ambiguous([Line('the encoder "x"')] * 1000, [ENCODER, greedy]))) == 1


def test_a_pipe_with_the_name_of_a_feature_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.feature")
    assert not may_be_ours(tmp_path / "pipe.feature")
