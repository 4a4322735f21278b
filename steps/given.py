"""Given: what is compared, and what is held fixed."""

from __future__ import annotations

from dataclasses import replace

from pytest_bdd import given, parsers

from bertspec.spec import EncoderSpec, TaskSpec
from bertspec.study import Workbench

from .arguments import fields
from .scene import Recipe


@given(parsers.parse('the encoder "{name}"'), target_fixture="encoder")
def the_encoder(name: str, workbench: Workbench) -> EncoderSpec:
    """A checkpoint, or an architecture that is trained from scratch."""
    return workbench.catalog.encoder(name)


@given(parsers.parse('the task "{name}"'), target_fixture="task")
def the_task(name: str, workbench: Workbench) -> TaskSpec:
    """A data set with its columns, its head and its metrics."""
    return workbench.catalog.task(name)


@given(parsers.parse('the task "{name}" with'), target_fixture="task")
def the_task_with(name: str, workbench: Workbench, datatable: list[list[str]]) -> TaskSpec:
    """The same with some of its fields set in a table; or any data set, by its hub id or its file."""
    return workbench.catalog.task(name, fields(datatable))


@given(parsers.parse('the recipe "{name}"'), target_fixture="recipe")
def the_recipe(name: str, recipe: Recipe) -> Recipe:
    """How encoders are trained here, instead of the recipe that an encoder names itself."""
    return replace(recipe, name=name)


@given(parsers.parse('the recipe "{name}" with'), target_fixture="recipe")
def the_recipe_with(name: str, recipe: Recipe, datatable: list[list[str]]) -> Recipe:
    """The same, with some of its fields set in a table."""
    return replace(recipe, name=name, changes=fields(datatable))


@given("the training labels are shuffled", target_fixture="task")
def the_labels_are_shuffled(task: TaskSpec) -> TaskSpec:
    """Sabotage: texts and labels no longer belong together, so that nothing can be learned."""
    return task.model_copy(update={"shuffled_labels": True})
