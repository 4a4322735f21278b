"""One study against another; what was timed in turns; and many comparisons at once."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bertspec.statistics.pass_rates import PassRates, percent
from bertspec.statistics.verdicts import Claim, Outcome, Spread, Verdict

__all__ = ["FEWEST_COMPARED", "holm", "judge_contrast", "judge_ratio", "relative_change"]

FEWEST_COMPARED = 5
"""Fewer runs a side decide nothing about a difference, nor fewer rounds about a ratio of speeds."""

_TWO_SIDED_95, _ONE_SIDED_95 = 1.96, 1.645
_MOST_ROUNDS = 200
"""Nobody waits for more."""


def judge_contrast(
    claim: Claim,
    values: Sequence[float],
    others: Sequence[float],
    *,
    spreads: tuple[Spread, Spread],
    sampling_variance: float = 0.0,
    multiple: bool = False,
) -> Verdict:
    """Judge a claim on how far one mean exceeds another, or how many times that other it is, by a normal interval.

    A multiple f is judged by ``mean(values) - f * mean(others)``, and told in units of the other mean.

    Args:
        claim: the claim on the difference, or on the multiple.
        values: one value per seed of the first study, at least one.
        others: the same of the second study.
        spreads: what the spread over seeds is taken to be, of each.
        sampling_variance: the variance of that difference which comes from the evaluation rows, which both share.
        multiple: whether the claim is of a multiple.
    """
    base = float(np.mean(others))
    if multiple and base <= 0:
        nothing = f"a multiple of {base:.4f} says nothing; the other mean must be above 0"
        return Verdict("UNDECIDED", claim, float(np.mean(values)), "difference", reason=nothing)
    factor, unit = (claim.bound, 1 / base) if multiple else (1.0, 1.0)
    rest = factor if multiple else 0.0
    value = rest + unit * float(np.mean(values) - factor * base)
    pairs = zip(values, others, strict=True) if len(values) == len(others) else ()
    each = tuple(rest + unit * (one - factor * other) for one, other in pairs)
    sources = " and ".join(dict.fromkeys(spread.source for spread in spreads))
    spread = Spread(unit * max(spreads[0].limit, factor * spreads[1].limit), sources)
    known = Verdict("UNDECIDED", claim, value, "difference", values=each, spread=spread)
    fewest = min(len(values), len(others))
    if fewest < FEWEST_COMPARED:
        few = f"a comparison needs at least {FEWEST_COMPARED} seeds a side, not {fewest}"
        return replace(known, reason=few)
    sides = (unit * spreads[0].limit) ** 2, (unit * factor * spreads[1].limit) ** 2
    noise = _Noise(sides, (len(values), len(others)), unit**2 * sampling_variance)
    return _by_interval(known, spread, noise)


@dataclass(frozen=True, slots=True)
class _Noise:
    """What a difference of means is uncertain by."""

    sides: tuple[float, float]
    """The variance of one seed, of each side."""
    counts: tuple[int, int]
    rows: float
    """The variance that the evaluation rows leave, however many seeds there are."""

    @property
    def error(self) -> float:
        """The standard error."""
        return math.sqrt(sum(side / count for side, count in zip(self.sides, self.counts, strict=True)) + self.rows)

    def enough(self, distance: float) -> int | None:
        """How many seeds a side leave no more than that distance; none where the rows alone leave more."""
        room = (distance / _TWO_SIDED_95) ** 2 - self.rows
        return math.ceil(sum(self.sides) / room) if room > 0 else None


def _by_interval(known: Verdict, spread: Spread, noise: _Noise) -> Verdict:
    """The verdict by the 95 % interval, with its detectable_drop and its pass_rates."""
    claim, value, half = known.claim, known.value, _TWO_SIDED_95 * noise.error
    outcome: Outcome = "UNDECIDED"
    if claim.holds(value, margin=half):
        outcome = "PASS"
    elif claim.fails(value, margin=half):
        outcome = "FAIL"
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
        pass_rates=str(_odds(claim, spread.limit, noise.error)),
        reason=reason[outcome],
    )


def _odds(claim: Claim, spread: float, error: float) -> PassRates:
    """How often a normal interval passes, with the truth at the bound and two seed spreads either side."""
    width = (claim.highest - claim.bound) / error if claim.direction == "between" else math.inf

    def passing(truth: float) -> float:
        below, above = _TWO_SIDED_95 - truth, width - _TWO_SIDED_95 - truth
        return max(0.0, _normal(above) - _normal(below))

    two, inside = 2 * spread / error, min(2 * spread / error, width / 2)
    return PassRates(
        passing(-two), passing(0.0), passing(inside), _TWO_SIDED_95 - _ONE_SIDED_95, width * error / spread
    )


def _normal(place: float) -> float:
    return 0.5 * math.erfc(-place / math.sqrt(2))


def _settling(claim: Claim, value: float, half: float, noise: _Noise) -> str:
    """Why a difference is open, and what would settle it."""
    distance = min(abs(value - end) for end in (claim.bound, claim.highest))
    enough = noise.enough(distance)
    more = f"about {enough} seeds a side would settle it at this value"
    if distance == 0:
        more = "the value is the bound itself, which no seeds would settle"
    elif enough is None:
        more = f"no seeds would settle it, the rows' own chance leaves ± {_TWO_SIDED_95 * math.sqrt(noise.rows):.4f}"
    left = f"{noise.counts[0]} and {noise.counts[1]} seeds leave {value:.4f} ± {half:.4f}, on both sides of the bound"
    return f"{left}; {more}, or {claim.passing_now(value - half, value + half)} would pass now"


def judge_ratio(claim: Claim, ratios: Sequence[float], *, rounds: str = "rounds") -> Verdict:
    """Judge a claim on the median of ratios that were measured in turns, by the sign test's interval.

    The interval needs no assumption about noise; it leaves out so many rounds at either end that it holds the median
    95 % of the time (five rounds: all of them, 94 %).

    Args:
        claim: the claim on the ratio.
        ratios: one ratio per round, at least one; infinite where what was waited for never came.
        rounds: what they are called.
    """
    ordered = sorted(ratios)
    known = Verdict("UNDECIDED", claim, float(np.median(ordered)), "ratio", values=tuple(ratios))
    if len(ordered) < FEWEST_COMPARED:
        return replace(known, reason=f"{len(ordered)} {rounds} decide nothing; at least {FEWEST_COMPARED} are needed")
    left_out = _left_out(len(ordered))
    low, high = ordered[left_out], ordered[-1 - left_out]
    outcome: Outcome = "UNDECIDED"
    reason: str | None = _more_rounds(claim, ordered, (low, high), rounds)
    if claim.holds(low) and claim.holds(high):
        outcome, reason = "PASS", None
    elif claim.fails(low) and claim.fails(high):
        outcome, reason = "FAIL", "the whole interval is off the bound"
    detectable_drop, pass_rates = _teeth_of_rounds(claim, ordered, left_out, rounds)
    return replace(
        known,
        outcome=outcome,
        interval=(low, high),
        reason=reason,
        detectable_drop=detectable_drop,
        pass_rates=pass_rates,
    )


@functools.cache
def _left_out(rounds: int) -> int:
    """How many rounds may lie outside of the interval at either end."""
    from scipy import stats  # late: it takes a second

    return max(0, int(stats.binom.ppf(0.025, rounds, 0.5)) - 1)


def _teeth_of_rounds(claim: Claim, ordered: Sequence[float], left_out: int, name: str) -> tuple[str, str]:
    """What the sign test refuses and how often it passes, taking rounds to be as far apart as these are."""
    from scipy import stats

    rounds, finite = len(ordered), [ratio for ratio in ordered if math.isfinite(ratio)]
    spread = float(np.std(finite, ddof=1)) if len(finite) > 1 else 0.0
    better, at, worse = (float(stats.binom.cdf(left_out, rounds, _normal(place))) for place in (-2.0, 0.0, 2.0))
    beyond = -spread * float(stats.norm.ppf(stats.beta.ppf(0.95, left_out + 1, rounds - left_out)))
    side, bound = ("above", claim.bound - beyond) if claim.direction == "at most" else ("below", claim.bound + beyond)
    p_values = f"{percent(better)} two spreads of the {name} better, {percent(worse)} two worse"
    never = f", {rounds - len(finite)} of the {name} left out that are infinite" if len(finite) < rounds else ""
    return (
        f"a true ratio {side} {bound:.3f} is refused 95 % of the time (spread of the {name}: {spread:.3f}{never})",
        f"passes {percent(at)} of the time with the truth at the bound, {p_values}",
    )


def _more_rounds(claim: Claim, ordered: Sequence[float], interval: tuple[float, float], name: str) -> str:
    """Why a ratio is open, and what would settle it."""
    rounds = len(ordered)
    off = sum(not claim.holds(ratio) for ratio in ordered)
    share = min(off, rounds - off) / rounds
    enough = next((n for n in range(rounds, _MOST_ROUNDS) if share * n <= _left_out(n)), None)
    more = f"about {enough} {name} would settle it at this share of them" if enough else f"more {name} hardly help"
    left = f"{rounds} {name} leave {interval[0]:.3f} to {interval[1]:.3f}, on both sides of the bound"
    passing = f", or {claim.passing_now(*interval)} would pass now" if math.isfinite(interval[1]) else ""
    return f"{left}; {more}{passing}"


def holm(p_values: Sequence[float], *, level: float = 0.05) -> tuple[bool, ...]:
    """Which of many hypotheses are rejected, so that the chance to reject any true one stays below the level.

    Args:
        p_values: a p-value each (Holm, 1979).
        level: the chance that is allowed, over all of them together.
    """
    rejected = [False] * len(p_values)
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        if p_values[place] > level / (len(p_values) - rank):
            break
        rejected[place] = True
    return tuple(rejected)


def relative_change(
    before: Sequence[float], after: Sequence[float], *, beyond: float
) -> tuple[float, tuple[float, float]]:
    """Whether a positive quantity changed by more than a factor: Welch's t-test of its logarithms.

    Args:
        before: measurements, at least two.
        after: the same, later.
        beyond: the change that is allowed, such as 0.05 for a growth by a twentieth or -0.1 for a fall by a tenth.

    Returns:
        How often so large a change comes from one that is allowed; and the 95 % interval of the change, minus one.
    """
    from scipy import stats  # late: it takes a second

    old, new = np.log(np.asarray(before, dtype=np.float64)), np.log(np.asarray(after, dtype=np.float64))
    change = float(new.mean() - old.mean())
    parts = [(max(float(side.var(ddof=1)) / len(side), 1e-18), len(side) - 1) for side in (old, new)]
    error = math.sqrt(sum(variance for variance, _ in parts))
    degrees_of_freedom = error**4 / sum(variance**2 / degrees for variance, degrees in parts)
    half = float(stats.t.ppf(0.975, degrees_of_freedom)) * error
    distance = math.copysign(1.0, beyond) * (change - math.log1p(beyond)) / error
    return float(stats.t.sf(distance, degrees_of_freedom)), (math.expm1(change - half), math.expm1(change + half))
