"""What the sequential rule does, by simulation: how often it passes, and what it refuses."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Odds", "margins", "odds", "rates"]

_STUDIES = 40_000


@dataclass(frozen=True, slots=True)
class Odds:
    """How often a claim passes, with these looks; the truth is counted in spreads from the bound."""

    below: float
    """Two spreads on the wrong side."""
    at_bound: float
    above: float
    """Two spreads on the right side."""
    refused: float
    """The truth, in spreads from the bound, that is refused with 95 % probability."""

    def __str__(self) -> str:
        return (
            f"passes {_percent(self.at_bound)} of the time with the truth at the bound, {_percent(self.above)} two "
            f"spreads better, {_percent(self.below)} two worse"
        )


@functools.lru_cache(maxsize=32)
def odds(looks: tuple[int, ...], margin: float) -> Odds:
    """What the rule does with these looks, over 40,000 simulated studies with normal seeds.

    Args:
        looks: the numbers of runs at which it looks.
        margin: the half width of the interval at a look, in standard errors.
    """
    means = _means(looks)

    def passing(truth: float) -> float:
        return rates(means + truth, margins(looks, margin))[0]

    low, high = -4.0, 4.0
    while high - low > 0.005:
        middle = (low + high) / 2
        low, high = (low, middle) if passing(middle) > 0.05 else (middle, high)
    return Odds(passing(-2.0), passing(0.0), passing(2.0), low)


def margins(looks: tuple[int, ...], margin: float) -> NDArray[np.float64]:
    """How far the mean must lie from the bound at each look, in spreads; shape (looks,)."""
    return margin / np.sqrt(np.array(looks, dtype=np.float64))


def rates(means: NDArray[np.float64], margins: NDArray[np.float64]) -> tuple[float, float, float]:
    """The shares of PASS, FAIL and UNDECIDED.

    Args:
        means: the mean over the runs at each look, from the bound; shape (studies, looks).
        margins: the margin at each look, in the same unit; shape (looks,).
    """
    passes, fails = means >= margins, means < -margins
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


def _percent(share: float) -> str:
    if share < 0.0005:
        return "under 0.1 %"
    return "over 99.9 %" if share > 0.9995 else f"{100 * share:.1f} %"
