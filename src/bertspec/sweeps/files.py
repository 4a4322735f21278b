"""A sweep file → a checked sweep. Every error names the line that is at fault."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml

from bertspec import metrics
from bertspec.catalog import PLAN_FIELDS
from bertspec.config import OWN, MetricConfig, StudyConfig, SweepConfig
from bertspec.config.sweeps import did_you_mean
from bertspec.errors import BertspecError, InvalidConfig
from bertspec.records import Keys, validate
from bertspec.study import Session
from bertspec.sweeps.trial import LOSS

__all__ = ["NAMES", "load", "parse", "read"]

_NESTED = ("settings", "averaging")
"""The parameters that have parameters nested in them."""
NAMES = tuple(name for name in PLAN_FIELDS if name not in (*OWN, *_NESTED))
"""The parameters that a trial may have, besides those nested in ``settings`` and ``averaging``."""
_MERGE = "tag:yaml.org,2002:merge"


def read(word: str, session: Session) -> SweepConfig:
    """Read and check the sweep of that name (``configs/sweeps/NAME.yaml``) or file, and fill in its name and metric.

    Every listed value, and both ends of every range, are tried with the first value of each other parameter.

    Raises:
        UnknownName: no sweep has that name.
        InvalidConfig: the file is not YAML, or something in it is not supported, not known or not allowed.
    """
    file = session.catalog.sweep(word)
    values, lines = _composed(file)
    return _Document(str(file), lines).checked(values, session, name=file.stem)


def load(file: Path) -> SweepConfig:
    """Read a sweep file without comparing its values with what recipes and optimizers allow.

    Raises:
        InvalidConfig: the file is not YAML, or does not follow W&B's schema.
    """
    values, lines = _composed(file)
    return _Document(str(file), lines).structured(values, name=file.stem)


def parse(values: Mapping[str, Any], session: Session, *, name: str, where: object) -> SweepConfig:
    """Check a sweep that is in no file, as :func:`read` does.

    Args:
        values: what a sweep file would hold.
        session: its catalog knows the names.
        name: the sweep's name, unless it has one itself.
        where: where the sweep is, for messages.

    Raises:
        InvalidConfig: something in it is not supported, not known or not allowed.
    """
    return _Document(str(where)).checked(values, session, name=name)


@dataclass(frozen=True, slots=True)
class _Document:
    """A file and the line of each of its keys; all errors are raised here."""

    name: str
    lines: Mapping[Keys, int] = field(default_factory=dict)

    def structured(self, values: Any, *, name: str) -> SweepConfig:
        config = validate(SweepConfig, values, where=self.where)
        return config if config.name else config.model_copy(update={"name": name})

    def checked(self, values: Any, session: Session, *, name: str) -> SweepConfig:
        return _Check(self.structured(values, name=name), session, self).checked()

    def refuse(
        self,
        problem: str,
        path: Keys,
        *,
        given: object = None,
        allowed: str | None = None,
        cause: Exception | None = None,
    ) -> NoReturn:
        raise InvalidConfig(problem, given=given, allowed=allowed, where=self.where(path)) from cause

    def where(self, path: Keys) -> str:
        """The file, the line of the nearest key above that is in the file, and the path of keys."""
        known = (self.lines[path[:end]] for end in range(len(path), -1, -1) if path[:end] in self.lines)
        line = next((f", line {number}" for number in known), "")
        return f"{self.name}{line}" + (f", {'.'.join(map(str, path))}" if path else "")


@dataclass(frozen=True, slots=True)
class _Check:
    """Whether the values of a sweep are values that recipes, optimizers, encoders and tasks allow."""

    config: SweepConfig
    session: Session
    document: _Document

    def checked(self) -> SweepConfig:
        config, document = self.config, self.document
        self._check_names()
        self._check_searched()
        base = {name: self._extremes(name)[0][1] for name in config.searched}
        plan = self._first_plan(base)
        for name in config.searched:
            for path, value in self._extremes(name):
                try:
                    self._plan({**base, name: value})
                except BertspecError as refusal:
                    document.refuse(refusal.problem, path, given=value, allowed=refusal.allowed, cause=refusal)
        metric = self._metric(plan)
        if config.early_terminate is not None:
            self._check_evaluations(metric, plan, "hyperband", ("early_terminate",))
        if config.tuning.target is not None:
            self._check_evaluations(metric, plan, "the target", ("parameters", "target"))
            self._check_target(metric, config.tuning.target)
        return config.model_copy(update={"metric": metric})

    def _check_names(self) -> None:
        known = (*NAMES, *_NESTED, *OWN)
        for name in self.config.searched:
            top, dot, below = name.partition(".")
            path = self._path(name)
            if top not in known:
                problem = f"unknown parameter{did_you_mean(top, known)}"
                self.document.refuse(problem, path, given=name, allowed=", ".join(known))
            if bool(dot) != (top in _NESTED) or "." in below:
                self.document.refuse(
                    "only settings and averaging have parameters nested in them, one level deep",
                    path,
                    given=name,
                    allowed="settings: {parameters: {momentum: {values: [0, 0.9]}}}",
                )

    def _check_searched(self) -> None:
        config, document = self.config, self.document
        if config.method != "grid" and not any(parameter.varies for parameter in config.searched.values()):
            document.refuse(
                "nothing is searched: every trial would be the same",
                ("parameters",),
                allowed="values, or a range, for at least one parameter",
            )
        for word in ("encoder", "task"):
            if word not in config.searched:
                document.refuse(f"the sweep lacks its {word}", ("parameters",), allowed=f"{word}: {{value: NAME}}")
        if config.searched["task"].several:
            document.refuse(
                "a sweep has one task: scores on different tasks cannot be compared",
                ("parameters", "task"),
                allowed="one value",
            )

    def _first_plan(self, base: Mapping[str, Any]) -> StudyConfig:
        """The study of every parameter's first value."""
        try:
            return self._plan(base)
        except BertspecError as refusal:
            name = self._at_fault(base)
            path = ("parameters",) if name is None else self._extremes(name)[0][0]
            given = None if name is None else base[name]
            self.document.refuse(refusal.problem, path, given=given, allowed=refusal.allowed, cause=refusal)

    def _at_fault(self, base: Mapping[str, Any]) -> str | None:
        """The parameter that the study can be planned without; an encoder and a task are looked up instead."""
        for word, look_up in (("encoder", self.session.catalog.encoder), ("task", self.session.catalog.task)):
            if not _succeeds(look_up, str(base[word])):
                return word
        for name in base:
            rest = {other: value for other, value in base.items() if other != name}
            if name not in ("encoder", "task") and _succeeds(self._plan, rest):
                return name
        return None

    def _plan(self, parameters: Mapping[str, Any]) -> StudyConfig:
        return self.session.catalog.plan(**parameters)

    def _metric(self, plan: StudyConfig) -> MetricConfig:
        given = self.config.metric
        if given is None:
            main = metrics.find(plan.task.metrics[0])
            return MetricConfig(name=main.name, goal="maximize" if main.better == "higher" else "minimize")
        known = (*plan.task.metrics, LOSS)
        if given.name not in known:
            problem = f"{plan.task.name} does not measure this metric{did_you_mean(given.name, known)}"
            self.document.refuse(problem, ("metric", "name"), given=given.name, allowed=", ".join(known))
        lower = given.name == LOSS or metrics.find(given.name).better == "lower"
        if lower != (given.goal == "minimize"):
            default = "goal" not in given.model_fields_set
            self.document.refuse(
                f"this goal looks for the worst {given.name}{' (minimize is the default of W&B)' if default else ''}",
                ("metric", "name" if default else "goal"),
                given=given.goal,
                allowed=f"goal: {'minimize' if lower else 'maximize'}",
            )
        return given

    def _check_evaluations(self, metric: MetricConfig, plan: StudyConfig, what: str, path: Keys) -> None:
        if plan.recipe.evaluate_every is None:
            self.document.refuse(
                f"{what} needs evaluations during training, and this sweep has none",
                path,
                allowed="the parameter evaluate_every, such as evaluate_every: {value: 20}",
            )
        if metric.name != plan.task.metrics[0]:
            self.document.refuse(
                f"{what} needs the task's main metric, and this sweep is decided by another",
                ("metric", "name"),
                given=metric.name,
                allowed=plan.task.metrics[0],
            )

    def _check_target(self, metric: MetricConfig, target: float) -> None:
        try:
            metrics.check_bound(metric.name, target)
        except BertspecError as refusal:
            self.document.refuse(
                refusal.problem, ("parameters", "target"), given=target, allowed=refusal.allowed, cause=refusal
            )

    def _path(self, name: str) -> Keys:
        """The keys that lead to a parameter: a dot may be in its name, or separate nested names."""
        if name in self.config.parameters:
            return ("parameters", name)
        top, _, below = name.partition(".")
        return ("parameters", top, "parameters", below)

    def _extremes(self, name: str) -> list[tuple[Keys, Any]]:
        """The listed values, or the ends of a range, each with its path."""
        parameter, path = self.config.searched[name], self._path(name)
        if parameter.kind == "constant":
            return [((*path, "value"), parameter.value)]
        if parameter.values is not None:
            return [((*path, "values", at), value) for at, value in enumerate(parameter.values)]
        ends = ("min", "max") if parameter.min is not None else ("distribution",) * 2
        return [((*path, end), parameter.quantile(share)) for end, share in zip(ends, (0.0, 1.0), strict=True)]


def _succeeds(act: Callable[[Any], object], argument: object) -> bool:
    try:
        act(argument)
    except BertspecError:
        return False
    return True


class _Loader(yaml.SafeLoader):
    """Safe, with YAML 1.2's numbers: ``1e-5`` is a number, where YAML 1.1 reads a word."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def _composed(file: Path) -> tuple[Any, dict[Keys, int]]:
    try:
        loader = _Loader(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as broken:
        raise InvalidConfig(f"the sweep file cannot be read: {str(broken).splitlines()[0]}", where=file) from broken
    try:
        root = loader.get_single_node()
        if root is None:
            raise InvalidConfig("the sweep file is empty", allowed="method: and parameters:", where=file)
        lines = dict(_lines(root, (), file, set()))
        return loader.construct_document(root), lines
    except yaml.YAMLError as broken:
        mark = getattr(broken, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        problem = getattr(broken, "problem", None) or str(broken).splitlines()[0]
        raise InvalidConfig(f"the sweep file is not YAML: {problem}", where=f"{file}{line}") from broken
    except RecursionError as broken:
        raise InvalidConfig("the sweep file is nested without end", where=file) from broken
    finally:
        loader.dispose()


def _lines(node: yaml.Node, path: Keys, file: Path, seen: set[int]) -> Iterator[tuple[Keys, int]]:
    """Every key with its line, from 1. A repeated key is refused, because YAML would keep only the last.

    A node that an alias repeats is walked once, however often it is repeated.
    """
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        _refuse_repeated_keys(node, file)
        for key, value in node.value:
            if key.tag != _MERGE:
                yield (*path, str(key.value)), key.start_mark.line + 1
                yield from _lines(value, (*path, str(key.value)), file, seen)
    elif isinstance(node, yaml.SequenceNode):
        for at, item in enumerate(node.value):
            yield (*path, at), item.start_mark.line + 1
            yield from _lines(item, (*path, at), file, seen)


def _refuse_repeated_keys(node: yaml.MappingNode, file: Path) -> None:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in lines:
            raise InvalidConfig("a key is repeated", given=name, where=f"{file}, line {line}, and line {lines[name]}")
        lines[name] = line
