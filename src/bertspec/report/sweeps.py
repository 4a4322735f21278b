"""The sweeps that a store holds, as the page and the tables show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from bertspec.report.plots import (
    BOTTOM,
    LEFT,
    RIGHT,
    Chart,
    Estimate,
    Line,
    Mark,
    RowPlot,
    Scale,
    horizontal_axis,
    linear,
    row_plot,
    score_axis,
)
from bertspec.results import ContenderRecord, SweepRecord, TrialRecord

__all__ = ["SweepView", "best_so_far", "ranks", "scatter", "sensitivity", "steps", "views"]

_FEW_NAMES = 3

Series = Mapping[str | None, int]
"""The number of each contender: its colour."""


@dataclass(frozen=True, slots=True)
class SweepView:
    """One sweep."""

    sweep: SweepRecord
    names: tuple[str, ...]
    """The contenders, in the order of their colours; empty where nothing is compared."""
    scatters: tuple[Chart, ...]
    best: Chart | None
    sensitivity: Chart | None
    ranking: RowPlot | None
    parameters: tuple[str, ...]
    """The parameters in which the trials differ."""

    @property
    def seconds(self) -> float:
        """Seconds of training, over all trials."""
        return sum(trial.seconds for trial in self.sweep.trials)

    @property
    def lost(self) -> int:
        """Trials that failed or were stopped."""
        return sum(trial.state != "finished" for trial in self.sweep.trials)

    def tied(self, name: str) -> str:
        """The contenders that one is tied with, or, if those are most of them, the ones that it is not tied with."""
        compared = self.sweep.comparison
        if compared is None:
            return ""
        tied = {other for pair in compared.ties if name in pair for other in pair} - {name}
        others = [each.name for each in compared.contenders if each.name != name]
        apart = [other for other in others if other not in tied]
        if len(tied) <= max(_FEW_NAMES, len(apart)):
            return ", ".join(other for other in others if other in tied)
        return f"all but {', '.join(apart)}" if apart else "all"


def views(sweeps: tuple[SweepRecord, ...]) -> tuple[SweepView, ...]:
    """Every sweep that has a trial."""
    return tuple(_view(sweep) for sweep in sweeps if sweep.trials)


def ranks(contender: ContenderRecord) -> str:
    """``1``, ``1–3``, or nothing for a contender without a rank."""
    if contender.ranks is None:
        return ""
    best, worst = contender.ranks
    return f"{best}" if best == worst else f"{best}–{worst}"


def steps(contender: ContenderRecord) -> str:
    """The median steps to the target, and the number of seeds that never reached it; nothing without a target."""
    if not contender.steps_to:
        return ""
    reached = [step for step in contender.steps_to if step is not None]
    never = len(contender.steps_to) - len(reached)
    if 2 * never >= len(contender.steps_to):
        return f"never on {never} of {len(contender.steps_to)} seeds"
    middle = median(step if step is not None else float("inf") for step in contender.steps_to)
    return f"{middle:g}" + (f", never on {never}" if never else "")


def scatter(name: str, trials: Sequence[TrialRecord], series: Series) -> Chart | None:
    """The score of every trial against one of its parameters; ``None`` where the parameter has one value only."""
    with_it = [trial for trial in trials if name in trial.parameters]
    values = [trial.parameters[name] for trial in with_it]
    if len(set(map(str, values))) < 2 or all(trial.score is None for trial in with_it):
        return None
    numbers = [float(value) for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) == len(values):
        x, ticks = horizontal_axis(numbers)
        columns = [x(number) for number in numbers]
    else:
        words = list(dict.fromkeys(map(str, values)))
        step = (RIGHT - LEFT) / len(words)
        columns = [LEFT + step * (words.index(str(value)) + 0.5) for value in values]
        ticks = tuple((LEFT + step * (position + 0.5), word) for position, word in enumerate(words))
    y, least, most = score_axis([trial.score for trial in with_it])
    marks = tuple(_mark(trial, column, y, series) for trial, column in zip(with_it, columns, strict=True))
    return Chart(name, marks, (), ticks, least, most)


def best_so_far(trials: Sequence[TrialRecord], series: Series, *, lower: bool) -> Chart | None:
    """The best score of each contender after each of its trials; ``None`` with fewer than two scores.

    Args:
        trials: all trials, in their order.
        series: the number of each contender.
        lower: whether lower scores are better.
    """
    own = {name: [trial for trial in trials if trial.contender == name] for name in series}
    longest = max(map(len, own.values()), default=0)
    if longest < 2 or sum(trial.score is not None for trial in trials) < 2:
        return None
    y, least, most = score_axis([trial.score for trial in trials])
    x, ticks = linear(1, longest, LEFT, RIGHT), ((LEFT, "1 trial"), (RIGHT, f"{longest} trials"))
    better = min if lower else max
    lines = []
    for name, each in own.items():
        best, points = None, []
        for turn, trial in enumerate(each, 1):
            if trial.score is not None and trial.state == "finished":
                best = trial.score if best is None else better(best, trial.score)
            if best is not None:
                points.append(f"{x(turn):.1f},{y(best):.1f}")
        lines.append(Line(series[name], " ".join(points)))
    return Chart("trials", (), tuple(lines), ticks, least, most)


def sensitivity(contenders: Sequence[ContenderRecord], series: Series) -> Chart | None:
    """The tuning score of each contender along its learning rates; ``None`` where no contender has two of them."""
    drawn = [contender for contender in contenders if len(contender.curve) > 1]
    rates = [rate for contender in drawn for rate, _ in contender.curve]
    if not drawn or min(rates) == max(rates):
        return None
    x, ticks = horizontal_axis(rates, logarithmic=True)
    y, least, most = score_axis([score for contender in drawn for _, score in contender.curve])
    lines, marks = [], []
    for contender in drawn:
        number, points = series.get(contender.name, 0), [(x(rate), y(score)) for rate, score in contender.curve]
        lines.append(Line(number, " ".join(f"{across:.1f},{up:.1f}" for across, up in points)))
        marks += [
            Mark(across, up, number, lost=False, title=f"{contender.name}: {score:.4f} at {rate:.3g}")
            for (across, up), (rate, score) in zip(points, contender.curve, strict=True)
        ]
    return Chart("learning rate", tuple(marks), tuple(lines), ticks, least, most)


def _view(sweep: SweepRecord) -> SweepView:
    trials, compared = sweep.trials, sweep.comparison
    names = tuple(dict.fromkeys(trial.contender for trial in trials if trial.contender is not None))
    series: dict[str | None, int] = {name: number for number, name in enumerate(names)} or {None: 0}
    swept = tuple(dict.fromkeys(name for trial in trials for name in trial.parameters))
    differing = tuple(name for name in swept if len({str(trial.parameters.get(name)) for trial in trials}) > 1)
    compared_parameter = compared.parameter if compared else None
    drawn = (scatter(name, trials, series) for name in differing if name != compared_parameter)
    contenders = compared.contenders if compared else ()
    return SweepView(
        sweep=sweep,
        names=names,
        scatters=tuple(chart for chart in drawn if chart is not None),
        best=best_so_far(trials, series, lower=sweep.goal == "minimize"),
        sensitivity=sensitivity(contenders, series),
        ranking=row_plot(
            [
                Estimate(each.name, each.mean, each.interval, each.values, series.get(each.name, 0))
                for each in contenders
                if each.mean is not None
            ]
        ),
        parameters=differing,
    )


def _mark(trial: TrialRecord, x: float, y: Scale, series: Series) -> Mark:
    result = f"{trial.score:.4f}" if trial.score is not None else trial.reason or trial.state
    subject = f"trial {trial.number}" + (f", {trial.contender}" if trial.contender else "")
    height = BOTTOM if trial.score is None else y(trial.score)
    return Mark(x, height, series.get(trial.contender, 0), lost=trial.score is None, title=f"{subject}: {result}")
