"""The verdict of a median of three times, from two of them where the third could not change it."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["median_of_three_is_below"]


def median_of_three_is_below(limit_s: float, measure: Callable[[], float]) -> tuple[bool, list[float]]:
    """Measure until the median of three is known to lie below the limit or not; the answer and the seconds."""
    taken: list[float] = []
    while True:
        taken.append(measure())
        for below in (True, False):
            if sum((seconds < limit_s) == below for seconds in taken) == 2:
                return below, taken
