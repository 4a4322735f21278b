"""What is claimed, what the spread over seeds is taken to be, and what came of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, Self

import numpy as np

__all__ = ["LEAST_SPREAD", "Claim", "Outcome", "Rule", "Spread", "Verdict"]

Outcome = Literal["PASS", "FAIL", "UNDECIDED"]
Rule = Literal["mean", "collapse", "ceiling", "overlap", "difference", "ratio", "best", "steps", "sensitivity"]

_PRIOR = 0.025
"""Mosbach et al. (2021, table 1) report at most 0.024 for a stable recipe on GLUE (RTE, 25 seeds)."""
LEAST_SPREAD = 0.005
"""Twenty runs that agree to the last digit do not show what one seed in fifty does."""
_CONFIDENCE = 0.90


@dataclass(frozen=True, slots=True)
class Claim:
    """What a Then line says of a number."""

    quantity: str
    """What is measured, such as ``accuracy``."""
    direction: Literal["at least", "at most", "between"]
    bound: float
    """The bound; of a range, the lower one."""
    upper: float | None = None
    """The upper bound of a range."""
    source: str | None = None
    """Where the bound comes from."""
    words: str | None = None
    """The claim as it is told, where its numbers alone would not tell it."""
    denied: bool = False
    """Whether the opposite is claimed: that this does not pass."""

    @property
    def highest(self) -> float:
        """The bound; of a range, the upper one."""
        return self.bound if self.upper is None else self.upper

    def holds(self, value: float, *, margin: float = 0.0) -> bool:
        """Whether a value is on the claimed side, that far from the bound."""
        above, below = value - margin >= self.bound, value + margin <= self.highest
        return {"at least": above, "at most": below, "between": above and below}[self.direction]

    def fails(self, value: float, *, margin: float = 0.0) -> bool:
        """Whether a value is on the other side, further than that from the bound."""
        below, above = value + margin < self.bound, value - margin > self.highest
        return {"at least": below, "at most": above, "between": above or below}[self.direction]

    def passing_now(self, low: float, high: float) -> str:
        """The bound that an interval would pass, in words: rounded outward, so that it really would."""
        least, most = math.floor(low * 1000) / 1000, math.ceil(high * 1000) / 1000
        if self.direction == "between":
            return f"a range from {least:.3f} to {most:.3f}"
        return f"a bound of {most if self.direction == 'at most' else least:.3f}"

    def __str__(self) -> str:
        if self.words is not None:
            return self.words
        if self.direction == "between":
            return f"{self.quantity} is between {self.bound:g} and {self.upper:g}"
        return f"{self.quantity} is {self.direction} {self.bound:g}"


@dataclass(frozen=True, slots=True)
class Spread:
    """How far the runs of a study lie apart: a standard deviation over seeds, from its cautious end."""

    limit: float
    """What the rule goes by: the upper 90 % limit of the estimate, or a conservative prior."""
    source: str
    """Where it comes from, in words."""
    mean: float | None = None
    """The mean of the reference runs, where there were any."""

    @classmethod
    def estimated(cls, values: list[float] | tuple[float, ...], source: str) -> Self:
        """From reference runs, at least three. The limit of 20 runs is 1.28 times the estimate; of 5, 1.94 times."""
        from scipy import stats  # late: it takes a second

        degrees_of_freedom = len(values) - 1
        limit = float(np.std(values, ddof=1)) * math.sqrt(
            degrees_of_freedom / float(stats.chi2.ppf(1 - _CONFIDENCE, degrees_of_freedom))
        )
        return cls(max(limit, LEAST_SPREAD), source, float(np.mean(values)))

    @classmethod
    def prior(cls, scale: float = 1.0) -> Self:
        """What is assumed where nothing was measured.

        Args:
            scale: the length of the metric's scale, against accuracy's, which runs from 0 to 1.
        """
        return cls(_PRIOR * scale, f"prior {_PRIOR * scale:g}, not calibrated")


@dataclass(frozen=True, slots=True)
class Verdict:
    """A judged claim with its evidence."""

    outcome: Outcome
    claim: Claim
    value: float
    """What was measured: a mean over seeds, a difference of means, a ratio or a count."""
    rule: Rule = "mean"
    """The rule that decided."""
    interval: tuple[float, float] | None = None
    """The 95 % interval of the value: it must lie on the claimed side, whole."""
    split_interval: tuple[float, float] | None = None
    """The 95 % interval that the choice of the evaluation rows leaves; the same on every rerun, and not judged by."""
    values: tuple[float, ...] = ()
    """What each run, or each round, measured, of those that were looked at."""
    spread: Spread | None = None
    """What the spread over seeds was taken to be."""
    detectable_drop: str | None = None
    """What the claim's own rule refuses, whatever came of it; none where there are too few runs for it."""
    pass_rates: str | None = None
    """How often the claim passes by that rule at the bound, and two spreads either side."""
    reason: str | None = None
    """Why the claim does not pass, and what would settle it."""
    more: int | None = None
    """How many runs the next look needs; none where there is none."""

    @property
    def passed(self) -> bool:
        """Only PASS passes."""
        return self.outcome == "PASS"

    def overruled(self, rule: Rule, reason: str) -> Verdict:
        """FAIL, by a rule that holds whatever the mean."""
        return replace(self, outcome="FAIL", rule=rule, reason=reason, more=None)

    def refused(self, rule: Rule | None = None) -> Verdict:
        """The verdict on the opposite: that the claim does not pass, by the rule that is named."""
        by = self.rule == rule or rule is None
        reason = None if by else f"it was decided by the {self.rule}, not by the {rule}"
        if self.passed:
            reason = "the claim passes"
        opposite = replace(self.claim, words=f"not: {self.claim}", denied=True)
        outcome: Outcome = "PASS" if by and not self.passed else "FAIL"
        why = reason or f"{self.outcome} by the {self.rule}" + (f": {self.reason}" if self.reason else "")
        return replace(self, outcome=outcome, claim=opposite, reason=why, more=None)

    def __str__(self) -> str:
        interval = f" [{self.interval[0]:.4f}, {self.interval[1]:.4f}]" if self.interval else ""
        rest = "".join(f"; {part}" for part in (self.reason, self.detectable_drop, self.pass_rates) if part)
        return f"{self.outcome}: {self.claim}: measured {self.value:.4f}{interval}{rest}"
