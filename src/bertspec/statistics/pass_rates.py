"""What a rule does: how often a claim passes by it, and what it refuses; of the sequential rule by simulation."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["PassRates", "margins", "pass_rates", "percent", "rates"]

_STUDIES = 40_000


@dataclass(frozen=True, slots=True)
class PassRates:
    """How often a claim passes, with these looks; the truth is counted in spreads from the bound."""

    below: float
    """Two spreads on the wrong side."""
    at_bound: float
    above: float
    """Two spreads on the right side."""
    refused: float
    """The truth, in spreads from the bound, that is refused with 95 % probability."""
    width: float = math.inf
    """Of a range, how far its bounds lie apart, in spreads."""

    def __str__(self) -> str:
        at, inside, outside = percent(self.at_bound), percent(self.above), percent(self.below)
        if self.width == math.inf:
            better, worse = "two spreads better", "two worse"
            return f"passes {at} of the time with the truth at the bound, {inside} {better}, {outside} {worse}"
        better = "two spreads inside" if self.width >= 4 else "in the middle of the range"
        return f"passes {at} of the time with the truth at either bound, {inside} {better}, {outside} two outside"


@functools.lru_cache(maxsize=128)
def pass_rates(looks: tuple[int, ...], margin: float, width: float = math.inf) -> PassRates:
    """What the rule does with these looks, over 40,000 simulated studies with normal seeds.

    Args:
        looks: the numbers of runs at which it looks.
        margin: the half width of the interval at a look, in standard errors.
        width: of a range, how far its bounds lie apart, in spreads.
    """
    means = _means(looks)

    def passing(truth: float) -> float:
        return rates(means + truth, margins(looks, margin), width)[0]

    inside = min(2.0, width / 2)
    low, high = -4.0, min(4.0, width / 2)
    while high - low > 0.005:
        middle = (low + high) / 2
        low, high = (low, middle) if passing(middle) > 0.05 else (middle, high)
    return PassRates(passing(-2.0), passing(0.0), passing(inside), low, width)


def margins(looks: tuple[int, ...], margin: float) -> NDArray[np.float64]:
    """How far the mean must lie from the bound at each look, in spreads; shape (looks,)."""
    return margin / np.sqrt(np.array(looks, dtype=np.float64))


def rates(
    means: NDArray[np.float64], margins: NDArray[np.float64], width: float = math.inf
) -> tuple[float, float, float]:
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


def _means(looks: tuple[int, ...]) -> NDArray[np.float64]:
    """The means of standard normal seeds at each look, shape (studies, looks).

    A stretch between two looks adds a normal sum of its own; the seeds themselves need not be drawn.
    """
    rng = np.random.default_rng(0)
    steps = np.diff((0, *looks))
    sums = np.cumsum(rng.standard_normal((_STUDIES, len(looks))) * np.sqrt(steps), axis=1)
    return np.asarray(sums / np.array(looks), dtype=np.float64)


def percent(share: float) -> str:
    """A probability in words; nothing that was simulated is never or always."""
    if share < 0.0005:
        return "under 0.1 %"
    return "over 99.9 %" if share > 0.9995 else f"{100 * share:.1f} %"
