"""Claims about the contenders of a sweep: which is among the best, which needs fewer steps, which is less sensitive.

Each claim has a check of its own that refuses, before the sweep runs, a claim that no sweep could settle.
"""

from __future__ import annotations

import math
from dataclasses import replace

from bertspec import metrics, statistics
from bertspec.claims.studies import guarded, until_decided
from bertspec.config import SweepConfig
from bertspec.errors import InvalidConfig, UnknownName
from bertspec.statistics import BEST_TOLERANCE, Claim, Verdict
from bertspec.sweeps.comparison import Comparison

__all__ = ["check_best", "check_sensitivity", "check_steps", "judge_best", "judge_sensitivity", "judge_steps"]


def check_best(config: SweepConfig, name: str, tolerance: float = BEST_TOLERANCE) -> None:
    """Refuse a claim on being among the best that no sweep could settle.

    Raises:
        UnknownName: no contender has that name.
        InvalidConfig: the tolerance is below zero, or as wide as the metric.
    """
    _check_name(config, name)
    _check_tolerance(config, tolerance)


def check_steps(config: SweepConfig, first: str, second: str, factor: float, target: float) -> None:
    """Refuse a claim on the steps to a target that no sweep could settle.

    Raises:
        UnknownName: no contender has that name.
        InvalidConfig: both names are the same, the factor is not above zero, or no score can be the target.
    """
    for name in (first, second):
        _check_name(config, name)
    if first == second:
        raise InvalidConfig("a contender is compared with itself", given=first, where=f"sweep {config.name}")
    if not 0 < factor < math.inf:
        raise InvalidConfig(
            "the factor of steps is not a positive number",
            given=factor,
            allowed="a number above 0",
            where=f"sweep {config.name}",
        )
    metric = _metric(config)
    if metric is not None:
        metrics.check_bound(metric.name, target)


def check_sensitivity(config: SweepConfig, name: str, decades: float, tolerance: float) -> None:
    """Refuse a claim on the range of good learning rates that no sweep could settle.

    Raises:
        UnknownName: no contender has that name.
        InvalidConfig: the range is empty, or the tolerance is as wide as the metric.
    """
    _check_name(config, name)
    _check_tolerance(config, tolerance)
    if not decades > 0:
        raise InvalidConfig(
            "a range of no decades holds for every contender",
            given=f"{decades:g} decades",
            allowed="a number above 0",
            where=f"sweep {config.name}",
        )


def judge_best(comparison: Comparison, name: str, tolerance: float = BEST_TOLERANCE) -> Verdict:
    """Judge that no other contender leads this one by more than the tolerance; seeds are added while it is open.

    The contender also fails by a collapse, a leak or contamination of its own.

    Raises:
        UnknownName: no contender has that name.
        InvalidConfig: no sweep could settle the claim.
        BertspecError: a run failed; finished runs are kept.
    """
    check_best(comparison.config, name, tolerance)
    words = f'"{name}" is within {tolerance:g} of the best in {comparison.metric}'
    claim = Claim(f"lead of another in {comparison.metric}", "at most", tolerance, words=words)
    if comparison.unfair:
        return _unfair(comparison, claim, "best")

    def look() -> Verdict:
        return statistics.judge_best(
            name,
            comparison.scores(),
            quantity=comparison.metric,
            rows=comparison.rows(),
            less_is_better=comparison.less_is_better,
            tolerance=tolerance,
            seed_limit=len(comparison.config.tuning.confirmation_seeds),
        )

    verdict = until_decided(look, comparison.extend)
    comparison.keep()
    confirmed = comparison.confirmed(name)
    if confirmed is None or verdict.outcome == "FAIL" or verdict.interval is None:
        return verdict
    metric = comparison.metric if comparison.metric in metrics.METRICS else confirmed.config.task.metrics[0]
    return guarded(verdict, confirmed, confirmed.runs, metric)


def judge_steps(comparison: Comparison, first: str, second: str, factor: float, target: float) -> Verdict:
    """Judge that the first contender reaches a target in at most ``factor`` times the steps of the second.

    Seeds are added while it is open.

    Raises:
        UnknownName: no contender has that name.
        InvalidConfig: no sweep could settle the claim, or the runs were not evaluated on the way.
        BertspecError: a run failed; finished runs are kept.
    """
    check_steps(comparison.config, first, second, factor, target)
    pair = [comparison.contenders[first], comparison.contenders[second]]
    words = f'"{first}" needs at most {factor:g} times the steps of "{second}" to reach {target:g}'
    claim = Claim(f"ratio of steps to {target:g}", "at most", factor, words=words)
    if comparison.unfair:
        return _unfair(comparison, claim, "steps")

    def look() -> Verdict:
        steps = [contender.steps_to(target, comparison.metric) for contender in pair]
        verdict = statistics.judge_steps(claim, *steps)
        return replace(verdict, more=comparison.more if verdict.outcome == "UNDECIDED" else None)

    verdict = until_decided(look, comparison.extend)
    comparison.keep()
    return verdict


def judge_sensitivity(comparison: Comparison, name: str, decades: float, tolerance: float) -> Verdict:
    """Judge that a contender stays within the tolerance of its best over that many decades of the learning rate.

    Raises:
        UnknownName: no contender has that name.
        InvalidConfig: no sweep could settle the claim.
    """
    check_sensitivity(comparison.config, name, decades, tolerance)
    contender = comparison.contenders[name]
    words = f'"{name}" stays within {tolerance:g} of its best over at least {decades:g} decades of the learning rate'
    claim = Claim("decades of the learning rate", "at least", decades, words=words)
    if comparison.unfair:
        return _unfair(comparison, claim, "sensitivity")
    stopped = sum(trial.state == "stopped" for trial in contender.trials)
    if stopped:
        why = f"{stopped} of its trials were stopped early, so that their final scores are not known"
        return Verdict("UNDECIDED", claim, math.nan, "sensitivity", reason=why)
    return statistics.judge_sensitivity(
        claim,
        contender.curve,
        tolerance=tolerance,
        error=contender.error,
        less_is_better=comparison.less_is_better,
    )


def _unfair(comparison: Comparison, claim: Claim, rule: statistics.Rule) -> Verdict:
    """The verdict on any claim about a comparison that is not fair."""
    why = f"the comparison is not fair: {'; '.join(comparison.unfair)}"
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
            "the tolerance would hold for no contender, or for all of them",
            given=tolerance,
            allowed="a number from 0" + ("" if metric is None else f", below {width:g}, the whole {metric.title}"),
            where=f"sweep {config.name}",
        )


def _metric(config: SweepConfig) -> metrics.Metric | None:
    """The metric that ranks; None for the loss, which has no limits."""
    name = None if config.metric is None else config.metric.name
    return metrics.METRICS.get(name) if name is not None else None
