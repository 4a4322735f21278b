"""Which trial comes next: the whole grid, draws at random, or what the finished trials suggest.

Where something is compared, its contenders take turns: trial i belongs to contender i modulo their number, and the
j-th trial of each is drawn alike. So budgets are equal, and at random the contenders differ in nothing but themselves.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bertspec.config import SweepConfig
from bertspec.results import TrialRecord
from bertspec.sweep import distributions

__all__ = ["Proposal", "Search"]


@dataclass(frozen=True, slots=True)
class Proposal:
    """A trial that is to be run."""

    number: int
    parameters: Mapping[str, Any]
    """By the joined names of nested parameters; the sweep's own are not among them."""
    contender: str | None


@dataclass(frozen=True, slots=True)
class Search:
    """The trials of a sweep, by their numbers."""

    config: SweepConfig
    seed: int = 0
    """The seed of the search, not of the training."""

    def proposal(self, number: int, done: Sequence[TrialRecord] = ()) -> Proposal:
        """The trial of that number, from 0.

        The same number gives the same trial; by method ``bayes``, with the same finished trials.

        Args:
            number: below the number of trials planned.
            done: the trials that are over, in any order; only ``bayes`` looks at them.

        Raises:
            InvalidConfig: bayes needs a library that is not installed.
        """
        compared, contenders = self.config.tuning.compare, self.config.contenders
        parameters = dict(self._drawn(number, done))
        if compared is not None:
            parameters[compared] = contenders[number % len(contenders)]
        ordered = {name: parameters[name] for name in self.config.searched}
        return Proposal(number, ordered, None if compared is None else str(parameters[compared]))

    def _drawn(self, number: int, done: Sequence[TrialRecord]) -> Mapping[str, Any]:
        """All parameters but the one that is compared, which takes its turn."""
        compared, contenders = self.config.tuning.compare, self.config.contenders
        turn = number // max(1, len(contenders))
        free = {name: parameter for name, parameter in self.config.searched.items() if name != compared}
        if self.config.method == "grid":
            grid = itertools.product(*(parameter.choices or () for parameter in free.values()))
            return dict(zip(free, next(itertools.islice(grid, turn, None)), strict=True))
        if self.config.method == "random":
            return {
                name: distributions.quantile(parameter, self._share(name, turn)) for name, parameter in free.items()
            }
        from bertspec.sweep import bayes

        contender = contenders[number % len(contenders)] if contenders else None
        own = [trial for trial in done if compared is None or trial.parameters.get(compared) == contender]
        assert self.config.metric is not None  # noqa: S101 - the reader fills it in
        return bayes.suggested(free, own, goal=self.config.metric.goal, seed=f"{self.seed} {turn}")

    def _share(self, name: str, turn: int) -> float:
        """A number from 0 to 1, of its own for each parameter: another one more changes none of the others."""
        return random.Random(f"{self.seed} {turn} {name}").random()  # noqa: S311 - reproducible, not secret
