"""Early stopping of hopeless trials: W&B's Hyperband rule, applied to the first seed of each trial.

One seed is enough to see that a trial is hopeless; the others are trained only for trials that pass. All trials begin
with the same seed, so they are compared on the same rows in the same order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal

from bertspec.config import HyperbandConfig, RunConfig
from bertspec.results import Point, RunObserver, Stop, TrialRecord
from bertspec.store import Store, StoredRun
from bertspec.tracking import SilentObserver, SilentTracker

__all__ = ["Hyperband", "OnProgress", "StoppingTracker", "first_points", "points_of"]

OnProgress = Callable[[Point], str | None]
"""Called after each evaluation of a trial's first seed; returns the reason to stop the trial, or ``None``."""


@dataclass(slots=True)
class Hyperband:
    """The Hyperband rule (Li et al., 2018) as W&B applies it, with the values seen at each bracket.

    A trial is judged against the trials of its own contender.
    """

    config: HyperbandConfig
    goal: Literal["maximize", "minimize"]
    seen: dict[tuple[str | None, int], dict[int, float]] = field(default_factory=dict)
    """(contender, bracket) → trial number → its value there; less is better."""
    curves: dict[int, list[float]] = field(default_factory=dict)
    """Trial number → its evaluations so far; less is better."""

    def replay(self, trial: TrialRecord, points: Iterable[Point]) -> None:
        """Add a trial of an earlier process, with the evaluations of its first seed."""
        for point in points:
            self.judge(trial.number, trial.contender, point)

    def begin(self, number: int) -> None:
        """A trial starts, perhaps for the second time."""
        self.curves.pop(number, None)

    def judge(self, number: int, contender: str | None, point: Point) -> str | None:
        """Add an evaluation of a trial; return the reason to stop it, or ``None``.

        At a bracket a trial is stopped if it is worse than the best 1/eta of those seen so far. As W&B counts, of n
        trials n/eta pass, rounded down, and one more; so the first one always does.
        """
        curve = self.curves.setdefault(number, [])
        curve.append(-point.value if self.goal == "maximize" else point.value)
        iteration = len(curve)
        if iteration not in self.config.brackets(iteration):
            return None
        value = curve[-1] if self.config.strict else min(curve)
        peers = self.seen.setdefault((contender, iteration), {})
        peers[number] = value
        bound = sorted(peers.values())[int(len(peers) / self.config.eta)]
        if value <= bound:
            return None
        sign = -1 if self.goal == "maximize" else 1
        return (
            f"stopped by hyperband after evaluation {iteration}, step {point.step}: {sign * value:.4g} is worse than "
            f"{sign * bound:.4g}, the bound of the best 1/{self.config.eta:g} of {len(peers)}"
        )


class StoppingTracker(SilentTracker):
    """Reports the evaluations of one run, and stops it where the answer says so."""

    def __init__(self, on_progress: OnProgress) -> None:
        self.observer = _StoppingObserver(on_progress)

    def observe(self, config: RunConfig, *, fingerprint: str) -> RunObserver:
        """The observer of the one run."""
        return self.observer


class _StoppingObserver(SilentObserver):
    def __init__(self, on_progress: OnProgress) -> None:
        self.on_progress, self.total_steps = on_progress, 0

    def started(self, total_steps: int) -> None:
        self.total_steps = total_steps

    def evaluated(self, step: int, score: float) -> Stop | None:
        reason = self.on_progress(Point(step=step, value=score))
        return Stop(reason) if reason is not None and step < self.total_steps else None  # at its end, it is kept


def points_of(run: StoredRun) -> list[Point]:
    """The evaluations of a run during training."""
    curve = run.result.curve
    return [Point(step=int(step), value=float(value)) for step, value in zip(curve.evaluated, curve.score, strict=True)]


def first_points(trial: TrialRecord, store: Store) -> list[Point]:
    """The evaluations of a trial's first seed; the mean over its seeds, where that run is no longer in the store."""
    run = store.get(trial.runs[0]) if trial.runs else None
    return list(trial.points) if run is None else points_of(run)
