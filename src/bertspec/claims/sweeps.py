"""Claims about the contenders of a sweep, and their verdicts.

What a claim says is checked by itself, too, before a sweep is run: see :func:`check_best` and its kin.
"""

from __future__ import annotations

import math

from bertspec import metrics, statistics
from bertspec.claims.studies import guarded
from bertspec.config import SweepConfig
from bertspec.errors import InvalidConfig, UnknownName
from bertspec.statistics import BEST_TOLERANCE, Claim, Verdict
from bertspec.sweeps.comparison import Comparison

__all__ = ["check_best", "check_sensitivity", "check_steps", "judge_best", "judge_sensitivity", "judge_steps"]


def check_best(config: SweepConfig, name: str, tolerance: float = BEST_TOLERANCE) -> None:
    """Refuse a claim on being among the best that says nothing.

    Raises:
        UnknownName: no contender is called so.
        InvalidConfig: the tolerance is below zero, or as wide as the metric.
    """
    _check_name(config, name)
    _check_tolerance(config, tolerance)


def check_steps(config: SweepConfig, first: str, second: str, factor: float, target: float) -> None:
    """Refuse a claim on the steps to a target that says nothing.

    Raises:
        UnknownName: no contender is called so.
        InvalidConfig: both are the same, the factor is not above zero, or no score can be the target.
    """
    for name in (first, second):
        _check_name(config, name)
    if first == second:
        raise InvalidConfig("a contender is compared with itself", given=first, where=f"sweep {config.name}")
    if not 0 < factor < math.inf:
        raise InvalidConfig(
            "nobody needs so many times the steps",
            given=factor,
            allowed="a number above 0",
            where=f"sweep {config.name}",
        )
    metric = _metric(config)
    if metric is not None:
        metrics.check_bound(metric.name, target)


def check_sensitivity(config: SweepConfig, name: str, decades: float, tolerance: float) -> None:
    """Refuse a claim on the range of good learning rates that says nothing.

    Raises:
        UnknownName: no contender is called so.
        InvalidConfig: the range is empty, or the tolerance is as wide as the metric.
    """
    _check_name(config, name)
    _check_tolerance(config, tolerance)
    if not decades > 0:
        raise InvalidConfig(
            "every contender is near its best over no range at all",
            given=f"{decades:g} decades",
            allowed="a number above 0",
            where=f"sweep {config.name}",
        )


def judge_best(made: Comparison, name: str, tolerance: float = BEST_TOLERANCE) -> Verdict:
    """The verdict on the claim that no other contender is ahead by more than the tolerance; see ``verdict``.

    Seeds are added while it is open. The contender also fails by a collapse, a leak or an overlap of its own.

    Raises:
        UnknownName: no contender is called so.
        InvalidConfig: the claim says nothing.
        BertspecError: a run failed; finished runs are kept.
    """
    check_best(made.config, name, tolerance)
    words = f'"{name}" is within {tolerance:g} of the best in {made.metric}'
    refused = _unfair(made, Claim(f"lead of another in {made.metric}", "at most", tolerance, words=words), "best")
    if refused is not None:
        return refused
    found = _look_at_best(made, name, tolerance)
    while found.more is not None:
        made.extend(found.more)
        found = _look_at_best(made, name, tolerance)
    made.keep()
    known = made.metric if made.metric in metrics.METRICS else None
    confirmed = made.confirmed(name)
    if confirmed is None or found.outcome == "FAIL" or found.interval is None:
        return found
    return guarded(found, confirmed, confirmed.runs, known or confirmed.config.task.metrics[0])


def judge_steps(made: Comparison, first: str, second: str, factor: float, target: float) -> Verdict:
    """The verdict on the claim that the first contender reaches a target in so many times the steps of the second.

    Seeds are added while it is open.

    Raises:
        UnknownName: no contender is called so.
        InvalidConfig: the claim says nothing, or the runs were not evaluated on the way.
        BertspecError: a run failed; finished runs are kept.
    """
    check_steps(made.config, first, second, factor, target)
    pair = [made.contenders[first], made.contenders[second]]
    words = f'"{first}" needs at most {factor:g} times the steps of "{second}" to reach {target:g}'
    claim = Claim(f"steps to {target:g}", "at most", factor, words=words)
    refused = _unfair(made, claim, "steps")
    if refused is not None:
        return refused
    found = statistics.judge_steps(claim, *(contender.steps_to(target, made.metric) for contender in pair))
    while found.outcome == "UNDECIDED" and made.more is not None:
        made.extend(made.more)
        found = statistics.judge_steps(claim, *(contender.steps_to(target, made.metric) for contender in pair))
    made.keep()
    return found


def judge_sensitivity(made: Comparison, name: str, decades: float, tolerance: float) -> Verdict:
    """The verdict on the claim that a contender stays near its best over so many decades of the learning rate.

    Raises:
        UnknownName: no contender is called so.
        InvalidConfig: the claim says nothing.
    """
    check_sensitivity(made.config, name, decades, tolerance)
    contender = made.contenders[name]
    words = f'"{name}" stays within {tolerance:g} of its best over at least {decades:g} decades of the learning rate'
    claim = Claim("decades of the learning rate", "at least", decades, words=words)
    refused = _unfair(made, claim, "sensitivity")
    if refused is not None:
        return refused
    stopped = sum(trial.state == "stopped" for trial in contender.trials)
    if stopped:
        why = f"{stopped} of its trials were stopped early, and nobody knows what they would have reached"
        return Verdict("UNDECIDED", claim, math.nan, "sensitivity", reason=why)
    return statistics.judge_sensitivity(
        claim,
        contender.curve,
        tolerance=tolerance,
        error=contender.error,
        less_is_better=made.less_is_better,
    )


def _look_at_best(made: Comparison, name: str, tolerance: float) -> Verdict:
    return statistics.judge_best(
        name,
        made.scores(),
        quantity=made.metric,
        rows=made.rows(),
        less_is_better=made.less_is_better,
        tolerance=tolerance,
        allowance=len(made.config.tuning.confirmation_seeds),
    )


def _unfair(made: Comparison, claim: Claim, rule: statistics.Rule) -> Verdict | None:
    """The verdict on any claim where the comparison is not fair."""
    if not made.unfair:
        return None
    why = f"the comparison is not fair: {'; '.join(made.unfair)}"
    return Verdict("UNDECIDED", claim, math.nan, rule, reason=why)


def _check_name(config: SweepConfig, name: str) -> None:
    names = [str(each) for each in config.contenders]
    if name not in names:
        raise UnknownName(config.tuning.compare or "contender", name, names, where=f"sweep {config.name}")


def _check_tolerance(config: SweepConfig, tolerance: float) -> None:
    metric = _metric(config)
    width = math.inf if metric is None else metric.highest - metric.lowest
    if not 0 <= tolerance < width:
        raise InvalidConfig(
            "the tolerance would hold for nothing, or for everything",
            given=tolerance,
            allowed="a number from 0" + ("" if metric is None else f", below {width:g}, the whole {metric.title}"),
            where=f"sweep {config.name}",
        )


def _metric(config: SweepConfig) -> metrics.Metric | None:
    """The metric that ranks, where it is one with known limits: the loss has none."""
    name = None if config.metric is None else config.metric.name
    return metrics.METRICS.get(name) if name is not None else None
