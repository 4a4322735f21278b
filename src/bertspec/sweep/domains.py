"""Whether the values of a sweep are values that a recipe, an optimizer, an encoder or a task can have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bertspec import metrics
from bertspec.catalog import PLAN_FIELDS
from bertspec.config import OWN, MetricConfig, ParameterConfig, StudyConfig, SweepConfig
from bertspec.config.parameters import close
from bertspec.errors import BertspecError
from bertspec.study import Session
from bertspec.sweep import distributions
from bertspec.sweep.trial import LOSS, study_of

__all__ = ["NAMES", "Refused", "checked"]

_NESTED = ("settings", "averaging")
"""The parameters that have parameters nested in them."""
NAMES = tuple(name for name in PLAN_FIELDS if name not in (*OWN, *_NESTED))
"""The parameters that a trial may have, besides those nested in ``settings`` and ``averaging``."""


class Refused(Exception):
    """A value that no trial could use, and the path of keys at which it stands."""

    def __init__(
        self, problem: str, path: tuple[str | int, ...], *, given: object = None, allowed: str | None = None
    ) -> None:
        super().__init__(problem)
        self.problem, self.path, self.given, self.allowed = problem, path, given, allowed


def checked(config: SweepConfig, session: Session) -> SweepConfig:
    """The same sweep, with its metric filled in where the file has none.

    Every value that is listed, and the ends of every range, are tried by themselves beside the first value of each
    other parameter.

    Raises:
        Refused: a parameter is not known, a value is not allowed, or nobody measures the metric.
    """
    _check_names(config)
    _check_searched(config)
    base = {name: _first(parameter) for name, parameter in config.searched.items()}
    for word in ("encoder", "task"):
        if word not in base:
            raise Refused(f"the sweep does not say which {word}", ("parameters",), allowed=f"{word}: {{value: NAME}}")
    if config.searched["task"].several:
        raise Refused(
            "a sweep has one task: scores of several cannot be compared",
            ("parameters", "task"),
            allowed="one value",
        )
    plan = _planned(config, session, base)
    for name, parameter in config.searched.items():
        for at, value in _extremes(parameter):
            _plan(session, {**base, name: value}, ("parameters", *_place(config, name), *at), value)
    metric = _metric(config.metric, plan)
    if config.early_terminate is not None:
        _check_looks(metric, plan, "hyperband", ("early_terminate",))
    if config.tuning.target is not None:
        _check_looks(metric, plan, "the target", ("parameters", "target"))
        _check_target(metric, config.tuning.target)
    return config.model_copy(update={"metric": metric})


def _check_names(config: SweepConfig) -> None:
    known = (*NAMES, *_NESTED, *OWN)
    for name in config.searched:
        top, dot, below = name.partition(".")
        path = ("parameters", *_place(config, name))
        if top not in known:
            raise Refused(f"unknown parameter{close(top, known)}", path, given=name, allowed=", ".join(known))
        if bool(dot) != (top in _NESTED) or "." in below:
            raise Refused(
                "only settings and averaging have parameters nested in them, one level deep",
                path,
                given=name,
                allowed="settings: {parameters: {momentum: {values: [0, 0.9]}}}",
            )


def _check_searched(config: SweepConfig) -> None:
    varied = any(parameter.choices is None or len(parameter.choices) > 1 for parameter in config.searched.values())
    if config.method != "grid" and not varied:
        raise Refused(
            "nothing is searched: every trial would be the same",
            ("parameters",),
            allowed="values, or a range, for at least one parameter",
        )


def _planned(config: SweepConfig, session: Session, base: Mapping[str, Any]) -> StudyConfig:
    """The study of every parameter's first value; the parameter at fault is found by leaving it out."""
    for word, find in (("encoder", session.catalog.encoder), ("task", session.catalog.task)):
        try:
            find(base[word])
        except BertspecError as refusal:
            at = next(_extremes(config.searched[word]))[0]
            raise _refused(refusal, ("parameters", word, *at), base[word]) from refusal
    try:
        return study_of(base, session, seeds=(0,), tuning_share=None)
    except BertspecError as refusal:
        for name in base:
            rest = {other: value for other, value in base.items() if other != name}
            if name in ("encoder", "task"):  # without them there is no study
                continue
            try:
                study_of(rest, session, seeds=(0,), tuning_share=None)
            except BertspecError:
                continue
            at = next(_extremes(config.searched[name]))[0]
            raise _refused(refusal, ("parameters", *_place(config, name), *at), base[name]) from refusal
        raise _refused(refusal, ("parameters",), None) from refusal


def _plan(session: Session, parameters: Mapping[str, Any], path: tuple[str | int, ...], value: Any) -> StudyConfig:
    try:
        return study_of(parameters, session, seeds=(0,), tuning_share=None)
    except BertspecError as refusal:
        raise _refused(refusal, path, value) from refusal


def _refused(refusal: BertspecError, path: tuple[str | int, ...], value: Any) -> Refused:
    return Refused(refusal.problem, path, given=value, allowed=refusal.allowed)


def _metric(given: MetricConfig | None, plan: StudyConfig) -> MetricConfig:
    if given is None:
        main = metrics.find(plan.task.metrics[0])
        return MetricConfig(name=main.name, goal="maximize" if main.better == "higher" else "minimize")
    known = (*plan.task.metrics, LOSS)
    if given.name not in known:
        raise Refused(
            f"nobody measures this metric on {plan.task.name}{close(given.name, known)}",
            ("metric", "name"),
            given=given.name,
            allowed=", ".join(known),
        )
    lower = given.name == LOSS or metrics.find(given.name).better == "lower"
    if lower != (given.goal == "minimize"):
        silent = "goal" not in given.model_fields_set
        raise Refused(
            f"this goal looks for the worst {given.name}{' (minimize is the default of W&B)' if silent else ''}",
            ("metric", "name" if silent else "goal"),
            given=given.goal,
            allowed=f"goal: {'minimize' if lower else 'maximize'}",
        )
    return given


def _check_looks(metric: MetricConfig, plan: StudyConfig, who: str, path: tuple[str, ...]) -> None:
    if plan.recipe.evaluate_every is None:
        raise Refused(
            f"{who} needs evaluations on the way, and this sweep makes none",
            path,
            allowed="the parameter evaluate_every, such as evaluate_every: {value: 20}",
        )
    if metric.name != plan.task.metrics[0]:
        raise Refused(
            f"{who} looks at the main metric of the task, and this sweep is after another one",
            ("metric", "name"),
            given=metric.name,
            allowed=plan.task.metrics[0],
        )


def _check_target(metric: MetricConfig, target: float) -> None:
    try:
        metrics.check_bound(metric.name, target)
    except BertspecError as refusal:
        raise _refused(refusal, ("parameters", "target"), target) from refusal


def _place(config: SweepConfig, name: str) -> tuple[str, ...]:
    """The keys that lead to a parameter: a dot may be in its name, or stand for a nested one."""
    if name in config.parameters:
        return (name,)
    top, _, below = name.partition(".")
    return (top, "parameters", below)


def _first(parameter: ParameterConfig) -> Any:
    return next(_extremes(parameter))[1]


def _extremes(parameter: ParameterConfig) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """The listed values, or the ends of a range, each with its place below the parameter."""
    if parameter.kind == "constant":
        yield ("value",), parameter.value
    elif parameter.values is not None:
        yield from ((("values", at), value) for at, value in enumerate(parameter.values))
    else:
        for end, share in (("min", 0.0), ("max", 1.0)):
            place = (end,) if parameter.min is not None else ("distribution",)
            yield place, distributions.quantile(parameter, share)
