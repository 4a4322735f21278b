"""One study against another; what was timed in turns; and many comparisons at once."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from bertspec.verdict.claims import Claim, Outcome, Spread, Verdict

__all__ = ["FEWEST_COMPARED", "holm", "judge_contrast", "judge_ratio", "relative_change"]

FEWEST_COMPARED = 5
"""Fewer runs a side decide nothing about a difference, nor fewer rounds about a ratio of speeds."""

_TWO_SIDED_95, _ONE_SIDED_95 = 1.96, 1.645


def judge_contrast(
    claim: Claim,
    values: Sequence[float],
    others: Sequence[float],
    *,
    spreads: tuple[Spread, Spread],
    sampling_variance: float = 0.0,
    factor: float = 1.0,
) -> Verdict:
    """Judge a claim on ``mean(values) - factor * mean(others)``, by its normal 95 % interval.

    Args:
        claim: the claim on the difference.
        values: one value per seed of the first study, at least one.
        others: the same of the second study.
        spreads: what the spread over seeds is taken to be, of each.
        sampling_variance: the variance of the difference that comes from the evaluation rows, which both share.
        factor: what the second mean is multiplied by: 1 for a difference, r for "at least r times".
    """
    difference = float(np.mean(values) - factor * np.mean(others))
    fewest = min(len(values), len(others))
    if fewest < FEWEST_COMPARED:
        few = f"a comparison needs at least {FEWEST_COMPARED} seeds a side, not {fewest}"
        return Verdict("UNDECIDED", claim, difference, "difference", reason=few)
    seeds = spreads[0].limit ** 2 / len(values) + (factor * spreads[1].limit) ** 2 / len(others)
    error = math.sqrt(seeds + sampling_variance)
    half = _TWO_SIDED_95 * error
    outcome = _outcome(claim, difference, half)
    sources = spreads[0].source if spreads[0].source == spreads[1].source else " and ".join(s.source for s in spreads)
    teeth = None
    if outcome == "PASS":
        refused = claim.bound + (_TWO_SIDED_95 - _ONE_SIDED_95) * error
        teeth = f"a true difference below {refused:.3f} is refused 95 % of the time (seed spread: {sources})"
    reason: str | None = None
    if outcome == "UNDECIDED":
        reason = (
            f"{len(values)} and {len(others)} seeds leave {difference:.4f} ± {half:.4f}, on both sides of the bound"
        )
    return Verdict(
        outcome,
        claim,
        difference,
        rule="difference",
        interval=(difference - half, difference + half),
        values=tuple(values),
        spread=Spread(max(each.limit for each in spreads), sources),
        teeth=teeth,
        reason=reason,
    )


def judge_ratio(claim: Claim, ratios: Sequence[float]) -> Verdict:
    """Judge a claim on the median of ratios that were measured in turns, by the sign test's interval.

    The interval needs no assumption about noise. Five rounds give 94 %.

    Args:
        claim: the claim on the ratio.
        ratios: one ratio per round, at least one.
    """
    ordered = sorted(ratios)
    median = float(np.median(ordered))
    if len(ordered) < FEWEST_COMPARED:
        reason = f"{len(ordered)} rounds decide nothing; at least {FEWEST_COMPARED} are needed"
        return Verdict("UNDECIDED", claim, median, "ratio", values=tuple(ratios), reason=reason)
    from scipy import stats  # late: it takes a second

    skipped = max(0, int(stats.binom.ppf(0.025, len(ordered), 0.5)) - 1)
    interval = (ordered[skipped], ordered[-1 - skipped])
    outcome: Outcome = "PASS" if claim.holds(median) else "FAIL"
    return Verdict(outcome, claim, median, "ratio", interval, values=tuple(ratios))


def holm(chances: Sequence[float], *, level: float = 0.05) -> tuple[bool, ...]:
    """Which of many hypotheses are rejected, so that the chance to reject any true one stays below the level.

    Args:
        chances: a p-value each (Holm, 1979).
        level: the chance that is allowed, over all of them together.
    """
    rejected = [False] * len(chances)
    for rank, place in enumerate(sorted(range(len(chances)), key=lambda i: chances[i])):
        if chances[place] > level / (len(chances) - rank):
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
    freedom = error**4 / sum(variance**2 / degrees for variance, degrees in parts)
    half = float(stats.t.ppf(0.975, freedom)) * error
    distance = math.copysign(1.0, beyond) * (change - math.log1p(beyond)) / error
    return float(stats.t.sf(distance, freedom)), (math.expm1(change - half), math.expm1(change + half))


def _outcome(claim: Claim, value: float, margin: float) -> Outcome:
    if claim.holds(value, margin=margin):
        return "PASS"
    return "FAIL" if claim.fails(value, margin=margin) else "UNDECIDED"
