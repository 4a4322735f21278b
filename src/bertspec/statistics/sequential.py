"""A claim on a mean over training seeds, looked at more than once and never retried.

At each look, with n runs and the spread s⁺ of :class:`Spread`, the claim passes if the mean lies 2·s⁺/√n or more on
the claimed side of the bound, fails if it lies that far on the other, and else waits for the next look. Over looks
at 3, 5 and 10 runs a PASS or a FAIL is wrong 5 % of the time if the truth is the bound itself, and 0.3 % if it is
half a spread away; the tests simulate it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bertspec.statistics.pass_rates import pass_rates
from bertspec.statistics.verdicts import Claim, Outcome, Spread, Verdict

__all__ = ["FEWEST_RUNS", "MARGIN", "judge", "looks", "mean_interval"]

FEWEST_RUNS = 3
"""Fewer runs decide nothing."""
MARGIN = 2.0
"""The half width of the interval at a look, in standard errors of the mean."""

_LOOKS = (3, 5, 10)
_ROUNDING = 1e-9


def looks(allowance: int) -> tuple[int, ...]:
    """The numbers of runs at which a study of so many seeds is looked at: 3, 5, 10, and the end of its list."""
    return (*(look for look in _LOOKS if look < allowance), allowance)


def judge(claim: Claim, values: Sequence[float], *, spread: Spread, allowance: int | None = None) -> Verdict:
    """Judge a claim on the mean over training seeds.

    The first look that decides, decides: runs that came later, for another claim, change nothing.

    Args:
        claim: the claim.
        values: one value per seed, at least one, in the order of the study's list.
        spread: what the spread over seeds is taken to be.
        allowance: how many seeds the study may use; none means these.

    Returns:
        The verdict. Where it is UNDECIDED and ``more`` is a number, that many runs may decide it.
    """
    allowance = allowance or len(values)
    for look in looks(allowance):
        if look > len(values) or look < FEWEST_RUNS:
            break
        verdict = _look(claim, values[:look], spread, allowance)
        if verdict.outcome != "UNDECIDED":
            return verdict
    following = next((look for look in looks(allowance) if look > len(values)), None)
    verdict = _look(claim, values, spread, allowance)
    if len(values) < FEWEST_RUNS:
        reason = f"{_runs(len(values))} decide nothing; at least {FEWEST_RUNS} seeds are needed"
        return Verdict("UNDECIDED", claim, verdict.value, values=tuple(values), reason=reason, more=following)
    if verdict.outcome != "UNDECIDED":  # between two looks, where nothing is decided
        verdict = replace(verdict, outcome="UNDECIDED", reason=None)
    return _open(verdict, following)


def mean_interval(values: Sequence[float]) -> tuple[float, tuple[float, float] | None]:
    """The mean, and Student's 95 % interval of it; none for a single value."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, None
    from scipy import stats  # late: it takes a second

    half = float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values)))
    return mean, (mean - half, mean + half)


def _look(claim: Claim, values: Sequence[float], spread: Spread, allowance: int) -> Verdict:
    mean, margin = float(np.mean(values)), MARGIN * spread.limit / math.sqrt(len(values))
    outcome: Outcome = "UNDECIDED"
    if claim.holds(mean, margin=margin):
        outcome = "PASS"
    elif claim.fails(mean, margin=margin):
        outcome = "FAIL"
    width = (claim.highest - claim.bound) / spread.limit if claim.direction == "between" else math.inf
    rule = pass_rates(looks(allowance), MARGIN, width) if allowance >= FEWEST_RUNS else None
    return Verdict(
        outcome,
        claim,
        mean,
        interval=(mean - margin, mean + margin),
        values=tuple(values),
        spread=spread,
        detectable_drop=_teeth(claim, spread, rule.refused) if rule else None,
        pass_rates=str(rule) if rule else None,
        reason=f"the whole interval is off the bound (seed spread: {spread.source})" if outcome == "FAIL" else None,
    )


def _teeth(claim: Claim, spread: Spread, refused: float) -> str:
    """The truth that is refused with 95 % probability, and how far that is from what was once measured."""
    sign = -1 if claim.direction == "at most" else 1
    truth = claim.bound + sign * refused * spread.limit
    drop = ""
    if spread.mean is not None:
        change = sign * (spread.mean - truth)
        drop = f", {abs(change):.3f} {'below' if (change > 0) == (sign > 0) else 'above'} its record,"
    side = "above" if sign < 0 else "below"
    other = f" or above {claim.highest - refused * spread.limit:.3f}" if claim.direction == "between" else ""
    return f"a true mean {side} {truth:.3f}{drop}{other} is refused 95 % of the time (seed spread: {spread.source})"


def _open(verdict: Verdict, following: int | None) -> Verdict:
    """Still open: what would settle it."""
    spread, count, claim = verdict.spread, len(verdict.values), verdict.claim
    if spread is None or following is not None:
        return replace(verdict, more=following, reason=f"still open after {_runs(count)}")
    margin = MARGIN * spread.limit / math.sqrt(count)
    distance = min(abs(verdict.value - end) for end in (claim.bound, claim.upper) if end is not None)
    reason = f"{_runs(count)} leave {verdict.value:.4f} ± {margin:.4f} (seed spread: {spread.source})"
    if distance > 0:
        enough = math.ceil((MARGIN * spread.limit / distance) ** 2 - _ROUNDING)
        reason += f"; about {enough} seeds would settle it at this mean"
    passing = claim.passing_now(verdict.value - margin, verdict.value + margin)
    return replace(verdict, reason=f"{reason}, or {passing} would pass now")


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"
