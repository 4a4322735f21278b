"""The contenders of a sweep against each other: the best trial of each, run again on fresh seeds, and ranked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from bertspec import statistics, study
from bertspec.config import SweepConfig
from bertspec.errors import BertspecError, InvalidConfig
from bertspec.results import ComparisonRecord, ContenderRecord, SweepRecord, TrialRecord
from bertspec.statistics import BEST_LOOKS, Scores
from bertspec.store import StoredRun
from bertspec.store.sweeps import SweepFile
from bertspec.study import Session, Study
from bertspec.sweeps.trial import LOSS, score_of
from bertspec.sweeps.worker_pool import Job, WorkerPool, default_size

__all__ = ["NEAR", "Comparison", "Contender", "OnConfirmed", "begin", "budget_differences", "compare"]

NEAR = 0.02
"""How far below a contender's best a score still counts as near it, by default."""
_TOLERATED_TOKENS = 0.01
"""The share by which tuning tokens may differ: trials of equal steps read texts of different lengths."""
_FEWEST_JOBS = 5
"""For fewer runs it is not worth the seconds in which workers start."""

Goal = Literal["maximize", "minimize"]
OnConfirmed = Callable[[int, int], None]
"""Called with the number of confirmation runs that are done, and the number planned."""


def compare(
    config: SweepConfig,
    sweep: SweepRecord,
    session: Session,
    *,
    near: float = NEAR,
    processes: int | None = None,
    on_progress: OnConfirmed | None = None,
) -> ComparisonRecord:
    """Confirm the best trial of each contender on fresh seeds, rank the contenders, and write the sweep's record.

    Five seeds are run first, and ten where contenders are still tied and the sweep has as many.

    Args:
        config: a sweep that compares something.
        sweep: its trials, all of them done.
        session: where the confirmation is run; runs in the store are not trained again.
        near: how far below its best a score counts as near it, for the sensitivity to the learning rate.
        processes: runs at a time; ``None`` takes as many as the cores allow, 1 runs them in this process.
        on_progress: called after each run.

    Raises:
        InvalidConfig: the sweep compares nothing.
        BertspecError: a run failed; finished runs are kept.
    """
    comparison = begin(config, sweep, session, near=near, processes=processes, on_progress=on_progress)
    while comparison.more is not None and comparison.record().ties:
        comparison.extend(comparison.more)
    comparison.keep()
    return comparison.record()


def begin(
    config: SweepConfig,
    sweep: SweepRecord,
    session: Session,
    *,
    near: float = NEAR,
    processes: int | None = None,
    on_progress: OnConfirmed | None = None,
) -> Comparison:
    """The comparison at its first look; a claim that stays open adds seeds. Arguments are those of :func:`compare`.

    Raises:
        InvalidConfig: the sweep compares nothing.
        BertspecError: a run failed; finished runs are kept.
    """
    if config.tuning.compare is None:
        raise InvalidConfig(
            "the sweep compares nothing",
            given=", ".join(config.searched),
            allowed="an optimizer with several values, or compare: {value: PARAMETER}",
            where=f"sweep {sweep.name}",
        )
    trials = {
        str(name): [trial for trial in sweep.trials if trial.contender == str(name)] for name in config.contenders
    }
    contenders = {name: Contender.of(name, own, sweep.goal, session) for name, own in trials.items()}
    for contender in contenders.values():
        if contender.best is not None:
            seeds = config.tuning.confirmation_seeds
            plan = session.catalog.plan(**contender.best.parameters, seeds=seeds)
            contender.study = study.prepare(plan, session)
    comparison = Comparison(config, sweep, session, contenders, near, processes, on_progress)
    comparison.extend(BEST_LOOKS[0])
    return comparison


def budget_differences(trials: Mapping[str, Sequence[TrialRecord]], *, planned: int) -> tuple[str, ...]:
    """Why the budgets of these contenders are not equal, in words; empty where they are.

    Every trial counts. A trial that diverged, failed or was stopped early read fewer tokens than it was granted, which
    entitles its contender to no more: it counts as much as the average whole trial of that contender.

    Args:
        trials: contender → its trials.
        planned: the number of trials that the sweep is to have, over all contenders.
    """
    differences = []
    done = sum(map(len, trials.values()))
    if done < planned:
        differences.append(f"the sweep is not over: {done} of {planned} trials")
    differences += [
        f"{name}: each of its {len(own)} trials failed, was stopped or diverged on some seed"
        for name, own in trials.items()
        if not any(map(_is_whole, own))
    ]
    for (first, own), (second, other) in combinations(trials.items(), 2):
        if len(own) != len(other):
            differences.append(f"{first} had {len(own)} trials, {second} had {len(other)}")
        one, two = _granted_tokens(own), _granted_tokens(other)
        if one and two and abs(one - two) > _TOLERATED_TOKENS * max(one, two):
            differences.append(f"{first} was tuned on {one:,.0f} tokens, {second} on {two:,.0f}")
    return tuple(differences)


@dataclass(slots=True)
class Contender:
    """One contender: its trials, and the study that confirms the best of them."""

    name: str
    trials: tuple[TrialRecord, ...]
    rates: tuple[float | None, ...]
    """The learning rate of each trial; ``None`` where its parameters allow no study."""
    goal: Goal
    study: Study | None = None
    """The confirmation; ``None`` where no trial finished."""

    @classmethod
    def of(cls, name: str, trials: Sequence[TrialRecord], goal: Goal, session: Session) -> Self:
        """The contender that had these trials."""
        return cls(name, tuple(trials), tuple(_rate(trial, session) for trial in trials), goal)

    @property
    def best(self) -> TrialRecord | None:
        """The finished trial with the best mean; of equal ones, the earliest."""
        finished = [(trial, trial.score) for trial in self.trials if trial.state == "finished"]
        scored = [(-self._sign * score, trial.number, trial) for trial, score in finished if score is not None]
        return min(scored, key=lambda each: each[:2])[2] if scored else None

    @property
    def runs(self) -> tuple[StoredRun, ...]:
        """The runs of the confirmation, in the order of their seeds."""
        return tuple(self.study.runs) if self.study is not None else ()

    @property
    def curve(self) -> list[tuple[float, float | None]]:
        """Every trial as (learning rate, score); the score is ``None`` where it could not be trained.

        Stopped trials are left out, because their final score is unknown.
        """
        return [
            (rate, trial.score)
            for trial, rate in zip(self.trials, self.rates, strict=True)
            if rate is not None and trial.state != "stopped"
        ]

    @property
    def finished(self) -> tuple[tuple[float, float], ...]:
        """Its finished trials as (learning rate, score), by rising learning rate."""
        return tuple(
            sorted(
                (rate, trial.score)
                for trial, rate in zip(self.trials, self.rates, strict=True)
                if trial.state == "finished" and trial.score is not None and rate is not None
            )
        )

    @property
    def error(self) -> float:
        """The standard error of a trial's score, from the seeds of the better half of its trials.

        A prior stands in where no trial has several seeds.
        """
        several = [trial for trial in self.trials if trial.state == "finished" and len(trial.scores) > 1]
        if not several:
            return statistics.Spread.prior().std_upper
        several.sort(key=lambda trial: -self._sign * float(np.mean(trial.scores)))
        better = several[: (len(several) + 1) // 2]
        deviation = math.sqrt(float(np.mean([np.var(trial.scores, ddof=1) for trial in better])))
        return max(deviation, statistics.LEAST_SPREAD) / math.sqrt(len(better[0].scores))

    @property
    def evaluated(self) -> bool:
        """Whether the confirmation was evaluated during training."""
        return bool(self.runs) and all(len(run.result.curve.evaluated) for run in self.runs)

    def scores(self, metric: str) -> tuple[float, ...]:
        """The score of each seed of the confirmation."""
        return tuple(score_of(run, metric) for run in self.runs)

    def steps_to(self, target: float, metric: str) -> tuple[int | None, ...]:
        """The steps after which each seed of the confirmation was first at the target; ``None`` where it never was.

        Raises:
            InvalidConfig: the runs were not evaluated during training, or by another metric.
        """
        steps: list[int | None] = []
        for run in self.runs:
            curve, main = run.result.curve, run.config.task.metrics[0]
            if not len(curve.evaluated) or main != metric:
                raise InvalidConfig(
                    f"{metric} was not evaluated during training",
                    given=f"evaluate_every {run.config.recipe.evaluate_every}, main metric {main}",
                    allowed="evaluate_every among the sweep's parameters, and the task's main metric",
                    where=f"the confirmation of {self.name}",
                )
            reached = curve.evaluated[self._sign * curve.score >= self._sign * target]
            steps.append(int(reached[0]) if len(reached) else None)
        return tuple(steps)

    def jobs(self, count: int) -> Iterator[Job]:
        """The runs that are missing from the first ``count`` of the confirmation."""
        if self.study is not None and self.best is not None:
            metric = self.study.config.task.metrics[0]
            for seed in self.study.missing(count):
                yield Job(self.best.number, self.best.parameters, self.name, metric, confirms=seed)

    @property
    def _sign(self) -> float:
        return 1.0 if self.goal == "maximize" else -1.0


@dataclass
class Comparison:
    """The contenders of one sweep, confirmed on as many fresh seeds as were needed so far."""

    config: SweepConfig
    sweep: SweepRecord
    session: Session
    contenders: Mapping[str, Contender]
    near: float
    processes: int | None = None
    on_progress: OnConfirmed | None = None

    @property
    def metric(self) -> str:
        """The metric by which trials were chosen, and contenders are ranked."""
        return self.sweep.metric

    @property
    def less_is_better(self) -> bool:
        """Whether a lower metric is better."""
        return self.sweep.goal == "minimize"

    @property
    def title(self) -> str:
        """The subject of the claims."""
        return f"sweep {self.sweep.name}"

    @property
    def seeds(self) -> int:
        """The number of seeds on which every contender was confirmed."""
        return min((len(contender.runs) for contender in self.contenders.values() if contender.study), default=0)

    @property
    def more(self) -> int | None:
        """The number of seeds that the next look needs; ``None`` after the last look."""
        return next((look for look in self._looks if look > self.seeds), None)

    def confirmed(self, name: str) -> Study | None:
        """The study that confirms the best trial of a contender; ``None`` where no trial finished."""
        return self.contenders[name].study

    def tuning(self, name: str) -> str:
        """The tuning of a contender, in words."""
        trials = self.contenders[name].trials
        return f"{len(trials)} trials on {max((len(trial.seeds) for trial in trials), default=0)} seeds each"

    @cached_property
    def unfair(self) -> tuple[str, ...]:
        """Why the comparison is not fair; no claim about it may pass then."""
        trials = {name: contender.trials for name, contender in self.contenders.items()}
        return budget_differences(trials, planned=self.sweep.planned)

    def extend(self, count: int) -> None:
        """Confirm each contender on ``count`` seeds, or as many as the sweep has.

        Raises:
            BertspecError: a run failed; finished runs are kept.
        """
        studies = [contender.study for contender in self.contenders.values() if contender.study is not None]
        count = min(count, len(self.config.tuning.confirmation_seeds))
        missing = [each.missing(count) for each in studies]
        reported = self._train_in_workers(count)
        for done, (each, new) in enumerate(zip(studies, missing, strict=True), 1):
            each.extend(count)
            each.trained |= {run.fingerprint for run in each.runs if run.config.seed in new}  # in workers as well
            if self.on_progress is not None and not reported:
                self.on_progress(count * done, count * len(studies))

    def keep(self) -> None:
        """Write the comparison into the record of the sweep.

        Raises:
            StoreError: the record cannot be written.
        """
        file = SweepFile(self.session.store.root, self.sweep.name, self.sweep.sha256)
        with file.lock(wait=True):
            file.write(self.sweep.model_copy(update={"comparison": self.record()}))

    def record(self) -> ComparisonRecord:
        """The comparison so far: the best contender first, those without a finished trial last."""
        confirmed = [contender.name for contender in self.contenders.values() if contender.runs]
        order, ties = confirmed, tuple[tuple[str, str], ...]()
        standings: dict[str, statistics.Standing] = {}
        if len(confirmed) > 1:
            level = 0.05 / max(1, len(self._looks))
            ranking = statistics.rank(self.scores(), rows=self.rows(), less_is_better=self.less_is_better, level=level)
            order, ties = [each.name for each in ranking.standings], ranking.ties
            standings = {each.name: each for each in ranking.standings}
        order += [name for name in self.contenders if name not in order]
        return ComparisonRecord(
            parameter=self.config.tuning.compare or "",
            contenders=tuple(self._contender_record(self.contenders[name], standings.get(name)) for name in order),
            ties=ties,
            unfair=self.unfair,
            tolerance=self.near,
        )

    def scores(self) -> list[Scores]:
        """The scores of the contenders that were confirmed."""
        return [
            Scores(contender.name, contender.scores(self.metric))
            for contender in self.contenders.values()
            if contender.runs
        ]

    def rows(self) -> NDArray[np.float64]:
        """The part of their scores' covariance that comes from the choice of rows, shape (contenders, contenders)."""
        sides = [contender.runs for contender in self.contenders.values() if contender.runs]
        if self.metric != LOSS:
            outcomes = [[run.result.outcomes for run in side] for side in sides]
            return statistics.row_covariance(outcomes, self.metric)
        rows = np.stack([np.mean([run.result.outcomes.losses for run in side], axis=0) for side in sides])
        return np.asarray(np.atleast_2d(np.cov(rows, ddof=0)) / rows.shape[1])

    @property
    def _looks(self) -> tuple[int, ...]:
        return tuple(look for look in BEST_LOOKS if look <= len(self.config.tuning.confirmation_seeds))

    def _train_in_workers(self, count: int) -> bool:
        """Train the missing runs in several processes, and return whether it did; the store has them then.

        A run that fails, or whose worker dies, is left for this process, which raises its error.
        """
        contenders = [contender for contender in self.contenders.values() if contender.study is not None]
        jobs = [job for contender in contenders for job in contender.jobs(count)]
        total = count * len(contenders)
        allowed = min((default_size(each.study.device) for each in contenders if each.study is not None), default=1)
        size = min(self.processes or allowed, len(jobs))
        if size < 2 or len(jobs) < _FEWEST_JOBS:
            return False
        with WorkerPool(self.session, size) as pool:
            while jobs or pool.busy:
                while jobs and pool.busy < size:
                    pool.start(jobs.pop(0))
                for _ in pool.events():
                    if self.on_progress is not None:
                        self.on_progress(total - len(jobs) - pool.busy, total)
        return True

    def _contender_record(self, contender: Contender, standing: statistics.Standing | None) -> ContenderRecord:
        best, values, target = contender.best, contender.scores(self.metric), self.config.tuning.target
        return ContenderRecord(
            name=contender.name,
            trials=len(contender.trials),
            tokens=sum(trial.tokens for trial in contender.trials),
            best=best.number if best else None,
            parameters=best.parameters if best else {},
            tuned=best.score if best else None,
            seeds=tuple(run.config.seed for run in contender.runs),
            values=values,
            mean=float(np.mean(values)) if values else None,
            interval=standing.interval if standing else None,
            ranks=standing.ranks if standing else None,
            collapsed=sum(run.result.outcomes.collapsed for run in contender.runs),
            runs=tuple(run.fingerprint for run in contender.runs),
            steps_to=contender.steps_to(target, self.metric) if target is not None and contender.evaluated else (),
            sensitivity=statistics.sensitivity(
                contender.curve, tolerance=self.near, less_is_better=self.less_is_better
            ),
            curve=contender.finished,
        )


def _granted_tokens(trials: Sequence[TrialRecord]) -> float:
    whole = [trial.tokens for trial in trials if _is_whole(trial)]
    mean = sum(whole) / len(whole) if whole else 0.0
    return sum(whole) + sum(max(trial.tokens, mean) for trial in trials if not _is_whole(trial))


def _is_whole(trial: TrialRecord) -> bool:
    return trial.state == "finished" and trial.diverged == 0


def _rate(trial: TrialRecord, session: Session) -> float | None:
    try:
        return session.catalog.plan(**trial.parameters).recipe.optimizer.learning_rate
    except BertspecError:
        return None
