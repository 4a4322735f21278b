"""Early stopping by W&B's Hyperband rule (Li et al., 2018): brackets, and who may pass them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from bertspec.config import HyperbandConfig
from bertspec.results import Point, TrialRecord

__all__ = ["Hyperband"]


@dataclass(slots=True)
class Hyperband:
    """What each bracket has seen. The contenders of a trial are those of its own contender."""

    config: HyperbandConfig
    goal: Literal["maximize", "minimize"]
    seen: dict[tuple[str | None, int], dict[int, float]] = field(default_factory=dict)
    """(contender, bracket) → trial number → what it had reached there; less is better."""
    curves: dict[int, list[float]] = field(default_factory=dict)
    """Trial number → its evaluations so far; less is better."""

    def remember(self, trial: TrialRecord, points: Iterable[Point]) -> None:
        """Take up a trial of an earlier process, with what its first seed had reached."""
        for point in points:
            self.judge(trial.number, trial.contender, point)

    def begin(self, number: int) -> None:
        """A trial starts, perhaps for the second time."""
        self.curves.pop(number, None)

    def judge(self, number: int, contender: str | None, point: Point) -> str | None:
        """Take down one more evaluation of a trial; why it is to be stopped, or none.

        At a bracket it is stopped if it is worse than the best 1/eta of those that have come so far. As W&B counts, of
        n trials n/eta pass, rounded down, and one more; so the first one always does.
        """
        curve = self.curves.setdefault(number, [])
        curve.append(-point.value if self.goal == "maximize" else point.value)
        iteration = len(curve)
        if iteration not in self.config.brackets(iteration):
            return None
        reached = curve[-1] if self.config.strict else min(curve)
        contenders = self.seen.setdefault((contender, iteration), {})
        contenders[number] = reached
        bound = sorted(contenders.values())[int(len(contenders) / self.config.eta)]
        if reached <= bound:
            return None
        value, least = (-reached, -bound) if self.goal == "maximize" else (reached, bound)
        return (
            f"stopped by hyperband after evaluation {iteration}, step {point.step}: {value:.4g} is beyond {least:.4g}, "
            f"the best 1/{self.config.eta:g} of {len(contenders)}"
        )
