"""A sweep file → a checked sweep. Every error names the line that is at fault."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from bertspec import metrics
from bertspec.catalog import PLAN_FIELDS
from bertspec.config import OWN, MetricConfig, StudyConfig, SweepConfig
from bertspec.documents import Document, Keys, load_yaml
from bertspec.errors import BertspecError, InvalidConfig
from bertspec.records import did_you_mean, validate
from bertspec.study import Session
from bertspec.sweeps.trial import LOSS

__all__ = ["NAMES", "load", "parse", "read", "succeeds"]

_NESTED = ("settings", "averaging")
"""The parameters that have parameters nested in them."""
_RATES = ("learning_rate", "weight_decay")
"""Parameters that nobody searches above 1."""
_BETWEEN = 0.38196601125
"""The share of a range at which a value between its ends is tried: no round number."""
NAMES = tuple(name for name in PLAN_FIELDS if name not in (*OWN, *_NESTED))
"""The parameters that a trial may have, besides those nested in ``settings`` and ``averaging``."""


def read(word: str, session: Session) -> SweepConfig:
    """Read and check the sweep of that name (``configs/sweeps/NAME.yaml``) or file, and fill in its name and metric.

    Every listed value, both ends of every range and a value between them are tried with the first value of each other
    parameter.

    Raises:
        UnknownName: no sweep has that name.
        InvalidConfig: the file is not YAML, or something in it is not supported, not known or not allowed.
    """
    file = session.catalog.sweep(word)
    return _Reader(_loaded(file)).checked(session, name=file.stem)


def load(file: Path) -> SweepConfig:
    """Read a sweep file without comparing its values with what recipes and optimizers allow.

    Raises:
        InvalidConfig: the file is not YAML, or does not follow W&B's schema.
    """
    return _Reader(_loaded(file)).structured(name=file.stem)


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
    return _Reader(Document(str(where), values)).checked(session, name=name)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads a sweep from a document, and raises every error with the line at fault."""

    document: Document

    def structured(self, *, name: str) -> SweepConfig:
        config = validate(SweepConfig, self.document.value, where=self.document.where).read_from(self.document)
        return config if config.name else config.model_copy(update={"name": name})

    def checked(self, session: Session, *, name: str) -> SweepConfig:
        return _Check(self.structured(name=name), session, self).checked()

    def refuse(
        self,
        problem: str,
        path: Keys,
        *,
        given: object = None,
        allowed: str | None = None,
        cause: Exception | None = None,
    ) -> NoReturn:
        raise InvalidConfig(problem, given=given, allowed=allowed, where=self.document.where(path)) from cause


@dataclass(frozen=True, slots=True)
class _Check:
    """Whether the values of a sweep are values that recipes, optimizers, encoders and tasks allow."""

    config: SweepConfig
    session: Session
    reader: _Reader

    def checked(self) -> SweepConfig:
        config = self.config
        self._check_names()
        self._check_searched()
        base = {name: self._extremes(name)[0][1] for name in config.searched}
        plan = self._first_plan(base)
        for name in config.searched:
            self._check_values(name, base)
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
            path = self.config.keys_of(name)
            if top not in known:
                problem = f"unknown parameter{did_you_mean(top, known)}"
                self.reader.refuse(problem, path, given=name, allowed=", ".join(known))
            if bool(dot) != (top in _NESTED) or "." in below:
                self.reader.refuse(
                    "only settings and averaging have parameters nested in them, one level deep",
                    path,
                    given=name,
                    allowed="settings: {parameters: {momentum: {values: [0, 0.9]}}}",
                )

    def _check_searched(self) -> None:
        config, reader = self.config, self.reader
        if config.method != "grid" and not any(parameter.varies for parameter in config.searched.values()):
            reader.refuse(
                "nothing is searched: every trial would be the same",
                ("parameters",),
                allowed="values, or a range, for at least one parameter",
            )
        for word in ("encoder", "task"):
            if word not in config.searched:
                reader.refuse(f"the sweep lacks its {word}", ("parameters",), allowed=f"{word}: {{value: NAME}}")
        if config.searched["task"].several:
            reader.refuse(
                "a sweep has one task: scores on different tasks cannot be compared",
                ("parameters", "task"),
                allowed="one value",
            )

    def _check_values(self, name: str, base: Mapping[str, Any]) -> None:
        """Refuse a listed value, an end of a range, or a value between the ends that no study could have."""
        parameter = self.config.searched[name]
        if name in _RATES and parameter.exponents and parameter.quantile(0.0) > 1:
            self._refuse_exponents(name, f"{parameter.quantile(0.0):g} to {parameter.quantile(1.0):g}")
        for path, value in self._extremes(name):
            refusal = self._refusal({**base, name: value})
            if refusal is not None and parameter.exponents:
                self._refuse_exponents(name, value, refusal)
            if refusal is not None:
                self.reader.refuse(refusal.problem, path, given=value, allowed=refusal.allowed, cause=refusal)
        if parameter.choices is None:
            value = parameter.quantile(_BETWEEN)
            refusal = self._refusal({**base, name: value})
            if refusal is not None:
                self.reader.refuse(
                    f"{refusal.problem}, between the ends of {name}",
                    self.config.keys_of(name),
                    given=value,
                    allowed="whole numbers for both ends, q_uniform, or values: a list",
                    cause=refusal,
                )

    def _refuse_exponents(self, name: str, given: object, cause: Exception | None = None) -> NoReturn:
        kind = self.config.searched[name].kind
        self.reader.refuse(
            f"no {name} can be drawn: the ends of {kind} are exponents of e",
            self.config.keys_of(name),
            given=given,
            allowed=f"{kind}_values, whose ends are the values themselves",
            cause=cause,
        )

    def _refusal(self, parameters: Mapping[str, Any]) -> BertspecError | None:
        try:
            self._plan(parameters)
        except BertspecError as refusal:
            return refusal
        return None

    def _first_plan(self, base: Mapping[str, Any]) -> StudyConfig:
        """The study of every parameter's first value."""
        try:
            return self._plan(base)
        except BertspecError as refusal:
            name = self._at_fault(base)
            if name is not None and self.config.searched[name].exponents:
                self._refuse_exponents(name, base[name], refusal)
            path = ("parameters",) if name is None else self._extremes(name)[0][0]
            given = None if name is None else base[name]
            self.reader.refuse(refusal.problem, path, given=given, allowed=refusal.allowed, cause=refusal)

    def _at_fault(self, base: Mapping[str, Any]) -> str | None:
        """The parameter that the study can be planned without; an encoder and a task are looked up instead."""
        for word, look_up in (("encoder", self.session.catalog.encoder), ("task", self.session.catalog.task)):
            if not succeeds(look_up, str(base[word])):
                return word
        for name in base:
            rest = {other: value for other, value in base.items() if other != name}
            if name not in ("encoder", "task") and succeeds(self._plan, rest):
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
            self.reader.refuse(problem, ("metric", "name"), given=given.name, allowed=", ".join(known))
        lower = given.name == LOSS or metrics.find(given.name).better == "lower"
        if lower != (given.goal == "minimize"):
            default = "goal" not in given.model_fields_set
            self.reader.refuse(
                f"this goal looks for the worst {given.name}{' (minimize is the default of W&B)' if default else ''}",
                ("metric", "name" if default else "goal"),
                given=given.goal,
                allowed=f"goal: {'minimize' if lower else 'maximize'}",
            )
        return given

    def _check_evaluations(self, metric: MetricConfig, plan: StudyConfig, what: str, path: Keys) -> None:
        if plan.recipe.evaluate_every is None:
            self.reader.refuse(
                f"{what} needs evaluations during training, and this sweep has none",
                path,
                allowed="the parameter evaluate_every, such as evaluate_every: {value: 20}",
            )
        if metric.name != plan.task.metrics[0]:
            self.reader.refuse(
                f"{what} needs the task's main metric, and this sweep is decided by another",
                ("metric", "name"),
                given=metric.name,
                allowed=plan.task.metrics[0],
            )

    def _check_target(self, metric: MetricConfig, target: float) -> None:
        try:
            metrics.check_bound(metric.name, target)
        except BertspecError as refusal:
            self.reader.refuse(
                refusal.problem, ("parameters", "target"), given=target, allowed=refusal.allowed, cause=refusal
            )

    def _extremes(self, name: str) -> list[tuple[Keys, Any]]:
        """The listed values, or the ends of a range, each with its path."""
        parameter, path = self.config.searched[name], self.config.keys_of(name)
        if parameter.kind == "constant":
            return [((*path, "value"), parameter.value)]
        if parameter.values is not None:
            return [((*path, "values", at), value) for at, value in enumerate(parameter.values)]
        ends = ("min", "max") if parameter.min is not None else ("distribution",) * 2
        return [((*path, end), parameter.quantile(share)) for end, share in zip(ends, (0.0, 1.0), strict=True)]


def succeeds(act: Callable[[Any], object], argument: object) -> bool:
    """Whether a call raises none of our errors."""
    try:
        act(argument)
    except BertspecError:
        return False
    return True


def _loaded(file: Path) -> Document:
    document = load_yaml(file, what="the sweep file")
    if document.value is None:
        raise InvalidConfig("the sweep file is empty", allowed="method: and parameters:", where=file)
    return document
