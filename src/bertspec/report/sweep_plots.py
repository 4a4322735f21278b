"""Where things stand in the plots of a sweep. The template draws them, so that all text in them is escaped."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bertspec.report.plots import HEIGHT, WIDTH
from bertspec.results import ContenderRecord, TrialRecord

__all__ = ["Chart", "Line", "Mark", "Rank", "best_so_far", "ranks", "scatter", "sensitivity"]

SERIES = 8
"""Colours; a ninth contender has the first again, with hollow marks and a broken line, a seventeenth a dotted one."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, WIDTH - 16.0, 12.0, HEIGHT - 32.0
_DECADE = 10.0
_RANK_LEFT, _RANK_RIGHT, _RANK_STEP = 12.0, WIDTH - 12.0, 34.0

Place = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Mark:
    """A trial where it is drawn."""

    x: float
    y: float
    series: int
    lost: bool
    """Whether it has no score, and lies at the bottom."""
    title: str
    """What is told of it where someone points at it."""


@dataclass(frozen=True, slots=True)
class Line:
    """The line of a contender."""

    series: int
    points: str
    """Of a polyline."""


@dataclass(frozen=True, slots=True)
class Chart:
    """Scores upwards, over something."""

    title: str
    marks: tuple[Mark, ...]
    lines: tuple[Line, ...]
    ticks: tuple[tuple[float, str], ...]
    """Along the horizontal axis."""
    least: str
    """The score at the lower end."""
    most: str


@dataclass(frozen=True, slots=True)
class Rank:
    """A contender in the picture of the ranking."""

    name: str
    y: float
    series: int
    mean: float
    interval: tuple[float, float] | None
    seeds: tuple[float, ...]


def scatter(name: str, trials: Sequence[TrialRecord], series: Mapping[str | None, int]) -> Chart | None:
    """The score of every trial against one of its parameters; none where they all have the same value of it.

    Args:
        name: the parameter.
        trials: the trials.
        series: the number of each contender.
    """
    had = [trial for trial in trials if name in trial.parameters]
    values = [trial.parameters[name] for trial in had]
    if len(set(map(str, values))) < 2 or all(trial.score is None for trial in had):
        return None
    numbers = [float(value) for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) == len(values):
        along, ticks = _axis(numbers)
        places = [along(number) for number in numbers]
    else:
        words = list(dict.fromkeys(map(str, values)))
        step = (_RIGHT - _LEFT) / len(words)
        places = [_LEFT + step * (words.index(str(value)) + 0.5) for value in values]
        ticks = tuple((_LEFT + step * (at + 0.5), word) for at, word in enumerate(words))
    up, least, most = _scores([trial.score for trial in had])
    marks = tuple(_mark(trial, x, up, series) for trial, x in zip(had, places, strict=True))
    return Chart(name, marks, (), ticks, least, most)


def best_so_far(trials: Sequence[TrialRecord], series: Mapping[str | None, int], *, lower: bool) -> Chart | None:
    """The best score of each contender after each of its trials; none where fewer than two have a score."""
    own = {name: [trial for trial in trials if trial.contender == name] for name in series}
    longest = max(map(len, own.values()), default=0)
    if longest < 2 or sum(trial.score is not None for trial in trials) < 2:
        return None
    up, least, most = _scores([trial.score for trial in trials])
    along = _linear(1, longest, _LEFT, _RIGHT)
    better = min if lower else max
    lines = []
    for name, each in own.items():
        best, points = None, []
        for turn, trial in enumerate(each, 1):
            if trial.score is not None and trial.state == "finished":
                best = trial.score if best is None else better(best, trial.score)
            if best is not None:
                points.append(f"{along(turn):.1f},{up(best):.1f}")
        lines.append(Line(series[name], " ".join(points)))
    return Chart("trials", (), tuple(lines), ((_LEFT, "1 trial"), (_RIGHT, f"{longest} trials")), least, most)


def sensitivity(contenders: Sequence[ContenderRecord], series: Mapping[str | None, int]) -> Chart | None:
    """The tuning score of each contender along its learning rates; none where nobody has two of them."""
    drawn = [contender for contender in contenders if len(contender.curve) > 1]
    rates = [rate for contender in drawn for rate, _ in contender.curve]
    if not drawn or min(rates) == max(rates):
        return None
    along, ticks = _axis(rates, logarithmic=True)
    up, least, most = _scores([score for contender in drawn for _, score in contender.curve])
    lines, marks = [], []
    for contender in drawn:
        number, points = series.get(contender.name, 0), [(along(rate), up(score)) for rate, score in contender.curve]
        lines.append(Line(number, " ".join(f"{x:.1f},{y:.1f}" for x, y in points)))
        marks += [
            Mark(x, y, number, lost=False, title=f"{contender.name}: {score:.4f} at {rate:.3g}")
            for (x, y), (rate, score) in zip(points, contender.curve, strict=True)
        ]
    return Chart("learning rate", tuple(marks), tuple(lines), ticks, least, most)


def ranks(
    contenders: Sequence[ContenderRecord], series: Mapping[str | None, int]
) -> tuple[tuple[Rank, ...], float, str, str]:
    """The means of the confirmation with their intervals and seeds, the height of the picture, and its two ends."""
    known = [contender for contender in contenders if contender.mean is not None]
    numbers = [value for contender in known for value in (*contender.values, *(contender.interval or ()))]
    if not numbers:
        return (), 0.0, "", ""
    low, high = _padded(min(numbers), max(numbers))
    along = _linear(low, high, _RANK_LEFT, _RANK_RIGHT)
    rows = tuple(
        Rank(
            each.name,
            _RANK_STEP * (row + 1),
            series.get(each.name, 0),
            along(each.mean if each.mean is not None else low),
            (along(each.interval[0]), along(each.interval[1])) if each.interval else None,
            tuple(along(value) for value in each.values),
        )
        for row, each in enumerate(known)
    )
    return rows, _RANK_STEP * len(known) + 30, f"{low:.3f}", f"{high:.3f}"


def _mark(trial: TrialRecord, x: float, up: Place, series: Mapping[str | None, int]) -> Mark:
    told = f"{trial.score:.4f}" if trial.score is not None else trial.reason or trial.state
    who = f"trial {trial.number}" + (f", {trial.contender}" if trial.contender else "")
    y = _BOTTOM if trial.score is None else up(trial.score)
    return Mark(x, y, series.get(trial.contender, 0), lost=trial.score is None, title=f"{who}: {told}")


def _scores(scores: Sequence[float | None]) -> tuple[Place, str, str]:
    known = [score for score in scores if score is not None and math.isfinite(score)]
    low, high = _padded(min(known), max(known))
    return _linear(low, high, _BOTTOM, _TOP), f"{low:.3f}", f"{high:.3f}"


def _axis(numbers: Sequence[float], *, logarithmic: bool = False) -> tuple[Place, tuple[tuple[float, str], ...]]:
    """A horizontal axis; its logarithm where the numbers span a decade or more."""
    low, high = min(numbers), max(numbers)
    if low > 0 and (logarithmic or high >= _DECADE * low):
        place = _linear(math.log10(low), math.log10(high), _LEFT, _RIGHT)
        decades = [10.0**power for power in range(math.ceil(math.log10(low)), math.floor(math.log10(high)) + 1)]
        shown = [low, *(each for each in decades if 1.5 * low < each < high / 1.5), high]
        return lambda number: place(math.log10(number)), tuple((place(math.log10(one)), f"{one:.3g}") for one in shown)
    place = _linear(low, high, _LEFT, _RIGHT)
    return place, ((_LEFT, f"{low:.3g}"), (_RIGHT, f"{high:.3g}"))


def _linear(low: float, high: float, first: float, last: float) -> Place:
    return lambda value: first + (value - low) / (high - low) * (last - first)


def _padded(low: float, high: float) -> tuple[float, float]:
    room = (high - low) * 0.08 or max(abs(high), 1.0) * 0.01
    return low - room, high + room
