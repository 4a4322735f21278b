"""What a step that asks for a sweep means: a sweep of a file, or one that stands in a table."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from pytest_bdd.parsers import StepParser

from bertspec.config import EncoderConfig, SweepConfig, TaskConfig
from bertspec.errors import InvalidConfig
from bertspec.study import Session
from bertspec.sweeps import comparison, files, runner
from bertspec.sweeps.comparison import Comparison

from .arguments import seeds
from .scene import Recipe

__all__ = ["Promises", "Scene", "check", "compared", "of_file", "parameters"]

Promises = tuple[tuple[StepParser, Callable[..., None]], ...]
"""How a line claims something of a sweep, and what refuses the claim where it says nothing."""


_RANGE = re.compile(r"(?P<low>\S+)\s+to\s+(?P<high>\S+?)(?P<log>,?\s+on a log scale)?")
_SEEDS = ("seeds", "confirmation_seeds")
_HEAD = ["parameter", "values"]


@dataclass(frozen=True, slots=True)
class Scene:
    """What the Given lines of a scenario hold fixed."""

    encoder: EncoderConfig
    task: TaskConfig
    recipe: Recipe

    def sweep(self, over: str, table: list[list[str]], session: Session) -> SweepConfig:
        """The sweep over what a table lists: the whole grid where everything is listed, else drawn at random.

        Raises:
            UnknownName: a word names nothing.
            InvalidConfig: the table is not understood, or a Given line changes what a sweep cannot.
        """
        listed = parameters(table)
        if over not in listed:
            raise InvalidConfig("the table does not list what the sweep is over", given=", ".join(listed), allowed=over)
        fixed = {name: {"value": value} for name, value in self._fixed(session).items()}
        if "values" not in listed[over]:
            raise InvalidConfig(
                f"the sweep is over {over}, and the table lists no several values of it",
                given=listed[over],
                allowed="values with commas between them",
            )
        ranges = any("min" in values for values in listed.values())
        return files.parse(
            {
                "method": "random" if ranges else "grid",
                "parameters": {**fixed, **listed, "compare": {"value": over}},
            },
            session,
            name=f"{self.encoder.name}-{self.task.name}-{over}",
            where="the table of the step",
        )

    def _fixed(self, session: Session) -> dict[str, Any]:
        if self.task != session.catalog.task(self.task.name):
            raise InvalidConfig(
                "a sweep names its task, and this one was changed by a Given line",
                given=self.task.name,
                allowed="a task as its config has it, or one of your own in configs/tasks",
            )
        if "learning_rate_factor" in self.recipe.changes:
            raise InvalidConfig(
                "a sweep sets its own learning rates",
                given=f"{self.recipe.changes['learning_rate_factor']:g} times its own",
                allowed="the table",
            )
        named = {"recipe": self.recipe.name} if self.recipe.name is not None else {}
        return {"encoder": self.encoder.name, "task": self.task.name, **named, **self.recipe.changes}


def of_file(name: str, session: Session) -> SweepConfig:
    """The sweep of that name, or of that file.

    Raises:
        UnknownName: nothing is called so.
        InvalidConfig: something in it is not supported, not known or not allowed.
    """
    return files.read(name, session)


def check(
    config: SweepConfig,
    lines: Sequence[str],
    promises: Promises,
    session: Session,
    *,
    converters: Mapping[str, Callable[[str], Any]],
) -> None:
    """Refuse what a scenario claims of a sweep and no sweep could answer, before anything is trained.

    Raises:
        UnknownName: no contender is called so.
        InvalidConfig: a number is out of range, or nobody looks on the way to a target.
    """
    if not config.contenders:
        return  # that it compares nothing is told by compared
    for line in lines:
        for words, refuse in promises:
            found = words.parse_arguments(line) if words.is_matching(line) else None
            if found is None:
                continue
            given = {name: converters[name](value) if name in converters else value for name, value in found.items()}
            refuse(config, **given)
            if "target" in given:
                asked = config.model_dump(mode="json", exclude_unset=True)
                asked["parameters"]["target"] = {"value": given["target"]}
                files.parse(asked, session, name=str(config.name), where="the Then line")


def compared(config: SweepConfig, session: Session, trials_each: int) -> Comparison:
    """The comparison of a sweep's contenders, after so many trials of each; what the store has is not run again.

    Raises:
        BertspecError: the sweep cannot be run, or compares nothing; finished trials are kept.
    """
    if not config.contenders:
        raise InvalidConfig(
            "the sweep compares nothing",
            given=", ".join(config.searched),
            allowed="an optimizer with several values, or compare: {value: PARAMETER}",
            where=f"sweep {config.name}",
        )
    if trials_each < 1:
        raise InvalidConfig("a contender has at least one trial", given=trials_each, where=f"sweep {config.name}")
    if config.planned(trials_each) != trials_each * len(config.contenders):
        raise InvalidConfig(
            "the grid has not so many trials for each",
            given=trials_each,
            allowed=f"at most {(config.grid_size or 0) // len(config.contenders)}",
            where=f"sweep {config.name}",
        )
    shifted = _shifted(config, session.seed_shift)
    return comparison.begin(shifted, runner.run(shifted, session, trials_each=trials_each, wait=True), session)


def parameters(table: list[list[str]]) -> dict[str, dict[str, Any]]:
    """A table of parameters and their values → parameters as a sweep file has them.

    ``adam, adamw`` lists values, ``0.1 to 10`` is a range, ``0.1 to 10 on a log scale`` one of which every decade
    is as likely as another, and a single value stays as it is. ``seeds`` and ``confirmation_seeds`` are lists of seeds.

    Raises:
        InvalidConfig: a row has not two cells, or a value is no YAML.
    """
    if any(len(row) != 2 for row in table):
        raise InvalidConfig("a table of parameters has two columns", given=table[0], allowed="| parameter | values |")
    rows = table[1:] if table[0] == _HEAD else table
    return {name: {"value": list(seeds(cell))} if name in _SEEDS else _values(cell) for name, cell in rows}


def _values(cell: str) -> dict[str, Any]:
    if match := _RANGE.fullmatch(cell.strip()):
        ends = {"min": _read(match["low"]), "max": _read(match["high"])}
        return {**ends, **({"distribution": "log_uniform_values"} if match["log"] else {})}
    listed = [_read(part) for part in cell.split(",")]
    return {"values": listed} if len(listed) > 1 else {"value": listed[0]}


def _read(word: str) -> Any:
    try:
        value = yaml.safe_load(word)
    except yaml.YAMLError as broken:
        raise InvalidConfig(
            "the value is not understood", given=word, allowed="a word, a number, true or false"
        ) from broken
    try:
        return float(value) if isinstance(value, str) and re.match(r"[-+.\d]", value) else value
    except ValueError:
        return value


def _shifted(config: SweepConfig, by: int) -> SweepConfig:
    """The same sweep with every seed of tuning and confirmation that much higher."""
    if not by:
        return config
    given = config.model_dump(mode="json", exclude_unset=True)
    for name in _SEEDS:
        given["parameters"][name] = {"value": [seed + by for seed in getattr(config.tuning, name)]}
    return SweepConfig.model_validate(given)
