"""The sweep that a When line asks for, checked with the claims of the Then lines, and its comparison."""

from __future__ import annotations

from typing import Any

from bertspec.config import EncoderConfig, SweepConfig, TaskConfig
from bertspec.errors import InvalidConfig
from bertspec.study import Session
from bertspec.sweeps import comparison, files, runner
from bertspec.sweeps.comparison import Comparison

from .arguments import parameters
from .scene import Recipe

__all__ = ["compared", "of_table"]

_SEEDS = ("seeds", "confirmation_seeds")


def of_table(
    over: str, table: list[list[str]], session: Session, *, encoder: EncoderConfig, task: TaskConfig, recipe: Recipe
) -> SweepConfig:
    """The sweep over a parameter of a table: the whole grid if the table only lists values, else random draws.

    Args:
        over: the parameter whose values are compared.
        table: the parameters and their values; see :func:`parameters`.
        session: where configs are looked up.
        encoder: the encoder that the scenario fixes.
        task: the task that it fixes.
        recipe: the recipe that it fixes.

    Raises:
        UnknownName: a word names nothing.
        InvalidConfig: the table is not understood, or a Given line changes what a sweep cannot change.
    """
    listed = parameters(table)
    if over not in listed:
        raise InvalidConfig("the table does not list what the sweep is over", given=", ".join(listed), allowed=over)
    if "values" not in listed[over]:
        raise InvalidConfig(
            f"the sweep is over {over}, and the table does not list several values of it",
            given=listed[over],
            allowed="values with commas between them",
        )
    fixed = {name: {"value": value} for name, value in _fixed(session, encoder, task, recipe).items()}
    ranges = any("min" in values for values in listed.values())
    return files.parse(
        {"method": "random" if ranges else "grid", "parameters": {**fixed, **listed, "compare": {"value": over}}},
        session,
        name=f"{encoder.name}-{task.name}-{over}",
        where="the table of the step",
    )


def compared(config: SweepConfig, recipe: Recipe, session: Session, trials_each: int) -> Comparison:
    """The comparison of a sweep's contenders, after that many trials of each; stored trials are not run again.

    Args:
        config: the sweep.
        recipe: the seed policy and the claims of the scenario, which are checked before the first trial.
        session: where it runs.
        trials_each: trials for each contender.

    Raises:
        UnknownName: a claim names a contender that the sweep does not have.
        InvalidConfig: the sweep compares nothing, its grid is too small, or it could never settle a claim.
        BertspecError: a trial failed; finished trials are kept.
    """
    _check_budget(config, trials_each)
    recipe.check(lambda each: each.check_sweep(config, session))
    shifted = _shifted(config, recipe.policy.shift)
    return comparison.begin(shifted, runner.run(shifted, session, trials_each=trials_each, wait=True), session)


def _fixed(session: Session, encoder: EncoderConfig, task: TaskConfig, recipe: Recipe) -> dict[str, Any]:
    if task != session.catalog.task(task.name):
        raise InvalidConfig(
            "a sweep names its task, and this one was changed by a Given line",
            given=task.name,
            allowed="a task as its config has it, or one of your own in configs/tasks",
        )
    if "learning_rate_factor" in recipe.changes:
        raise InvalidConfig(
            "a sweep sets its own learning rates",
            given=f"{recipe.changes['learning_rate_factor']:g} times its own",
            allowed="the table",
        )
    named = {"recipe": recipe.name} if recipe.name is not None else {}
    return {"encoder": encoder.name, "task": task.name, **named, **recipe.changes}


def _check_budget(config: SweepConfig, trials_each: int) -> None:
    where = f"sweep {config.name}"
    if not config.contenders:
        raise InvalidConfig(
            "the sweep compares nothing",
            given=", ".join(config.searched),
            allowed="an optimizer with several values, or compare: {value: PARAMETER}",
            where=where,
        )
    if trials_each < 1:
        raise InvalidConfig("a contender has at least one trial", given=trials_each, where=where)
    if config.planned(trials_each) != trials_each * len(config.contenders):
        raise InvalidConfig(
            "the grid has fewer trials for each contender",
            given=trials_each,
            allowed=f"at most {(config.grid_size or 0) // len(config.contenders)}",
            where=where,
        )


def _shifted(config: SweepConfig, by: int) -> SweepConfig:
    """The same sweep with every seed of tuning and confirmation shifted."""
    if not by:
        return config
    values = config.model_dump(mode="json", exclude_unset=True)
    for name in _SEEDS:
        values["parameters"][name] = {"value": [seed + by for seed in getattr(config.tuning, name)]}
    return SweepConfig.model_validate(values)
