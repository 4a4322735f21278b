"""What is claimed, the assumed spread over seeds, and the verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np

__all__ = [
    "LEAST_SPREAD",
    "Claim",
    "Direction",
    "Outcome",
    "Rule",
    "Spread",
    "Verdict",
    "estimate",
    "number",
    "percent",
]

Direction = Literal["at least", "at most", "between"]
Outcome = Literal["PASS", "FAIL", "UNDECIDED"]
Rule = Literal["mean", "collapse", "ceiling", "contamination", "difference", "ratio", "best", "steps", "sensitivity"]

_PRIOR = 0.025
"""Mosbach et al. (2021, table 1) report at most 0.024 for a stable recipe on GLUE (RTE, 25 seeds)."""
LEAST_SPREAD = 0.005
"""The smallest spread that is assumed: twenty runs that agree to the last digit do not rule out a rare outlier."""
_CONFIDENCE = 0.90
_IS: dict[Outcome, str] = {"PASS": "is", "FAIL": "is not", "UNDECIDED": "is not shown to be"}
_WHOLE_FROM = 1000
"""From here on, numbers are shown without decimals."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What a Then line claims about a number."""

    quantity: str
    """What is measured, such as ``accuracy``."""
    direction: Direction
    bound: float
    """The bound; of a range, the lower one."""
    upper: float | None = None
    """The upper bound of a range."""
    source: str | None = None
    """Where the bound comes from."""
    words: str | None = None
    """The claim in words, where its numbers alone do not say it."""
    metric: str | None = None
    """The metric by its name or title, if the quantity is another figure of it, such as a lead."""
    denied: bool = False
    """Whether the opposite is claimed: that this claim does not pass."""

    @property
    def highest(self) -> float:
        """The bound; of a range, the upper one."""
        return self.bound if self.upper is None else self.upper

    @property
    def limits(self) -> str:
        """The bound in words, such as ``at least 0.9``."""
        if self.direction == "between":
            return f"between {self.bound:g} and {self.upper:g}"
        return f"{self.direction} {self.bound:g}"

    def outcome(self, low: float, high: float) -> Outcome:
        """PASS if the whole interval is on the claimed side, FAIL if none of it is, else UNDECIDED."""
        above, below = low >= self.bound, high <= self.highest
        if {"at least": above, "at most": below, "between": above and below}[self.direction]:
            return "PASS"
        too_low, too_high = high < self.bound, low > self.highest
        off = {"at least": too_low, "at most": too_high, "between": too_low or too_high}[self.direction]
        return "FAIL" if off else "UNDECIDED"

    def passing_now(self, low: float, high: float) -> str:
        """The bound that an interval would pass, in words; it is rounded outward, so that it really would."""
        least, most = math.floor(low * 1000) / 1000, math.ceil(high * 1000) / 1000
        if self.direction == "between":
            return f"a range from {least:.3f} to {most:.3f}"
        return f"a bound of {most if self.direction == 'at most' else least:.3f}"

    def __str__(self) -> str:
        return self.words if self.words is not None else f"{self.quantity} is {self.limits}"


@dataclass(frozen=True, slots=True)
class Spread:
    """The assumed standard deviation of a study's scores over seeds."""

    std_upper: float
    """The value that the rules use: the upper 90 % limit of the estimate, or a conservative prior."""
    source: str
    """Where it comes from, in words."""
    mean: float | None = None
    """The mean of the reference runs, if there were any."""

    @classmethod
    def estimated(cls, values: Sequence[float], source: str) -> Self:
        """Estimate it from at least three reference runs.

        The upper limit is 1.28 times the estimate for 20 runs, and 1.94 times for 5 runs.
        """
        from scipy import stats  # late: it takes a second

        degrees_of_freedom = len(values) - 1
        std_upper = float(np.std(values, ddof=1)) * math.sqrt(
            degrees_of_freedom / float(stats.chi2.ppf(1 - _CONFIDENCE, degrees_of_freedom))
        )
        return cls(max(std_upper, LEAST_SPREAD), source, float(np.mean(values)))

    @classmethod
    def prior(cls, scale: float = 1.0) -> Self:
        """The spread that is assumed for a study without a calibration record.

        Args:
            scale: the length of the metric's scale; accuracy, from 0 to 1, has 1.
        """
        return cls(_PRIOR * scale, f"prior {_PRIOR * scale:g}, not calibrated")


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judged claim and what it was judged by."""

    outcome: Outcome
    claim: Claim
    value: float
    """The measured value: a mean over seeds, a difference of means, a ratio or a count; NaN if nothing was measured."""
    rule: Rule = "mean"
    """The rule that decided."""
    interval: tuple[float, float] | None = None
    """The 95 % interval of the value; the claim passes if the whole interval lies on the claimed side."""
    split_interval: tuple[float, float] | None = None
    """The 95 % interval from the choice of the evaluation rows. Every rerun has the same rows; no rule uses it."""
    values: tuple[float, ...] = ()
    """The measurement of each run or round that was looked at."""
    spread: Spread | None = None
    """The assumed spread over seeds."""
    detectable_drop: str | None = None
    """The truth that the rule refuses with 95 % probability; None with too few runs."""
    pass_rates: str | None = None
    """How often the claim passes with the truth at the bound, and two spreads on either side."""
    reason: str | None = None
    """Why the claim does not pass, and what would settle it."""
    more: int | None = None
    """How many runs the next look needs; None if there is no next look."""

    @property
    def passed(self) -> bool:
        """Whether the outcome is PASS; UNDECIDED does not pass."""
        return self.outcome == "PASS"

    def overruled(self, rule: Rule, reason: str) -> Verdict:
        """The verdict with outcome FAIL, by a rule that holds whatever the mean is."""
        return replace(self, outcome="FAIL", rule=rule, reason=reason, more=None)

    def refused(self, rule: Rule | None = None) -> Verdict:
        """The verdict on the opposite claim: that this one does not pass, by the given rule if one is given."""
        by = self.rule == rule or rule is None
        reason = None if by else f"it was decided by the {self.rule}, not by the {rule}"
        if self.passed:
            reason = "the claim passes"
        opposite = replace(self.claim, words=f"not: {self.claim}", denied=True)
        outcome: Outcome = "PASS" if by and not self.passed else "FAIL"
        why = reason or f"{self.outcome} by the {self.rule}" + (f": {self.reason}" if self.reason else "")
        return replace(self, outcome=outcome, claim=opposite, reason=why, more=None)

    def __str__(self) -> str:
        """Return one sentence: what was measured, seed by seed, whether it is as claimed, and why it does not pass."""
        claim, measured = self.claim, estimate(self.value, self.interval, self.rule)
        if self.values:
            unit = "rounds" if self.rule == "ratio" else "seeds"
            shown = ", ".join(number(value, self.rule if self.interval is None else None) for value in self.values)
            measured += f" ({unit} {shown})"
        if math.isnan(self.value):
            sentence = str(claim)
        elif claim.words is None:
            sentence = f"{claim.quantity} {measured} {_IS[self.outcome]} {claim.limits}"
        else:
            sentence = f"{claim.words}: measured {measured}"
        return f"{sentence} [{self.outcome}]" + (f"; {self.reason}" if self.reason else "")


def estimate(value: float, interval: tuple[float, float] | None, rule: str | None = None) -> str:
    """Return a value with half of its interval, such as ``0.841 ± 0.012``; with both ends if it is not symmetric."""
    if interval is None:
        return number(value, rule)
    if not all(map(math.isfinite, (value, *interval))):
        return number(value)
    low, high = interval  # a count has none: this is a mean, which a collapse may have overruled
    if math.isclose(value - low, high - value, rel_tol=0.02, abs_tol=5e-4):
        return f"{number(value)} ± {number((high - low) / 2)}"
    return f"{number(value)} [{number(low)}, {number(high)}]"


def number(value: float, rule: str | None = None) -> str:
    """Return a number with three decimals; a count, and a number from 1,000 on, as a whole number."""
    if math.isnan(value):
        return "not defined"
    return f"{value:,.0f}" if rule == "collapse" or abs(value) >= _WHOLE_FROM else f"{value:.3f}"


def percent(share: float) -> str:
    """A probability as a percentage; a simulated rate is never called 0 % or 100 %."""
    if share < 0.0005:
        return "under 0.1 %"
    return "over 99.9 %" if share > 0.9995 else f"{100 * share:.1f} %"
