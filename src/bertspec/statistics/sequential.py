"""A claim on a mean over training seeds, judged at several looks.

At each look, with n runs and the spread s⁺ of :class:`Spread`, the claim passes if the mean lies 2·s⁺/√n or more on
the claimed side of the bound. It fails if the mean lies that far on the other side, and else waits for the next look.
Over looks at 3, 5 and 10 runs, a PASS or a FAIL is wrong 5 % of the time if the truth is the bound itself, and 0.3 %
if it is half a spread away; the tests simulate it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bertspec.statistics.verdicts import Claim, Spread, Verdict, percent

__all__ = [
    "FEWEST_RUNS",
    "MARGIN",
    "PassRates",
    "judge",
    "looks",
    "margins",
    "mean_interval",
    "pass_rates",
    "rates",
]

FEWEST_RUNS = 3
"""The fewest runs that can decide a claim."""
MARGIN = 2.0
"""The half width of the interval at a look, in standard errors of the mean."""

_LOOKS = (3, 5, 10)
_ROUNDING = 1e-9
_STUDIES = 40_000

Array = NDArray[np.float64]


def looks(seed_limit: int) -> tuple[int, ...]:
    """The numbers of runs at which a claim is judged: 3, 5, 10, and the number of seeds that the study may use."""
    return (*(look for look in _LOOKS if look < seed_limit), seed_limit)


def judge(claim: Claim, values: Sequence[float], *, spread: Spread, seed_limit: int | None = None) -> Verdict:
    """Judge a claim on the mean over training seeds.

    The first look that decides is final; later runs, made for another claim, do not change its verdict.

    Args:
        claim: the claim.
        values: one value per seed, at least one, in the order of the study's seeds.
        spread: the assumed spread over seeds.
        seed_limit: how many seeds the study may use; None means as many as there are values.

    Returns:
        The verdict. If it is UNDECIDED and ``more`` is a number, that many runs may decide it.
    """
    seed_limit = seed_limit or len(values)
    for look in looks(seed_limit):
        if look > len(values) or look < FEWEST_RUNS:
            break
        verdict = _look(claim, values[:look], spread, seed_limit)
        if verdict.outcome != "UNDECIDED":
            return verdict
    following = next((look for look in looks(seed_limit) if look > len(values)), None)
    verdict = _look(claim, values, spread, seed_limit)
    if len(values) < FEWEST_RUNS:
        reason = f"{_runs(len(values))} cannot decide; at least {FEWEST_RUNS} seeds are needed"
        return Verdict("UNDECIDED", claim, verdict.value, values=tuple(values), reason=reason, more=following)
    if verdict.outcome != "UNDECIDED":  # between two looks nothing is decided
        verdict = replace(verdict, outcome="UNDECIDED", reason=None)
    return _open(verdict, following)


def mean_interval(values: Sequence[float]) -> tuple[float, tuple[float, float] | None]:
    """The mean and its 95 % interval by Student's t; the interval of a single value is None."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, None
    from scipy import stats  # late: it takes a second

    half = float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values)))
    return mean, (mean - half, mean + half)


@dataclass(frozen=True, slots=True)
class PassRates:
    """How often a claim passes; the truth is counted in spreads from the bound."""

    below: float
    """With the truth two spreads on the wrong side."""
    at_bound: float
    """With the truth at the bound."""
    above: float
    """With the truth two spreads on the right side."""
    refused: float
    """The truth, in spreads from the bound, that is refused with 95 % probability."""
    width: float = math.inf
    """Of a range, the distance of its bounds, in spreads."""

    def __str__(self) -> str:
        at, inside, outside = percent(self.at_bound), percent(self.above), percent(self.below)
        if self.width == math.inf:
            better, worse = "two spreads better", "two worse"
            return f"passes {at} of the time with the truth at the bound, {inside} {better}, {outside} {worse}"
        better = "two spreads inside" if self.width >= 4 else "in the middle of the range"
        return f"passes {at} of the time with the truth at either bound, {inside} {better}, {outside} two outside"


@functools.lru_cache(maxsize=128)
def pass_rates(looks: tuple[int, ...], margin: float, width: float = math.inf) -> PassRates:
    """The pass rates of the sequential rule, over 40,000 simulated studies with normally distributed seeds.

    Args:
        looks: the numbers of runs at which a claim is judged.
        margin: the half width of the interval at a look, in standard errors.
        width: of a range, the distance of its bounds, in spreads.
    """
    means = _simulated_means(looks)

    def passing(truth: float) -> float:
        return rates(means + truth, margins(looks, margin), width)[0]

    inside = min(2.0, width / 2)
    low, high = -4.0, min(4.0, width / 2)
    while high - low > 0.005:
        middle = (low + high) / 2
        low, high = (low, middle) if passing(middle) > 0.05 else (middle, high)
    return PassRates(passing(-2.0), passing(0.0), passing(inside), low, width)


def margins(looks: tuple[int, ...], margin: float) -> Array:
    """How far the mean must lie from the bound at each look, in spreads; shape (looks,)."""
    return margin / np.sqrt(np.array(looks, dtype=np.float64))


def rates(means: Array, margins: Array, width: float = math.inf) -> tuple[float, float, float]:
    """The shares of PASS, FAIL and UNDECIDED.

    Args:
        means: the mean over the runs at each look, from the bound; shape (studies, looks).
        margins: the margin at each look, in the same unit; shape (looks,).
        width: how far the upper bound of a range lies above the lower one, in the same unit.
    """
    passes = (means >= margins) & (means <= width - margins)
    fails = (means < -margins) | (means > width + margins)
    never = passes.shape[1]
    first_pass = np.where(passes.any(axis=1), passes.argmax(axis=1), never)
    first_fail = np.where(fails.any(axis=1), fails.argmax(axis=1), never)
    passed, failed = float((first_pass < first_fail).mean()), float((first_fail < first_pass).mean())
    return passed, failed, 1.0 - passed - failed


def _look(claim: Claim, values: Sequence[float], spread: Spread, seed_limit: int) -> Verdict:
    mean, margin = float(np.mean(values)), MARGIN * spread.std_upper / math.sqrt(len(values))
    outcome = claim.outcome(mean - margin, mean + margin)
    width = (claim.highest - claim.bound) / spread.std_upper if claim.direction == "between" else math.inf
    rule = pass_rates(looks(seed_limit), MARGIN, width) if seed_limit >= FEWEST_RUNS else None
    return Verdict(
        outcome,
        claim,
        mean,
        interval=(mean - margin, mean + margin),
        values=tuple(values),
        spread=spread,
        detectable_drop=_detectable_drop(claim, spread, rule.refused) if rule else None,
        pass_rates=str(rule) if rule else None,
        reason=f"the whole interval is off the bound (seed spread: {spread.source})" if outcome == "FAIL" else None,
    )


def _detectable_drop(claim: Claim, spread: Spread, refused: float) -> str:
    """The truth that is refused with 95 % probability, and how far it is from the mean of the reference runs."""
    sign = -1 if claim.direction == "at most" else 1
    truth = claim.bound + sign * refused * spread.std_upper
    drop = ""
    if spread.mean is not None:
        change = sign * (spread.mean - truth)
        drop = f", {abs(change):.3f} {'below' if (change > 0) == (sign > 0) else 'above'} its record,"
    side = "above" if sign < 0 else "below"
    other = f" or above {claim.highest - refused * spread.std_upper:.3f}" if claim.direction == "between" else ""
    return f"a true mean {side} {truth:.3f}{drop}{other} is refused 95 % of the time (seed spread: {spread.source})"


def _open(verdict: Verdict, following: int | None) -> Verdict:
    """The open verdict with the next look, or with what would settle it."""
    spread, count, claim = verdict.spread, len(verdict.values), verdict.claim
    if spread is None or following is not None:
        return replace(verdict, more=following, reason=f"still open after {_runs(count)}")
    margin = MARGIN * spread.std_upper / math.sqrt(count)
    distance = min(abs(verdict.value - end) for end in (claim.bound, claim.upper) if end is not None)
    reason = f"{_runs(count)} leave {verdict.value:.4f} ± {margin:.4f} (seed spread: {spread.source})"
    if distance > 0:
        enough = math.ceil((MARGIN * spread.std_upper / distance) ** 2 - _ROUNDING)
        reason += f"; about {enough} seeds would settle it at this mean"
    passing = claim.passing_now(verdict.value - margin, verdict.value + margin)
    return replace(verdict, reason=f"{reason}, or {passing} would pass now")


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"


def _simulated_means(looks: tuple[int, ...]) -> Array:
    """The means of standard normal seeds at each look, shape (studies, looks).

    The sum of the seeds between two looks is one normal number, so the seeds themselves are not drawn.
    """
    rng = np.random.default_rng(0)
    steps = np.diff((0, *looks))
    sums = np.cumsum(rng.standard_normal((_STUDIES, len(looks))) * np.sqrt(steps), axis=1)
    return np.asarray(sums / np.array(looks), dtype=np.float64)
