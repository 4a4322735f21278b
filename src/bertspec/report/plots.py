"""Plots as SVG: this module computes the coordinates, and the templates draw them, so that all text is escaped.

On a page, plots take their colours from the page. :func:`draw` returns an SVG document with its own style, for a
notebook or a file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bertspec.printing import printable
from bertspec.results import ClaimRecord
from bertspec.statistics import number

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = [
    "Chart",
    "ClaimPlot",
    "Dot",
    "Estimate",
    "Line",
    "Mark",
    "ParetoPlot",
    "Point",
    "Row",
    "RowPlot",
    "claim_plot",
    "curve_plot",
    "draw",
    "horizontal_axis",
    "linear",
    "pareto_plot",
    "row_plot",
    "score_axis",
    "templates",
]

WIDTH, HEIGHT = 640.0, 240.0
"""Size of the large plots, in user units; they scale with the page."""
LEFT, RIGHT, TOP, BOTTOM = 56.0, WIDTH - 16.0, 12.0, HEIGHT - 32.0
"""The area of a large plot inside its axes."""
SERIES = 8
"""Number of colours. From the ninth series on, marks are hollow and lines broken; from the seventeenth on, dotted."""

_CLAIM_WIDTH = 320.0
_MARGIN = 12.0
_LABEL_HEIGHT = 24.0
_CURVE_POINTS = 100
_DECADE = 10.0
_ROW_HEIGHT = 34.0
_LEAST_QUALITY_SPAN = 0.04
"""Smaller differences in quality are not worth a closer look."""

Scale = Callable[[float], float]
"""From a number to its coordinate."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A trial or a seed."""

    x: float
    y: float
    series: int
    lost: bool
    """Whether it has no score; it is then drawn at the bottom."""
    title: str
    """The text that a pointer shows."""


@dataclass(frozen=True, slots=True)
class Line:
    """The line of one series."""

    series: int
    points: str
    """The points of a polyline."""


@dataclass(frozen=True, slots=True)
class Chart:
    """Numbers upwards, over something."""

    title: str
    marks: tuple[Mark, ...]
    lines: tuple[Line, ...]
    ticks: tuple[tuple[float, str], ...]
    """Coordinate and text of each tick of the horizontal axis."""
    least: str
    """The number at the lower end."""
    most: str
    band: str = ""
    """The points of a polygon behind the lines."""


@dataclass(frozen=True, slots=True)
class ClaimPlot:
    """A claim on one horizontal axis, 320 user units wide."""

    bound: float
    upper: float | None
    value: float
    interval: tuple[float, float]
    seeds: tuple[float, ...]
    least: str
    """The number at the left end."""
    most: str
    side: str
    """Where the value was claimed to be: ``left`` or ``right`` of the bound, ``between`` the two, or ``nowhere``."""


class Estimate(NamedTuple):
    """A mean with its interval and the values behind it."""

    name: str
    mean: float
    interval: tuple[float, float] | None
    values: tuple[float, ...]
    series: int


@dataclass(frozen=True, slots=True)
class Row:
    """An estimate on the horizontal axis that it shares with the others."""

    name: str
    y: float
    series: int
    mean: float
    interval: tuple[float, float] | None
    seeds: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class RowPlot:
    """Estimates below each other."""

    rows: tuple[Row, ...]
    height: float
    least: str
    """The number at the left end."""
    most: str


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
    """A study with its coordinates."""

    x: float
    y: float
    whisker: tuple[float, float]
    """From the lowest to the highest seed."""
    name: str
    cost: float
    quality: float
    front: bool
    """Whether no other study is better in one way and no worse in the other."""


@dataclass(frozen=True, slots=True)
class ParetoPlot:
    """Quality against cost."""

    dots: tuple[Dot, ...]
    least: str
    most: str
    dearest: str


_MACROS = {Chart: "chart_parts", ParetoPlot: "pareto_parts", RowPlot: "row_parts"}
"""The macro of ``charts.html.j2`` that draws a plot."""


def draw(title: str, plots: Mapping[str, Chart | ParetoPlot | RowPlot | None]) -> str:
    """Draw plots below each other, as one SVG document with its own style.

    Args:
        title: the heading.
        plots: label → plot; ``None`` is left out.
    """
    parts, y = [], 30.0
    for label, plot in plots.items():
        if plot is not None:
            parts.append((label, _MACROS[type(plot)], plot, y + _LABEL_HEIGHT))
            y += _LABEL_HEIGHT + (plot.height if isinstance(plot, RowPlot) else HEIGHT)
    return templates().get_template("figure.svg.j2").render(title=title, parts=parts, total_height=y)


@cache
def templates() -> Environment:
    """The templates of the report. All text that they are given is escaped: markup, and what a browser could act on."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("bertspec.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_escaped,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(width=WIDTH, height=HEIGHT, left=LEFT, right=RIGHT, bottom=BOTTOM, series=SERIES)
    environment.filters["number"] = number
    environment.filters["one_line"] = lambda text: " ".join(text.split())
    return environment


def _escaped(value: Any) -> Any:
    """A value as a template shows it; markup, which macros return, is escaped already."""
    return value if hasattr(value, "__html__") or not isinstance(value, str) else printable(value)


def claim_plot(claim: ClaimRecord) -> ClaimPlot | None:
    """The coordinates of a claim's numbers, or ``None`` without an interval. Infinite numbers are at the end."""
    if claim.interval is None:
        return None
    numbers = [claim.bound, claim.value, *claim.interval, *claim.values]
    numbers += [claim.upper] if claim.upper is not None else []
    finite = [each for each in numbers if math.isfinite(each)]
    low, high = _padded(min(finite), max(finite))
    scale = linear(low, high, _MARGIN, _CLAIM_WIDTH - _MARGIN)

    def x(value: float) -> float:
        return scale(min(value, high))

    return ClaimPlot(
        bound=x(claim.bound),
        upper=x(claim.upper) if claim.upper is not None else None,
        value=x(claim.value),
        interval=(x(claim.interval[0]), x(claim.interval[1])),
        seeds=tuple(x(value) for value in claim.values),
        least=number(low),
        most=number(high),
        side=_side(claim),
    )


def curve_plot(losses: Sequence[NDArray[np.float64]]) -> Chart | None:
    """The training loss over the steps: the mean over the seeds, and the band from the lowest to the highest.

    Args:
        losses: for each seed, the loss of each step, shape (steps,). Seeds that diverged are left out; long curves are
            averaged over up to 100 parts.

    Returns:
        ``None`` where no seed came to its end, or after less than two steps.
    """
    steps = max(map(len, losses), default=0)
    losses = [loss for loss in losses if len(loss) == steps and np.isfinite(loss).all()]
    if not losses or steps < 2:
        return None
    edges = np.linspace(0, steps, min(steps, _CURVE_POINTS) + 1).astype(int)
    thinned = np.array([[float(loss[a:b].mean()) for a, b in pairwise(edges)] for loss in losses])
    low, high = _padded(0.0, float(thinned.max()))
    x, y = linear(0, thinned.shape[1] - 1, LEFT, RIGHT), linear(low, high, BOTTOM, TOP)

    def points(values: NDArray[np.float64]) -> list[str]:
        return [f"{x(i):.1f},{y(float(value)):.1f}" for i, value in enumerate(values)]

    return Chart(
        title="training loss",
        marks=(),
        lines=(Line(0, " ".join(points(thinned.mean(axis=0)))),),
        ticks=((LEFT, "step 1"), (RIGHT, f"{steps} steps")),
        least=number(low),
        most=number(high),
        band=" ".join(points(thinned.max(axis=0)) + points(thinned.min(axis=0))[::-1]),
    )


def row_plot(estimates: Sequence[Estimate]) -> RowPlot | None:
    """Estimates below each other on one axis; ``None`` where there are none."""
    numbers = [value for each in estimates for value in (each.mean, *each.values, *(each.interval or ()))]
    finite = [each for each in numbers if math.isfinite(each)]
    if not finite:
        return None
    low, high = _padded(min(finite), max(finite))
    x = linear(low, high, _MARGIN, WIDTH - _MARGIN)
    rows = tuple(
        Row(
            name=each.name,
            y=_ROW_HEIGHT * (position + 1),
            series=each.series,
            mean=x(each.mean),
            interval=(x(each.interval[0]), x(each.interval[1])) if each.interval else None,
            seeds=tuple(x(value) for value in each.values),
        )
        for position, each in enumerate(estimates)
    )
    return RowPlot(rows, _ROW_HEIGHT * len(rows) + 30, number(low), number(high))


def pareto_plot(points: Sequence[Point], *, less_is_better: bool = False) -> ParetoPlot | None:
    """Quality against cost, the cheapest first; ``None`` for fewer than two points.

    Args:
        points: the studies.
        less_is_better: whether lower quality numbers are better, as for an error rate.
    """
    if len(points) < 2:
        return None
    ordered = sorted(points, key=lambda point: point.cost)
    cheap, dear = _padded(0.0, ordered[-1].cost)
    low, high = min(point.worst for point in points), max(point.best for point in points)
    margin = max(0.0, _LEAST_QUALITY_SPAN - (high - low)) / 2
    low, high = _padded(low - margin, high + margin)
    x, y = linear(cheap, dear, LEFT, RIGHT), linear(low, high, BOTTOM, TOP)
    sign = -1 if less_is_better else 1

    def front(point: Point) -> bool:
        return not any(
            other.cost <= point.cost
            and sign * (other.quality - point.quality) >= 0
            and (other.cost, other.quality) != (point.cost, point.quality)
            for other in points
        )

    dots = tuple(
        Dot(x(p.cost), y(p.quality), (y(p.worst), y(p.best)), p.name, p.cost, p.quality, front(p)) for p in ordered
    )
    return ParetoPlot(dots, number(low), number(high), f"{dear:.0f}")


def score_axis(scores: Sequence[float | None]) -> tuple[Scale, str, str]:
    """A vertical axis for scores: the scale, and the numbers at its lower and its upper end."""
    known = [score for score in scores if score is not None and math.isfinite(score)]
    low, high = _padded(min(known), max(known))
    return linear(low, high, BOTTOM, TOP), number(low), number(high)


def horizontal_axis(
    numbers: Sequence[float], *, logarithmic: bool = False
) -> tuple[Scale, tuple[tuple[float, str], ...]]:
    """A horizontal axis with its ticks. It is logarithmic on request, and where the numbers span a decade or more."""
    low, high = min(numbers), max(numbers)
    if low > 0 and (logarithmic or high >= _DECADE * low):
        scale = linear(math.log10(low), math.log10(high), LEFT, RIGHT)
        decades = [10.0**power for power in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)]
        shown = [low, *(each for each in decades if 1.5 * low < each < high / 1.5), high]
        return lambda value: scale(math.log10(value)), tuple((scale(math.log10(one)), f"{one:.3g}") for one in shown)
    return linear(low, high, LEFT, RIGHT), ((LEFT, f"{low:.3g}"), (RIGHT, f"{high:.3g}"))


def linear(low: float, high: float, first: float, last: float) -> Scale:
    """The scale that takes ``low`` to ``first`` and ``high`` to ``last``."""
    return lambda value: first + (value - low) / (high - low) * (last - first)


def _side(claim: ClaimRecord) -> str:
    """A negated claim is on the other side; one that a collapse or a leak decided has no side."""
    if claim.rule in ("collapse", "ceiling", "contamination"):
        return "nowhere"
    sides = {"at least": ("right", "left"), "at most": ("left", "right"), "between": ("between", "nowhere")}
    return sides[claim.direction][claim.denied]


def _padded(low: float, high: float) -> tuple[float, float]:
    """A little more at both ends; an axis that begins at 0 stays there."""
    padding = (high - low) * 0.08 or max(abs(high), 1.0) * 0.01
    return low - padding if low else 0.0, high + padding
