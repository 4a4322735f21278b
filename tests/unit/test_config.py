from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from bertspec.config import EncoderConfig, GeneratedConfig, OptimizerConfig, RecipeConfig, StudyConfig, TaskConfig

SGD = {"algorithm": "sgd", "learning_rate": 0.1}


def test_a_spec_is_frozen(recipe: RecipeConfig) -> None:
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
        EncoderConfig(name="x", **values)


def test_a_task_stored_under_a_former_field_name_is_read(task: TaskConfig) -> None:
    values = task.model_dump()
    del values["contamination_allowed"]
    assert TaskConfig.model_validate({**values, "overlap_allowed": 0.5}).contamination_allowed == 0.5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": ("one",)}, "at least two labels"),
        ({"labels": ("one", "one")}, "named twice"),
        ({"head": "regression"}, "has no labels"),
        ({"head": "ranking"}, "one of classification, regression"),
        ({"text_pair": "text"}, "needs two columns"),
        ({"generated": None}, "generated: block"),
        ({"metrics": ()}, "at least 1 item"),
        ({"colour": "red"}, "Extra inputs"),
    ],
)
def test_a_task_that_contradicts_itself_is_refused(task: TaskConfig, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TaskConfig.model_validate(task.model_dump() | changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 1}, "either epochs or steps"),
        ({"steps": None}, "either epochs or steps"),
        ({"batch_size": 0}, "greater than 0"),
        ({"threads": 0}, "greater than 0"),
        ({"threads": 10_000}, "less than or equal to 1024"),
        ({"warmup_fraction": 1.0}, "less than 1"),
        ({"clip_norm": 0}, "greater than 0"),
        ({"precision": "fp16"}, "bf16"),
        ({"micro_batch": 17}, "micro_batch 17 is a part of a batch, and batch_size is 16"),
        ({"micro_batch": 0}, "greater than 0"),
        ({"schedule": "one-cycle"}, "has its own warm-up, and warmup_fraction 0.25 is not 0"),
        ({"schedule": "cosines"}, "'cosine'"),
        ({"optimizer": {**SGD, "averaging": {"kind": "swa", "start": 0.2}}}, "inside the warm-up of 0.25"),
        ({"optimizer": {**SGD, "averaging": {"kind": "mean"}}}, "'swa', 'ema'"),
        ({"optimizer": {**SGD, "averaging": {"kind": "swa", "decay": 0.9}}}, "Extra inputs"),
        ({"optimizer": {**SGD, "averaging": {"kind": "ema", "decay": 1.0}}}, "less than 1"),
        ({"optimizer": {**SGD, "averaging": {"kind": "ema", "start": 1.0}}}, "less than 1"),
        ({"optimizer": {**SGD, "averaging": {"kind": "swa", "anneal": "step"}}}, "'cosine' or 'linear'"),
        ({"optimizer": {**SGD, "averaging": {"kind": "swa", "anneal_steps": -1}}}, "greater than or equal to 0"),
        ({"optimizer": {**SGD, "layer_decay": 0.0}}, "greater than 0"),
        ({"optimizer": {**SGD, "layer_decay": 1.1}}, "less than or equal to 1"),
        ({"optimizer": {**SGD, "decay_exempt": "biases"}}, "'biases-and-norms' or 'none'"),
        ({"optimizer": {**SGD, "algorithm": "lbfgs"}}, "L-BFGS cannot train an encoder on batches"),
    ],
)
def test_a_recipe_that_cannot_run_is_refused(recipe: RecipeConfig, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        RecipeConfig.model_validate(recipe.model_dump() | changes)


def test_an_average_at_the_schedules_rate_may_start_in_the_warm_up(recipe: RecipeConfig) -> None:
    averaging = {"kind": "swa", "start": 0.0, "learning_rate_share": None}
    assert RecipeConfig.model_validate(recipe.model_dump() | {"optimizer": {**SGD, "averaging": averaging}})


def test_an_optimizer_is_called_by_its_name_or_else_by_its_rule(study_config: StudyConfig) -> None:
    optimizer = study_config.recipe.optimizer.model_copy(update={"name": "swa"})
    recipe = study_config.recipe.model_copy(update={"optimizer": optimizer})
    called = study_config.model_copy(update={"recipe": recipe})
    assert called.title == "bert-micro · bundled/sentiment · swa"
    assert study_config.title == "bert-micro · bundled/sentiment · adamw"


@pytest.mark.parametrize("rate", [0.0, -1e-3, float("nan"), float("inf")])
def test_a_learning_rate_is_a_positive_number(rate: float) -> None:
    with pytest.raises(ValidationError):
        OptimizerConfig(algorithm="sgd", learning_rate=rate)


def test_half_of_the_labels_cannot_be_noise() -> None:
    with pytest.raises(ValidationError, match=r"less than 0\.5"):
        GeneratedConfig(train_rows=1, evaluation_rows=1, label_noise=0.5)


@pytest.mark.parametrize("seeds", [(), (1, 1), (-1,), (2**32,)])
def test_seeds_are_some_distinct_numbers(study_config: StudyConfig, seeds: tuple[int, ...]) -> None:
    with pytest.raises(ValidationError):
        StudyConfig.model_validate(study_config.model_dump() | {"seeds": seeds})


def test_a_study_has_one_run_for_each_seed_in_order(study_config: StudyConfig) -> None:
    assert [run.seed for run in study_config.runs()] == [1, 2]


def test_a_study_names_what_identifies_it(study_config: StudyConfig) -> None:
    assert study_config.title == "bert-micro · bundled/sentiment · adamw"
