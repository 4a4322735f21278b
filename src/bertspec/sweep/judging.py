"""Claims about the contenders of a sweep, and their verdicts.

What a claim says is checked by itself, too, before a sweep is run: see :func:`check_best` and its kin.
"""

from __future__ import annotations

import math

from bertspec import metrics, study, verdict
from bertspec.errors import InvalidSpec, UnknownName
from bertspec.spec import SweepSpec
from bertspec.sweep.comparison import Comparison
from bertspec.verdict import BEST_TOLERANCE, Claim, Verdict

__all__ = ["check_best", "check_sensitivity", "check_steps", "judge_best", "judge_sensitivity", "judge_steps"]


def check_best(spec: SweepSpec, name: str, tolerance: float = BEST_TOLERANCE) -> None:
    """Refuse a claim on being among the best that says nothing.

    Raises:
        UnknownName: no contender is called so.
        InvalidSpec: the tolerance is below zero, or as wide as the metric.
    """
    _check_name(spec, name)
    _check_tolerance(spec, tolerance)


def check_steps(spec: SweepSpec, first: str, second: str, factor: float, target: float) -> None:
    """Refuse a claim on the steps to a target that says nothing.

    Raises:
        UnknownName: no contender is called so.
        InvalidSpec: both are the same, the factor is not above zero, or no score can be the target.
    """
    for name in (first, second):
        _check_name(spec, name)
    if first == second:
        raise InvalidSpec("a contender is compared with itself", given=first, where=f"sweep {spec.name}")
    if not 0 < factor < math.inf:
        raise InvalidSpec(
            "nobody needs so many times the steps", given=factor, allowed="a number above 0", where=f"sweep {spec.name}"
        )
    metric = _metric(spec)
    if metric is not None:
        metrics.check_bound(metric.name, target)


def check_sensitivity(spec: SweepSpec, name: str, decades: float, tolerance: float) -> None:
    """Refuse a claim on the range of good learning rates that says nothing.

    Raises:
        UnknownName: no contender is called so.
        InvalidSpec: the range is empty, or the tolerance is as wide as the metric.
    """
    _check_name(spec, name)
    _check_tolerance(spec, tolerance)
    if not decades > 0:
        raise InvalidSpec(
            "every contender is near its best over no range at all",
            given=f"{decades:g} decades",
            allowed="a number above 0",
            where=f"sweep {spec.name}",
        )


def judge_best(made: Comparison, name: str, tolerance: float = BEST_TOLERANCE) -> Verdict:
    """The verdict on the claim that no other contender is ahead by more than the tolerance; see ``verdict``.

    Seeds are added while it is open. The contender also fails by a collapse, a leak or an overlap of its own.

    Raises:
        UnknownName: no contender is called so.
        InvalidSpec: the claim says nothing.
        BertspecError: a run failed; finished runs are kept.
    """
    check_best(made.spec, name, tolerance)
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
    return study.guarded(found, confirmed, confirmed.runs, known or confirmed.spec.task.metrics[0])


def judge_steps(made: Comparison, first: str, second: str, factor: float, target: float) -> Verdict:
    """The verdict on the claim that the first contender reaches a target in so many times the steps of the second.

    Seeds are added while it is open.

    Raises:
        UnknownName: no contender is called so.
        InvalidSpec: the claim says nothing, or the runs were not evaluated on the way.
        BertspecError: a run failed; finished runs are kept.
    """
    check_steps(made.spec, first, second, factor, target)
    pair = [made.rivals[first], made.rivals[second]]
    words = f'"{first}" needs at most {factor:g} times the steps of "{second}" to reach {target:g}'
    claim = Claim(f"steps to {target:g}", "at most", factor, words=words)
    refused = _unfair(made, claim, "steps")
    if refused is not None:
        return refused
    found = verdict.judge_steps(claim, *(rival.steps_to(target, made.metric) for rival in pair))
    while found.outcome == "UNDECIDED" and made.more is not None:
        made.extend(made.more)
        found = verdict.judge_steps(claim, *(rival.steps_to(target, made.metric) for rival in pair))
    made.keep()
    return found


def judge_sensitivity(made: Comparison, name: str, decades: float, tolerance: float) -> Verdict:
    """The verdict on the claim that a contender stays near its best over so many decades of the learning rate.

    Raises:
        UnknownName: no contender is called so.
        InvalidSpec: the claim says nothing.
    """
    check_sensitivity(made.spec, name, decades, tolerance)
    rival = made.rivals[name]
    words = f'"{name}" stays within {tolerance:g} of its best over at least {decades:g} decades of the learning rate'
    claim = Claim("decades of the learning rate", "at least", decades, words=words)
    refused = _unfair(made, claim, "sensitivity")
    if refused is not None:
        return refused
    stopped = sum(trial.state == "stopped" for trial in rival.trials)
    if stopped:
        why = f"{stopped} of its trials were stopped early, and nobody knows what they would have reached"
        return Verdict("UNDECIDED", claim, math.nan, "sensitivity", reason=why)
    return verdict.judge_sensitivity(
        claim,
        rival.curve,
        tolerance=tolerance,
        error=rival.error,
        less_is_better=made.less_is_better,
    )


def _look_at_best(made: Comparison, name: str, tolerance: float) -> Verdict:
    return verdict.judge_best(
        name,
        made.contenders(),
        quantity=made.metric,
        rows=made.rows(),
        less_is_better=made.less_is_better,
        tolerance=tolerance,
        allowance=len(made.spec.tuning.confirmation_seeds),
    )


def _unfair(made: Comparison, claim: Claim, rule: verdict.Rule) -> Verdict | None:
    """The verdict on any claim where the comparison is not fair."""
    if not made.unfair:
        return None
    why = f"the comparison is not fair: {'; '.join(made.unfair)}"
    return Verdict("UNDECIDED", claim, math.nan, rule, reason=why)


def _check_name(spec: SweepSpec, name: str) -> None:
    names = [str(each) for each in spec.contenders]
    if name not in names:
        raise UnknownName(spec.tuning.compare or "contender", name, names, where=f"sweep {spec.name}")


def _check_tolerance(spec: SweepSpec, tolerance: float) -> None:
    metric = _metric(spec)
    width = math.inf if metric is None else metric.highest - metric.lowest
    if not 0 <= tolerance < width:
        raise InvalidSpec(
            "the tolerance would hold for nothing, or for everything",
            given=tolerance,
            allowed="a number from 0" + ("" if metric is None else f", below {width:g}, the whole {metric.title}"),
            where=f"sweep {spec.name}",
        )


def _metric(spec: SweepSpec) -> metrics.Metric | None:
    """The metric that ranks, where it is one with known limits: the loss has none."""
    name = None if spec.metric is None else spec.metric.name
    return metrics.METRICS.get(name) if name is not None else None
