from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from bertspec.spec import EncoderSpec, GeneratedSpec, OptimizerSpec, RecipeSpec, StudySpec, TaskSpec


def test_a_spec_is_frozen(recipe: RecipeSpec) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        recipe.batch_size = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "either a checkpoint or a family"),
        ({"checkpoint": "a/b", "family": "bert"}, "either a checkpoint or a family"),
        ({"checkpoint": "a/b", "architecture": {"hidden_size": 4}}, "brings its own architecture"),
        ({"family": "gpt"}, "albert"),
        ({"checkpoint": "a/b", "sha256": "abc"}, "pattern"),
    ],
)
def test_an_encoder_has_one_origin(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        EncoderSpec(name="x", **values)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": ("one",)}, "at least two labels"),
        ({"labels": ("one", "one")}, "named twice"),
        ({"head": "regression"}, "has no labels"),
        ({"text_pair": "text"}, "needs two columns"),
        ({"generated": None}, "generated: block"),
        ({"metrics": ()}, "at least 1 item"),
        ({"colour": "red"}, "Extra inputs"),
    ],
)
def test_a_task_that_contradicts_itself_is_refused(task: TaskSpec, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TaskSpec.model_validate(task.model_dump() | changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 1}, "either epochs or steps"),
        ({"steps": None}, "either epochs or steps"),
        ({"batch_size": 0}, "greater than 0"),
        ({"warmup_fraction": 1.0}, "less than 1"),
        ({"clip_norm": 0}, "greater than 0"),
        ({"precision": "fp16"}, "bf16"),
    ],
)
def test_a_recipe_that_cannot_run_is_refused(recipe: RecipeSpec, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        RecipeSpec.model_validate(recipe.model_dump() | changes)


@pytest.mark.parametrize("rate", [0.0, -1e-3, float("nan"), float("inf")])
def test_a_learning_rate_is_a_positive_number(rate: float) -> None:
    with pytest.raises(ValidationError):
        OptimizerSpec(algorithm="sgd", learning_rate=rate)


def test_half_of_the_labels_cannot_be_noise() -> None:
    with pytest.raises(ValidationError, match=r"less than 0\.5"):
        GeneratedSpec(train_rows=1, evaluation_rows=1, label_noise=0.5)


@pytest.mark.parametrize("seeds", [(), (1, 1), (-1,), (2**32,)])
def test_seeds_are_some_distinct_numbers(study_spec: StudySpec, seeds: tuple[int, ...]) -> None:
    with pytest.raises(ValidationError):
        StudySpec.model_validate(study_spec.model_dump() | {"seeds": seeds})


def test_a_study_has_one_run_for_each_seed_in_order(study_spec: StudySpec) -> None:
    assert [run.seed for run in study_spec.runs()] == [1, 2]


def test_a_study_names_what_identifies_it(study_spec: StudySpec) -> None:
    assert study_spec.title == "bert-micro · bundled/sentiment · adamw"
