"""Given: what is compared, and what stays the same."""

from __future__ import annotations

from dataclasses import replace

from pytest_bdd import given, parsers

from bertspec.config import EncoderConfig, TaskConfig
from bertspec.study import Session

from .arguments import fields
from .scene import Claims, Recipe


@given(parsers.parse('the encoder "{name}"'), target_fixture="encoder")
def the_encoder(name: str, bertspec_session: Session) -> EncoderConfig:
    """A checkpoint, or an architecture that is trained from scratch."""
    return bertspec_session.catalog.encoder(name)


@given(parsers.parse('the task "{name}"'), target_fixture="task")
def the_task(name: str, bertspec_session: Session) -> TaskConfig:
    """A data set with its columns, its head and its metrics."""
    return bertspec_session.catalog.task(name)


@given(parsers.parse('the task "{name}" with'), target_fixture="task")
def the_task_with(name: str, bertspec_session: Session, datatable: list[list[str]]) -> TaskConfig:
    """The same with some of its fields set in a table; or any data set, by its hub id or its file."""
    return bertspec_session.catalog.task(name, fields(datatable))


@given(parsers.parse('the recipe "{name}"'), target_fixture="recipe")
def the_recipe(name: str, recipe: Recipe) -> Recipe:
    """How encoders are trained, instead of the recipe that an encoder names itself."""
    return replace(recipe, name=name)


@given(parsers.parse('the recipe "{name}" with'), target_fixture="recipe")
def the_recipe_with(name: str, recipe: Recipe, datatable: list[list[str]]) -> Recipe:
    """The same, with some of its fields set in a table."""
    return replace(recipe, name=name, changes={**recipe.changes, **fields(datatable)})


@given("the training labels are shuffled", target_fixture="task")
def the_labels_are_shuffled(task: TaskConfig) -> TaskConfig:
    """Sabotage: texts and labels no longer belong together, and nothing can be learned."""
    return task.model_copy(update={"sabotage": "shuffled labels"})


@given("the labels are leaked into the texts", target_fixture="task")
def the_labels_are_leaked(task: TaskConfig) -> TaskConfig:
    """Sabotage: every text, scored texts included, begins with a mark of its label."""
    return task.model_copy(update={"sabotage": "leaked labels"})


@given("it is scored on rows that it was trained on", target_fixture="task")
def it_is_scored_on_training_rows(task: TaskConfig) -> TaskConfig:
    """Sabotage: the evaluation split consists of training rows."""
    return task.model_copy(update={"sabotage": "scored on training rows"})


@given("the encoder is frozen", target_fixture="recipe")
def the_encoder_is_frozen(recipe: Recipe) -> Recipe:
    """Only the head is trained."""
    return replace(recipe, changes={**recipe.changes, "frozen_encoder": True})


@given(parsers.parse("the texts are cut after {tokens:d} tokens"), target_fixture="recipe")
def the_texts_are_cut(tokens: int, recipe: Recipe) -> Recipe:
    """Special tokens included."""
    return replace(recipe, changes={**recipe.changes, "max_length": tokens})


@given(parsers.parse("the learning rate is {factor:g} times its own"), target_fixture="recipe")
def the_learning_rate_is_multiplied(factor: float, recipe: Recipe) -> Recipe:
    """The optimizer's learning rate for such an encoder, multiplied."""
    return replace(recipe, changes={**recipe.changes, "learning_rate_factor": factor})


@given(parsers.parse('bounds from "{source}"'), target_fixture="claims")
def bounds_from(source: str, claims: Claims) -> Claims:
    """Where the bounds of the scenario come from: a publication, or your own runs."""
    return replace(claims, source=source)
