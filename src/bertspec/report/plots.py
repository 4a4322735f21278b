"""Where things stand in the small plots of a page. The template draws them, so that all text in them is escaped."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bertspec.results import ClaimRecord

__all__ = ["ClaimPlot", "CurvePlot", "Dot", "ParetoPlot", "Point", "claim_plot", "curve_plot", "pareto_plot"]

WIDTH, HEIGHT = 640.0, 240.0
"""Of the large plots, in user units; they scale with the page."""
_CLAIM_WIDTH = 320.0
_MARGIN = 12.0
_LEFT, _BOTTOM = 56.0, 32.0
_POINTS = 100
_LEAST_SPAN = 0.04
"""Of the scale of quality."""


@dataclass(frozen=True, slots=True)
class ClaimPlot:
    """A claim: horizontal places in user units, of :data:`_CLAIM_WIDTH`."""

    bound: float
    upper: float | None
    value: float
    interval: tuple[float, float] | None
    seeds: tuple[float, ...]
    least: str
    """The number at the left end."""
    most: str
    side: str
    """Where the value was claimed to lie: left or right of the bound, between the two, or nowhere that can be drawn."""


class Point(NamedTuple):
    """A study in the plot of quality against cost."""

    name: str
    cost: float
    """Less is better."""
    quality: float
    """The mean over the seeds."""
    worst: float
    """The lowest of the seeds."""
    best: float
    """The highest of the seeds."""


@dataclass(frozen=True, slots=True)
class Dot:
    """A point where it is drawn."""

    x: float
    y: float
    whisker: tuple[float, float]
    """From the lowest to the highest seed."""
    name: str
    cost: float
    quality: float
    front: bool
    """Whether no other point is better in one way and no worse in the other."""


@dataclass(frozen=True, slots=True)
class CurvePlot:
    """The loss over the steps: the mean over seeds, and from the lowest to the highest seed."""

    mean: str
    """The points of a polyline."""
    band: str
    """The points of a polygon."""
    least: str
    most: str
    steps: int


@dataclass(frozen=True, slots=True)
class ParetoPlot:
    """Quality against cost."""

    dots: tuple[Dot, ...]
    least: str
    most: str
    dearest: str


def claim_plot(claim: ClaimRecord) -> ClaimPlot | None:
    """The places of a claim's numbers; none where there is no interval to draw. The infinite ones lie at the end."""
    if claim.interval is None:
        return None
    numbers = [claim.bound, claim.value, *claim.interval, *claim.values]
    numbers += [claim.upper] if claim.upper is not None else []
    finite = [number for number in numbers if math.isfinite(number)]
    low, high = _padded(min(finite), max(finite))
    along = _scale(low, high, _MARGIN, _CLAIM_WIDTH - _MARGIN)

    def place(number: float) -> float:
        return along(min(number, high))

    return ClaimPlot(
        bound=place(claim.bound),
        upper=place(claim.upper) if claim.upper is not None else None,
        value=place(claim.value),
        interval=(place(claim.interval[0]), place(claim.interval[1])),
        seeds=tuple(place(value) for value in claim.values),
        least=_number(low),
        most=_number(high),
        side=_side(claim),
    )


def _side(claim: ClaimRecord) -> str:
    """A claim that is denied lies on the other side; one that a collapse or a leak decided lies on neither."""
    if claim.rule in ("collapse", "ceiling", "overlap"):
        return "nowhere"
    sides = {"at least": ("right", "left"), "at most": ("left", "right"), "between": ("between", "nowhere")}
    return sides[claim.direction][claim.denied]


def curve_plot(losses: Sequence[NDArray[np.float64]]) -> CurvePlot | None:
    """The training curves of a study, thinned, of those seeds that came to the end; none where there are none."""
    steps = max(map(len, losses), default=0)
    losses = [loss for loss in losses if len(loss) == steps and np.isfinite(loss).all()]
    if not losses or steps < 2:
        return None
    edges = np.linspace(0, steps, min(steps, _POINTS) + 1).astype(int)
    thinned = np.array([[float(loss[a:b].mean()) for a, b in pairwise(edges)] for loss in losses])
    low, high = _padded(0.0, float(thinned.max()))
    across = _scale(0, thinned.shape[1] - 1, _LEFT, WIDTH - _MARGIN)
    down = _scale(low, high, HEIGHT - _BOTTOM, _MARGIN)

    def points(values: NDArray[np.float64]) -> list[str]:
        return [f"{across(i):.1f},{down(float(value)):.1f}" for i, value in enumerate(values)]

    band = points(thinned.max(axis=0)) + points(thinned.min(axis=0))[::-1]
    return CurvePlot(" ".join(points(thinned.mean(axis=0))), " ".join(band), _number(low), _number(high), steps)


def pareto_plot(points: Sequence[Point], *, less_is_better: bool = False) -> ParetoPlot | None:
    """Quality against cost, the cheapest first; none for fewer than two points.

    Args:
        points: the studies.
        less_is_better: whether that holds of the quality, too, as of an error rate.
    """
    if len(points) < 2:
        return None
    ordered = sorted(points, key=lambda point: point.cost)
    cheap, dear = _padded(0.0, ordered[-1].cost)
    low, high = min(point.worst for point in points), max(point.best for point in points)
    room = max(0.0, _LEAST_SPAN - (high - low)) / 2  # smaller differences are not worth a second look
    low, high = _padded(low - room, high + room)
    across, up = _scale(cheap, dear, _LEFT, WIDTH - _MARGIN), _scale(low, high, HEIGHT - _BOTTOM, _MARGIN)
    sign = -1 if less_is_better else 1

    def front(point: Point) -> bool:
        return not any(
            other.cost <= point.cost
            and sign * (other.quality - point.quality) >= 0
            and (other.cost, other.quality) != (point.cost, point.quality)
            for other in points
        )

    dots = tuple(
        Dot(across(p.cost), up(p.quality), (up(p.worst), up(p.best)), p.name, p.cost, p.quality, front(p))
        for p in ordered
    )
    return ParetoPlot(dots, _number(low), _number(high), f"{dear:.0f}")


def _padded(low: float, high: float) -> tuple[float, float]:
    room = (high - low) * 0.08 or max(abs(high), 1.0) * 0.01
    return low - room if low else 0.0, high + room


def _scale(low: float, high: float, first: float, last: float) -> Callable[[float], float]:
    return lambda value: first + (value - low) / (high - low) * (last - first)


def _number(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 100 else f"{value:,.0f}"
