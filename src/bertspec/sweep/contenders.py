"""One contender of a sweep: its trials, the best of them, and the study that confirms that one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np

from bertspec import statistics
from bertspec.errors import BertspecError, InvalidConfig
from bertspec.results import TrialRecord
from bertspec.store import StoredRun
from bertspec.study import Session, Study
from bertspec.sweep.trial import score_of, study_of

__all__ = ["Contender"]


@dataclass(slots=True)
class Contender:
    """A contender."""

    name: str
    trials: tuple[TrialRecord, ...]
    rates: tuple[float | None, ...]
    """The learning rate of each trial; none of one that nothing could be planned of."""
    goal: Literal["maximize", "minimize"]
    study: Study | None = None
    """The confirmation; none where no trial finished."""

    @classmethod
    def of(
        cls, name: str, trials: Sequence[TrialRecord], goal: Literal["maximize", "minimize"], session: Session
    ) -> Self:
        """The contender that had these trials."""
        return cls(name, tuple(trials), tuple(_rate(trial, session) for trial in trials), goal)

    @property
    def best(self) -> TrialRecord | None:
        """The finished trial of the best mean; of equal ones, the earliest."""
        scored = [(-self._sign * trial.score, trial.number, trial) for trial in self.trials if trial.score is not None]
        whole = [each for each in scored if each[2].state == "finished"]
        return min(whole, key=lambda each: each[:2])[2] if whole else None

    @property
    def runs(self) -> tuple[StoredRun, ...]:
        """The confirmation, seed by seed."""
        return tuple(self.study.runs) if self.study is not None else ()

    @property
    def curve(self) -> list[tuple[float, float | None]]:
        """Every trial as its learning rate and its score; none where it could not be trained.

        What was stopped early is left out: nobody knows what it would have reached.
        """
        return [
            (rate, trial.score)
            for trial, rate in zip(self.trials, self.rates, strict=True)
            if rate is not None and trial.state != "stopped"
        ]

    @property
    def finished(self) -> tuple[tuple[float, float], ...]:
        """Its finished trials as (learning rate, score), rising."""
        return tuple(
            sorted(
                (rate, trial.score)
                for trial, rate in zip(self.trials, self.rates, strict=True)
                if trial.state == "finished" and trial.score is not None and rate is not None
            )
        )

    @property
    def error(self) -> float:
        """The standard error of a trial's score, by the seeds of the better half; a prior where each has one seed."""
        several = [trial for trial in self.trials if trial.state == "finished" and len(trial.scores) > 1]
        if not several:
            return statistics.Spread.prior().std_upper
        several.sort(key=lambda trial: -self._sign * float(np.mean(trial.scores)))
        better = several[: (len(several) + 1) // 2]
        deviation = math.sqrt(float(np.mean([np.var(trial.scores, ddof=1) for trial in better])))
        return max(deviation, statistics.LEAST_SPREAD) / math.sqrt(len(better[0].scores))

    @property
    def looked_at(self) -> bool:
        """Whether the confirmation was evaluated on the way."""
        return bool(self.runs) and all(len(run.result.curve.evaluated) for run in self.runs)

    def scores(self, metric: str) -> tuple[float, ...]:
        """What each seed of the confirmation reached."""
        return tuple(score_of(run, metric) for run in self.runs)

    def steps_to(self, target: float, metric: str) -> tuple[int | None, ...]:
        """The steps until each seed of the confirmation reached a score, as it was looked at; none where it never did.

        Raises:
            InvalidConfig: nobody looked on the way, or at another metric.
        """
        found: list[int | None] = []
        for run in self.runs:
            curve, main = run.result.curve, run.config.task.metrics[0]
            if not len(curve.evaluated) or main != metric:
                raise InvalidConfig(
                    f"nobody looked at {metric} on the way",
                    given=f"evaluate_every {run.config.recipe.evaluate_every}, main metric {main}",
                    allowed="evaluate_every among the sweep's parameters, and the task's main metric",
                    where=f"the confirmation of {self.name}",
                )
            reached = curve.evaluated[self._sign * curve.score >= self._sign * target]
            found.append(int(reached[0]) if len(reached) else None)
        return tuple(found)

    @property
    def _sign(self) -> float:
        return 1.0 if self.goal == "maximize" else -1.0


def _rate(trial: TrialRecord, session: Session) -> float | None:
    try:
        return study_of(trial.parameters, session, seeds=(0,), tuning_share=None).recipe.optimizer.learning_rate
    except BertspecError:
        return None
