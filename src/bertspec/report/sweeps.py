"""The sweeps that a store holds, as a page and a table show them."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from bertspec.report import sweep_plots
from bertspec.report.sweep_plots import Chart, Rank
from bertspec.results import ContenderRecord, SweepRecord

__all__ = ["SweepView", "ranks", "steps", "views"]

_FEW = 3
"""Names that are soon read."""


@dataclass(frozen=True, slots=True)
class SweepView:
    """One sweep."""

    sweep: SweepRecord
    names: tuple[str, ...]
    """The contenders, in the order of their colours; empty where nothing is compared."""
    scatters: tuple[Chart, ...]
    best: Chart | None
    sensitivity: Chart | None
    ranks: tuple[Rank, ...]
    height: float
    """Of the picture of the ranking."""
    least: str
    """The score at its left end."""
    most: str
    parameters: tuple[str, ...]
    """What the trials differ in."""

    @property
    def seconds(self) -> float:
        """Of training, over all trials."""
        return sum(trial.seconds for trial in self.sweep.trials)

    @property
    def lost(self) -> int:
        """Trials that failed or were stopped."""
        return sum(trial.state != "finished" for trial in self.sweep.trials)

    def tied(self, name: str) -> str:
        """Those that a contender is tied with; where they are most of the others, those that it is not tied with."""
        compared = self.sweep.comparison
        if compared is None:
            return ""
        with_it = {other for pair in compared.ties if name in pair for other in pair} - {name}
        others = [each.name for each in compared.contenders if each.name != name]
        apart = [other for other in others if other not in with_it]
        if len(with_it) <= max(_FEW, len(apart)):
            return ", ".join(other for other in others if other in with_it)
        return f"all but {', '.join(apart)}" if apart else "all"


def views(sweeps: tuple[SweepRecord, ...]) -> tuple[SweepView, ...]:
    """Every sweep that has a trial."""
    return tuple(_view(sweep) for sweep in sweeps if sweep.trials)


def ranks(contender: ContenderRecord) -> str:
    """``1``, ``1–3``, or nothing where it has no place."""
    if contender.ranks is None:
        return ""
    best, worst = contender.ranks
    return f"{best}" if best == worst else f"{best}–{worst}"


def steps(contender: ContenderRecord) -> str:
    """The median steps to the target, and how many seeds never reached it; nothing where there is no target."""
    if not contender.steps_to:
        return ""
    reached = [step for step in contender.steps_to if step is not None]
    never = len(contender.steps_to) - len(reached)
    if 2 * never >= len(contender.steps_to):
        return f"never on {never} of {len(contender.steps_to)} seeds"
    middle = median(step if step is not None else float("inf") for step in contender.steps_to)
    return f"{middle:g}" + (f", never on {never}" if never else "")


def _view(sweep: SweepRecord) -> SweepView:
    trials, compared = sweep.trials, sweep.comparison
    names = tuple(dict.fromkeys(trial.contender for trial in trials if trial.contender is not None))
    series: dict[str | None, int] = {name: number for number, name in enumerate(names)} or {None: 0}
    swept = tuple(dict.fromkeys(name for trial in trials for name in trial.parameters))
    differing = tuple(name for name in swept if len({str(trial.parameters.get(name)) for trial in trials}) > 1)
    swept_over = compared.parameter if compared else None
    drawn = (sweep_plots.scatter(name, trials, series) for name in differing if name != swept_over)
    contenders = compared.contenders if compared else ()
    rows, height, least, most = sweep_plots.ranks(contenders, series)
    return SweepView(
        sweep=sweep,
        names=names,
        scatters=tuple(chart for chart in drawn if chart is not None),
        best=sweep_plots.best_so_far(trials, series, lower=sweep.goal == "minimize"),
        sensitivity=sweep_plots.sensitivity(contenders, series),
        ranks=rows,
        height=height,
        least=least,
        most=most,
        parameters=differing,
    )
