"""Claims and measured values → verdicts. Pure statistics: no files, no clock, no torch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "FEWEST_RUNS",
    "PRIOR_SPREAD",
    "Claim",
    "Verdict",
    "collapsed",
    "judge",
    "judge_collapse",
    "judge_difference",
    "judge_ratio",
    "mean_interval",
]

Outcome = Literal["PASS", "FAIL", "UNDECIDED"]

FEWEST_RUNS = 3
"""Fewer runs decide nothing."""

FEWEST_RUNS_COMPARED = 5
"""Fewer runs a side decide nothing about a difference."""

PRIOR_SPREAD = 0.025
"""The standard deviation over seeds that is assumed where none was calibrated.

The largest that Mosbach et al. (2021, table 1) report for a stable recipe on GLUE is 0.024 (RTE, 25 seeds).
"""

_ONE_SIDED_95 = 1.645


@dataclass(frozen=True, slots=True)
class Claim:
    """What a Then line says of a number."""

    quantity: str
    """What is measured, such as ``accuracy``."""
    direction: Literal["at least", "at most"]
    bound: float

    def holds(self, value: float) -> bool:
        """Whether the value itself is on the claimed side."""
        return value >= self.bound if self.direction == "at least" else value <= self.bound

    def __str__(self) -> str:
        return f"{self.quantity} is {self.direction} {self.bound:g}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judged claim with its evidence."""

    outcome: Outcome
    claim: str
    value: float
    """What was measured: a mean over seeds, a difference of means, a ratio or a count."""
    bound: float
    interval: tuple[float, float] | None = None
    """The 95 % interval of the value over training seeds, or over timed rounds."""
    teeth: str | None = None
    """What this verdict would have refused."""
    reason: str | None = None
    """Why the claim is undecided, and what would settle it."""

    @property
    def passed(self) -> bool:
        """Only PASS passes."""
        return self.outcome == "PASS"

    def refused(self) -> Verdict:
        """The verdict on the opposite claim: that this one does not pass."""
        outcome: Outcome = "FAIL" if self.passed else "PASS"
        return Verdict(outcome, f"not: {self.claim}", self.value, self.bound, self.interval)

    def __str__(self) -> str:
        interval = f" [{self.interval[0]:.4f}, {self.interval[1]:.4f}]" if self.interval else ""
        rest = "".join(f"; {part}" for part in (self.teeth, self.reason) if part)
        return f"{self.outcome}: {self.claim}: measured {self.value:.4f}{interval}{rest}"


def judge(claim: Claim, values: Sequence[float]) -> Verdict:
    """Judge a claim on the mean over training seeds.

    The mean decides. The interval is Student's, from these runs. The teeth say which true mean would have
    been refused with 95 % probability, were the spread over seeds :data:`PRIOR_SPREAD`.

    Args:
        claim: the claim.
        values: one value per seed, at least one.
    """
    mean, interval = mean_interval(values)
    if len(values) < FEWEST_RUNS:
        return Verdict(
            "UNDECIDED", str(claim), mean, claim.bound, interval,
            reason=f"{_runs(len(values))} decide nothing; at least {FEWEST_RUNS} seeds are needed",
        )  # fmt: skip
    reach = _ONE_SIDED_95 * PRIOR_SPREAD / math.sqrt(len(values))
    refused = claim.bound - reach if claim.direction == "at least" else claim.bound + reach
    side = "below" if claim.direction == "at least" else "above"
    teeth = f"a true mean {side} {refused:.3f} is refused 95 % of the time (prior seed spread {PRIOR_SPREAD:g})"
    outcome: Outcome = "PASS" if claim.holds(mean) else "FAIL"
    return Verdict(outcome, str(claim), mean, claim.bound, interval, teeth)


def judge_difference(claim: Claim, values: Sequence[float], others: Sequence[float]) -> Verdict:
    """Judge a claim on the difference between two studies' means, with Welch's 95 % interval.

    Args:
        claim: the claim on ``mean(values) - mean(others)``.
        values: one value per seed of the first study, at least one.
        others: the same of the second study.
    """
    difference = float(np.mean(values) - np.mean(others))
    fewest = min(len(values), len(others))
    if fewest < FEWEST_RUNS_COMPARED:
        return Verdict(
            "UNDECIDED", str(claim), difference, claim.bound,
            reason=f"a comparison needs at least {FEWEST_RUNS_COMPARED} seeds a side, not {_runs(fewest)}",
        )  # fmt: skip
    half = _welch_half_width(values, others)
    outcome: Outcome = "PASS" if claim.holds(difference) else "FAIL"
    return Verdict(outcome, str(claim), difference, claim.bound, (difference - half, difference + half))


def judge_ratio(claim: Claim, ratios: Sequence[float]) -> Verdict:
    """Judge a claim on the median of ratios that were measured in turns.

    The interval is the sign test's: it needs no assumption about noise. Five rounds give 94 %.

    Args:
        claim: the claim on the ratio.
        ratios: one ratio per round, at least one.
    """
    ordered = sorted(ratios)
    median = float(np.median(ordered))
    if len(ordered) < FEWEST_RUNS_COMPARED:
        return Verdict(
            "UNDECIDED", str(claim), median, claim.bound,
            reason=f"{len(ordered)} rounds decide nothing; at least {FEWEST_RUNS_COMPARED} are needed",
        )  # fmt: skip
    from scipy import stats  # late: it takes a second

    skipped = max(0, int(stats.binom.ppf(0.025, len(ordered), 0.5)) - 1)
    interval = (ordered[skipped], ordered[-1 - skipped])
    return Verdict("PASS" if claim.holds(median) else "FAIL", str(claim), median, claim.bound, interval)


def collapsed(predictions: NDArray[np.float64], references: NDArray[np.float64]) -> bool:
    """Whether a classifier learned nothing: one class only, or no better than the majority class.

    Args:
        predictions: class numbers, shape (examples,).
        references: the same.
    """
    majority = np.unique(references, return_counts=True)[1].max() / len(references)
    return len(np.unique(predictions)) == 1 or bool((predictions == references).mean() <= majority)


def judge_collapse(collapses: Sequence[bool]) -> Verdict:
    """Judge that no seed collapses: none of up to 9 runs, at most one of 10.

    Args:
        collapses: for each seed, whether it collapsed.
    """
    count, allowed = sum(collapses), len(collapses) // 10
    return Verdict("PASS" if count <= allowed else "FAIL", "no seed collapses", count, allowed)


def mean_interval(values: Sequence[float]) -> tuple[float, tuple[float, float] | None]:
    """The mean, and Student's 95 % interval of it; none for a single value."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, None
    from scipy import stats  # late: it takes a second

    half = float(stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / math.sqrt(len(values)))
    return mean, (mean - half, mean + half)


def _welch_half_width(values: Sequence[float], others: Sequence[float]) -> float:
    """Half of Welch's 95 % interval of a difference of means; zero where neither side varies."""
    from scipy import stats  # late: it takes a second

    parts = [float(np.var(side, ddof=1)) / len(side) for side in (values, others)]
    if sum(parts) == 0:
        return 0.0
    freedom = sum(parts) ** 2 / sum(p**2 / (len(s) - 1) for p, s in zip(parts, (values, others), strict=True))
    return float(stats.t.ppf(0.975, freedom)) * math.sqrt(sum(parts))


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"
