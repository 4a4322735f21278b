"""Claims that compare two: a difference or a multiple of means, a ratio of speeds or of steps, a relative change.

Also the corrections that comparisons share: Holm's for many hypotheses, and Welch's error of a difference.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bertspec.statistics.sequential import PassRates
from bertspec.statistics.verdicts import Claim, Spread, Verdict, percent

__all__ = [
    "FEWEST_COMPARED",
    "holm",
    "judge_contrast",
    "judge_ratio",
    "judge_steps",
    "relative_change",
    "welch",
]

FEWEST_COMPARED = 5
"""The fewest runs a side that can decide a difference, and the fewest rounds that can decide a ratio."""

_TWO_SIDED_95, _ONE_SIDED_95 = 1.96, 1.645
_MOST_ROUNDS = 200
"""More rounds than this are never suggested."""

Array = NDArray[np.float64]
Steps = Sequence[int | None]


def judge_contrast(
    claim: Claim,
    values: Sequence[float],
    others: Sequence[float],
    *,
    spreads: tuple[Spread, Spread],
    sampling_variance: float = 0.0,
    multiple: bool = False,
) -> Verdict:
    """Judge a claim on the difference of two means, or on their ratio, by a normal interval.

    A multiple f is judged by ``mean(values) - f * mean(others)``, expressed in units of the other mean.

    Args:
        claim: the claim on the difference, or on the multiple.
        values: one value per seed of the first study, at least one.
        others: the same of the second study.
        spreads: the assumed spread over seeds of each study.
        sampling_variance: the variance of that difference which comes from the evaluation rows, which both share.
        multiple: whether the claim is on a multiple.
    """
    base = float(np.mean(others))
    if multiple and base <= 0:
        nothing = f"a multiple of {base:.4f} says nothing; the other mean must be above 0"
        return Verdict("UNDECIDED", claim, float(np.mean(values)), "difference", reason=nothing)
    factor, unit = (claim.bound, 1 / base) if multiple else (1.0, 1.0)
    offset = factor if multiple else 0.0
    value = offset + unit * float(np.mean(values) - factor * base)
    pairs = zip(values, others, strict=True) if len(values) == len(others) else ()
    each = tuple(offset + unit * (one - factor * other) for one, other in pairs)
    sources = " and ".join(dict.fromkeys(spread.source for spread in spreads))
    spread = Spread(unit * max(spreads[0].std_upper, factor * spreads[1].std_upper), sources)
    known = Verdict("UNDECIDED", claim, value, "difference", values=each, spread=spread)
    fewest = min(len(values), len(others))
    if fewest < FEWEST_COMPARED:
        few = f"a comparison needs at least {FEWEST_COMPARED} seeds a side, not {fewest}"
        return replace(known, reason=few)
    sides = (unit * spreads[0].std_upper) ** 2, (unit * factor * spreads[1].std_upper) ** 2
    noise = _Noise(sides, (len(values), len(others)), unit**2 * sampling_variance)
    return _by_normal_interval(known, spread, noise)


def judge_ratio(claim: Claim, ratios: Sequence[float], *, rounds: str = "rounds") -> Verdict:
    """Judge a claim on the median of ratios, one per interleaved round, by the sign test's interval.

    The interval needs no assumption about noise. It leaves out as many rounds at either end as keep the median inside
    95 % of the time (with five rounds it leaves out no round: 94 %).

    Args:
        claim: the claim on the ratio.
        ratios: one ratio per round, at least one; infinite if the first one never reached the target.
        rounds: what the rounds are called in messages.
    """
    ordered = sorted(ratios)
    known = Verdict("UNDECIDED", claim, float(np.median(ordered)), "ratio", values=tuple(ratios))
    if len(ordered) < FEWEST_COMPARED:
        return replace(known, reason=f"{len(ordered)} {rounds} cannot decide; at least {FEWEST_COMPARED} are needed")
    left_out = _left_out(len(ordered))
    low, high = ordered[left_out], ordered[-1 - left_out]
    outcome = claim.outcome(low, high)
    reason = {
        "PASS": None,
        "FAIL": "the whole interval is off the bound",
        "UNDECIDED": _more_rounds(claim, ordered, (low, high), rounds),
    }
    detectable_drop, pass_rates = _power_of_rounds(claim, ordered, left_out, rounds)
    return replace(
        known,
        outcome=outcome,
        interval=(low, high),
        reason=reason[outcome],
        detectable_drop=detectable_drop,
        pass_rates=pass_rates,
    )


def judge_steps(claim: Claim, steps: Steps, others: Steps) -> Verdict:
    """Judge a claim on the ratio of the steps that two contenders need to reach a target, by the sign test's interval.

    A contender that never reaches the target needs infinitely many steps. A seed on which neither reaches it counts
    against the claim.

    Args:
        claim: the claim on the ratio.
        steps: for each seed, the steps until the first contender reached the target; None if it never did.
        others: the same of the second contender, for the same seeds.
    """
    ratios = [_ratio_of_steps(claim, own, other) for own, other in zip(steps, others, strict=True)]
    verdict = replace(judge_ratio(claim, ratios, rounds="seeds"), rule="steps")
    never = [sum(step is None for step in side) for side in (steps, others)]
    if verdict.reason is None or not any(never):
        return verdict
    missed = f"{never[0]} of {len(steps)} seeds of the first never reached the target, {never[1]} of the second"
    return replace(verdict, reason=f"{verdict.reason}; {missed}")


def holm(p_values: ArrayLike, *, level: float = 0.05) -> NDArray[np.bool_]:
    """Which of many hypotheses are rejected; the probability to reject any true one stays below the level.

    Args:
        p_values: one p-value per hypothesis, along the last axis (Holm, 1979); leading axes are families of their own.
        level: the probability that is allowed, over all hypotheses of a family together.

    Returns:
        Whether each hypothesis is rejected, in the shape of the p-values.
    """
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, axis=-1, kind="stable")
    small = np.take_along_axis(p, order, axis=-1) <= level / np.arange(p.shape[-1], 0, -1)
    rejected = np.zeros(p.shape, dtype=bool)
    np.put_along_axis(rejected, order, np.logical_and.accumulate(small, axis=-1), axis=-1)
    return rejected


def welch(own: Array, other: Array, degrees: tuple[Array, Array], shared: Array | float = 0.0) -> tuple[Array, Array]:
    """The standard error of a difference of means and its degrees of freedom (Welch and Satterthwaite).

    Args:
        own: the variance of the first mean.
        other: the variance of the second mean.
        degrees: the degrees of freedom of these two variances.
        shared: a known variance of the difference besides theirs.

    Returns:
        Arrays of the broadcast shape of the arguments.
    """
    total = own + other + shared
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = (own / total) ** 2 / degrees[0] + (other / total) ** 2 / degrees[1]
        return np.sqrt(total), np.asarray(np.where(parts > 0, 1 / parts, np.inf))


def relative_change(
    before: Sequence[float], after: Sequence[float], *, beyond: float
) -> tuple[float, tuple[float, float]]:
    """Whether a positive quantity changed by more than a factor: Welch's t-test of its logarithms.

    Args:
        before: measurements, at least two.
        after: later measurements, at least two.
        beyond: the change that is allowed, such as 0.05 for a growth by 5 % or -0.1 for a fall by 10 %.

    Returns:
        The p-value of the hypothesis that the change is an allowed one; and the 95 % interval of the change.
    """
    from scipy import stats  # late: it takes a second

    old, new = np.log(np.asarray(before, dtype=np.float64)), np.log(np.asarray(after, dtype=np.float64))
    change = float(new.mean() - old.mean())
    variances = [np.maximum(side.var(ddof=1) / len(side), 1e-18) for side in (old, new)]
    degrees = np.array(len(old) - 1), np.array(len(new) - 1)
    error, degrees_of_freedom = map(float, welch(variances[0], variances[1], degrees))
    half = float(stats.t.ppf(0.975, degrees_of_freedom)) * error
    distance = math.copysign(1.0, beyond) * (change - math.log1p(beyond)) / error
    return float(stats.t.sf(distance, degrees_of_freedom)), (math.expm1(change - half), math.expm1(change + half))


@dataclass(frozen=True, slots=True)
class _Noise:
    """The variances that make a difference of means uncertain."""

    sides: tuple[float, float]
    """The variance of one seed, of each side."""
    counts: tuple[int, int]
    """The seeds of each side."""
    rows: float
    """The variance from the evaluation rows, which more seeds do not reduce."""

    @property
    def error(self) -> float:
        """The standard error of the difference."""
        return math.sqrt(sum(side / count for side, count in zip(self.sides, self.counts, strict=True)) + self.rows)

    def enough(self, distance: float) -> int | None:
        """The seeds a side that leave no more than that distance; None if the rows alone leave more."""
        variance = (distance / _TWO_SIDED_95) ** 2 - self.rows
        return math.ceil(sum(self.sides) / variance) if variance > 0 else None


def _by_normal_interval(known: Verdict, spread: Spread, noise: _Noise) -> Verdict:
    claim, value, half = known.claim, known.value, _TWO_SIDED_95 * noise.error
    outcome = claim.outcome(value - half, value + half)
    beyond = (_TWO_SIDED_95 - _ONE_SIDED_95) * noise.error
    sides = {"at least": f"below {claim.bound + beyond:.3f}", "at most": f"above {claim.bound - beyond:.3f}"}
    side = sides.get(claim.direction, f"below {claim.bound + beyond:.3f} or above {claim.highest - beyond:.3f}")
    reason = {
        "PASS": None,
        "FAIL": f"the whole interval is off the bound (seed spread: {spread.source})",
        "UNDECIDED": f"{_settling(claim, value, half, noise)} (seed spread: {spread.source})",
    }
    return replace(
        known,
        outcome=outcome,
        interval=(value - half, value + half),
        detectable_drop=f"a true value {side} is refused 95 % of the time (seed spread: {spread.source})",
        pass_rates=str(_pass_rates(claim, spread.std_upper, noise.error)),
        reason=reason[outcome],
    )


def _pass_rates(claim: Claim, std_upper: float, error: float) -> PassRates:
    """How often a normal interval passes, with the truth at the bound and two seed spreads on either side."""
    from scipy.special import ndtr

    width = (claim.highest - claim.bound) / error if claim.direction == "between" else math.inf

    def passing(truth: float) -> float:
        below, above = _TWO_SIDED_95 - truth, width - _TWO_SIDED_95 - truth
        return max(0.0, float(ndtr(above) - ndtr(below)))

    two, inside = 2 * std_upper / error, min(2 * std_upper / error, width / 2)
    refused = _TWO_SIDED_95 - _ONE_SIDED_95
    return PassRates(passing(-two), passing(0.0), passing(inside), refused, width * error / std_upper)


def _settling(claim: Claim, value: float, half: float, noise: _Noise) -> str:
    """Why a difference is open, and what would settle it."""
    distance = min(abs(value - end) for end in (claim.bound, claim.highest))
    enough = noise.enough(distance)
    more = f"about {enough} seeds a side would settle it at this value"
    if distance == 0:
        more = "the value is the bound itself, which no number of seeds would settle"
    elif enough is None:
        rows = _TWO_SIDED_95 * math.sqrt(noise.rows)
        more = f"no number of seeds would settle it: the choice of the rows alone leaves ± {rows:.4f}"
    left = f"{noise.counts[0]} and {noise.counts[1]} seeds leave {value:.4f} ± {half:.4f}, on both sides of the bound"
    return f"{left}; {more}, or {claim.passing_now(value - half, value + half)} would pass now"


@functools.cache
def _left_out(rounds: int) -> int:
    """How many rounds at either end may lie outside the sign test's interval."""
    from scipy import stats  # late: it takes a second

    return max(0, int(stats.binom.ppf(0.025, rounds, 0.5)) - 1)


def _power_of_rounds(claim: Claim, ordered: Sequence[float], left_out: int, name: str) -> tuple[str, str]:
    """What the sign test refuses and how often it passes, if rounds spread as far as these do."""
    rounds, finite = len(ordered), [ratio for ratio in ordered if math.isfinite(ratio)]
    spread = float(np.std(finite, ddof=1)) if len(finite) > 1 else 0.0
    better, at, worse = (_pass_rate(rounds, left_out, truth) for truth in (-2.0, 0.0, 2.0))
    beyond = spread * _refused_95(rounds, left_out)
    side, bound = ("above", claim.bound - beyond) if claim.direction == "at most" else ("below", claim.bound + beyond)
    away = f"{percent(better)} two spreads of the {name} better, {percent(worse)} two worse"
    never = f"; {rounds - len(finite)} infinite {name} left out" if len(finite) < rounds else ""
    return (
        f"a true ratio {side} {bound:.3f} is refused 95 % of the time (spread of the {name}: {spread:.3f}{never})",
        f"passes {percent(at)} of the time with the truth at the bound, {away}",
    )


@functools.cache
def _pass_rate(rounds: int, left_out: int, truth: float) -> float:
    """How often the sign test passes if the truth lies ``truth`` spreads beyond the bound."""
    from scipy import stats

    return float(stats.binom.cdf(left_out, rounds, stats.norm.cdf(truth)))


@functools.cache
def _refused_95(rounds: int, left_out: int) -> float:
    """The distance from the bound, in spreads, at which a truth is refused 95 % of the time."""
    from scipy import stats

    return -float(stats.norm.ppf(stats.beta.ppf(0.95, left_out + 1, rounds - left_out)))


def _more_rounds(claim: Claim, ordered: Sequence[float], interval: tuple[float, float], name: str) -> str:
    """Why a ratio is open, and what would settle it."""
    rounds = len(ordered)
    off = sum(claim.outcome(ratio, ratio) != "PASS" for ratio in ordered)
    share = min(off, rounds - off) / rounds
    enough = next((n for n in range(rounds, _MOST_ROUNDS) if share * n <= _left_out(n)), None)
    more = f"about {enough} {name} would settle it at this share of them" if enough else f"more {name} hardly help"
    left = f"{rounds} {name} leave {interval[0]:.3f} to {interval[1]:.3f}, on both sides of the bound"
    passing = f", or {claim.passing_now(*interval)} would pass now" if math.isfinite(interval[1]) else ""
    return f"{left}; {more}{passing}"


def _ratio_of_steps(claim: Claim, own: int | None, other: int | None) -> float:
    if own is None and other is None:
        return 0.0 if claim.direction == "at least" else math.inf
    return math.inf if own is None else 0.0 if other is None else own / other
