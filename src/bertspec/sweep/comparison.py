"""The contenders of a sweep against each other: the best trial of each, run again on fresh seeds, and ranked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bertspec import statistics, study
from bertspec.config import SweepConfig
from bertspec.errors import InvalidConfig
from bertspec.results import ComparisonRecord, ContenderRecord, SweepRecord
from bertspec.statistics import BEST_LOOKS, Scores
from bertspec.study import Session, Study
from bertspec.sweep import budgets, confirming
from bertspec.sweep.confirming import Counted
from bertspec.sweep.contenders import Contender
from bertspec.sweep.ledger import Ledger
from bertspec.sweep.trial import LOSS, study_of

__all__ = ["NEAR", "Comparison", "begin", "compare"]

NEAR = 0.02
"""How far below a contender's best a score still counts as near it, where nobody says."""


def compare(
    config: SweepConfig,
    sweep: SweepRecord,
    session: Session,
    *,
    near: float = NEAR,
    processes: int | None = None,
    told: Counted | None = None,
) -> ComparisonRecord:
    """Confirm the best trial of each contender on fresh seeds, and rank them; the record of the sweep keeps it.

    Five seeds are run at first, and ten where contenders are still tied and the sweep has so many.

    Args:
        config: the sweep, which compares something.
        sweep: its trials, all of them made.
        session: where the confirmation is run; what the store has is not trained again.
        near: how far below its best a score counts as near it, for the sensitivity to the learning rate.
        processes: runs at a time; none takes as many as the cores allow, 1 runs them in this process.
        told: hears of the progress.

    Raises:
        InvalidConfig: the sweep compares nothing.
        BertspecError: a run failed; finished runs are kept.
    """
    made = begin(config, sweep, session, near=near, processes=processes, told=told)
    while made.more is not None and made.evidence().ties:
        made.extend(made.more)
    made.keep()
    return made.evidence()


def begin(
    config: SweepConfig,
    sweep: SweepRecord,
    session: Session,
    *,
    near: float = NEAR,
    processes: int | None = None,
    told: Counted | None = None,
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
    named = {str(name): [trial for trial in sweep.trials if trial.contender == str(name)] for name in config.contenders}
    contenders = {name: Contender.of(name, trials, sweep.goal, session) for name, trials in named.items()}
    for contender in contenders.values():
        if contender.best is not None:
            plan = study_of(
                contender.best.parameters, session, seeds=config.tuning.confirmation_seeds, tuning_share=None
            )
            contender.study = study.prepare(plan, session)
    made = Comparison(config, sweep, session, contenders, near, processes, told)
    made.extend(BEST_LOOKS[0])
    return made


@dataclass
class Comparison:
    """The contenders of one sweep, confirmed on as many fresh seeds as were needed so far."""

    config: SweepConfig
    sweep: SweepRecord
    session: Session
    contenders: Mapping[str, Contender]
    near: float
    processes: int | None = None
    told: Counted | None = None

    @property
    def metric(self) -> str:
        """What the trials were chosen by, and the contenders are ranked by."""
        return self.sweep.metric

    @property
    def title(self) -> str:
        """What the claims are about."""
        return f"sweep {self.sweep.name}"

    @property
    def seeds(self) -> int:
        """How many seeds each contender was confirmed on."""
        return min((len(contender.runs) for contender in self.contenders.values() if contender.study), default=0)

    @property
    def more(self) -> int | None:
        """How many seeds the next look needs; none where there is none."""
        return next((look for look in self._looks if look > self.seeds), None)

    def confirmed(self, name: str) -> Study | None:
        """The study that confirms the best trial of a contender; none where no trial finished."""
        return self.contenders[name].study

    def tuning(self, name: str) -> str:
        """What a contender was tuned on, in words."""
        trials = self.contenders[name].trials
        return f"{len(trials)} trials on {max((len(trial.seeds) for trial in trials), default=0)} seeds each"

    @cached_property
    def unfair(self) -> tuple[str, ...]:
        """Why the comparison is not fair; nothing may be claimed of it then."""
        return budgets.differences(
            {name: contender.trials for name, contender in self.contenders.items()}, planned=self.sweep.planned
        )

    def extend(self, count: int) -> None:
        """Confirm each contender on so many seeds, as far as the sweep allows.

        Raises:
            BertspecError: a run failed; finished runs are kept.
        """
        contenders, count = (
            [contender for contender in self.contenders.values() if contender.study is not None],
            min(count, self._most),
        )
        missing = {
            contender.name: contender.study.missing(count) for contender in contenders if contender.study is not None
        }
        told = confirming.ahead(contenders, count, self.session, processes=self.processes, told=self.told)
        for done, contender in enumerate(contenders, 1):
            assert contender.study is not None  # noqa: S101 - only those were listed
            contender.study.extend(count)  # another process may have trained what was missing: it counts as trained
            contender.study.trained |= {
                run.fingerprint for run in contender.runs if run.config.seed in missing[contender.name]
            }
            if self.told is not None and not told:
                self.told(count * done, count * len(contenders))

    def keep(self) -> None:
        """Write the comparison into the record of the sweep.

        Raises:
            StoreError: the record cannot be written.
        """
        ledger = Ledger(self.session.store, self.sweep.name, self.sweep.sha256)
        with ledger.held(wait=True):
            ledger.write(self.sweep.model_copy(update={"comparison": self.evidence()}))

    def evidence(self) -> ComparisonRecord:
        """The comparison as it stands, the best contender first and those that never finished last."""
        confirmed = [contender for contender in self.contenders.values() if contender.runs]
        order, ties = [contender.name for contender in confirmed], tuple[tuple[str, str], ...]()
        standings: dict[str, statistics.Standing] = {}
        if len(confirmed) > 1:
            level = 0.05 / max(1, len(self._looks))
            ranking = statistics.rank(self.scores(), rows=self.rows(), less_is_better=self.less_is_better, level=level)
            order, ties = [each.name for each in ranking.standings], ranking.ties
            standings = {each.name: each for each in ranking.standings}
        order += [name for name in self.contenders if name not in order]
        return ComparisonRecord(
            parameter=self.config.tuning.compare or "",
            contenders=tuple(self._contender(self.contenders[name], standings.get(name)) for name in order),
            ties=ties,
            unfair=self.unfair,
            tolerance=self.near,
        )

    @property
    def _looks(self) -> tuple[int, ...]:
        return tuple(look for look in BEST_LOOKS if look <= len(self.config.tuning.confirmation_seeds))

    @property
    def _most(self) -> int:
        return len(self.config.tuning.confirmation_seeds)

    @property
    def less_is_better(self) -> bool:
        """Which way the metric is better."""
        return self.sweep.goal == "minimize"

    def scores(self) -> list[Scores]:
        """The scores of those that were confirmed."""
        return [
            Scores(contender.name, contender.scores(self.metric))
            for contender in self.contenders.values()
            if contender.runs
        ]

    def rows(self) -> NDArray[np.float64]:
        """The covariance of their scores that comes from which rows were scored, shape (contenders, contenders)."""
        sides = [contender.runs for contender in self.contenders.values() if contender.runs]
        if self.metric != LOSS:
            return study.row_covariance(sides, self.metric)
        rows = np.stack([np.mean([run.result.outcomes.losses for run in side], axis=0) for side in sides])
        return np.asarray(np.atleast_2d(np.cov(rows, ddof=0)) / rows.shape[1])

    def _contender(self, contender: Contender, standing: statistics.Standing | None) -> ContenderRecord:
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
            collapsed=sum(study.collapses(contender.runs)),
            runs=tuple(run.fingerprint for run in contender.runs),
            steps_to=contender.steps_to(target, self.metric) if target is not None and contender.looked_at else (),
            sensitivity=statistics.sensitivity(
                contender.curve, tolerance=self.near, less_is_better=self.less_is_better
            ),
            curve=contender.finished,
        )
