"""The contenders of a sweep against each other: the best trial of each, run again on fresh seeds, and ranked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bertspec import study, verdict
from bertspec.errors import InvalidSpec
from bertspec.evidence.sweeps import ComparisonEvidence, ContenderEvidence, SweepEvidence
from bertspec.spec import SweepSpec
from bertspec.study import Study, Workbench
from bertspec.sweep import budgets, confirming
from bertspec.sweep.confirming import Counted
from bertspec.sweep.ledger import Ledger
from bertspec.sweep.rivals import Rival
from bertspec.sweep.trial import LOSS, losses, study_of
from bertspec.verdict import BEST_LOOKS, Contender

__all__ = ["NEAR", "Comparison", "begin", "compare"]

NEAR = 0.02
"""How far below a contender's best a score still counts as near it, where nobody says."""


def compare(
    spec: SweepSpec,
    sweep: SweepEvidence,
    bench: Workbench,
    *,
    near: float = NEAR,
    processes: int | None = None,
    told: Counted | None = None,
) -> ComparisonEvidence:
    """Confirm the best trial of each contender on fresh seeds, and rank them; the record of the sweep keeps it.

    Five seeds are run at first, and ten where contenders are still tied and the sweep has so many.

    Args:
        spec: the sweep, which compares something.
        sweep: its trials, all of them made.
        bench: where the confirmation is run; what the store has is not trained again.
        near: how far below its best a score counts as near it, for the sensitivity to the learning rate.
        processes: runs at a time; none takes as many as the cores allow, 1 runs them in this process.
        told: hears of the progress.

    Raises:
        InvalidSpec: the sweep compares nothing.
        BertspecError: a run failed; finished runs are kept.
    """
    made = begin(spec, sweep, bench, near=near, processes=processes, told=told)
    while made.more is not None and made.evidence().ties:
        made.extend(made.more)
    made.keep()
    return made.evidence()


def begin(
    spec: SweepSpec,
    sweep: SweepEvidence,
    bench: Workbench,
    *,
    near: float = NEAR,
    processes: int | None = None,
    told: Counted | None = None,
) -> Comparison:
    """The comparison at its first look; a claim that stays open adds seeds. Arguments are those of :func:`compare`.

    Raises:
        InvalidSpec: the sweep compares nothing.
        BertspecError: a run failed; finished runs are kept.
    """
    if spec.tuning.compare is None:
        raise InvalidSpec(
            "the sweep compares nothing",
            given=", ".join(spec.searched),
            allowed="an optimizer with several values, or compare: {value: PARAMETER}",
            where=f"sweep {sweep.name}",
        )
    named = {str(name): [trial for trial in sweep.trials if trial.contender == str(name)] for name in spec.contenders}
    rivals = {name: Rival.of(name, trials, sweep.goal, bench) for name, trials in named.items()}
    for rival in rivals.values():
        if rival.best is not None:
            plan = study_of(rival.best.parameters, bench, seeds=spec.tuning.confirmation_seeds, tuning_share=None)
            rival.study = study.prepare(plan, bench)
    made = Comparison(spec, sweep, bench, rivals, near, processes, told)
    made.extend(BEST_LOOKS[0])
    return made


@dataclass
class Comparison:
    """The contenders of one sweep, confirmed on as many fresh seeds as were needed so far."""

    spec: SweepSpec
    sweep: SweepEvidence
    bench: Workbench
    rivals: Mapping[str, Rival]
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
        return min((len(rival.runs) for rival in self.rivals.values() if rival.study), default=0)

    @property
    def more(self) -> int | None:
        """How many seeds the next look needs; none where there is none."""
        return next((look for look in self._looks if look > self.seeds), None)

    def confirmed(self, name: str) -> Study | None:
        """The study that confirms the best trial of a contender; none where no trial finished."""
        return self.rivals[name].study

    def tuning(self, name: str) -> str:
        """What a contender was tuned on, in words."""
        trials = self.rivals[name].trials
        return f"{len(trials)} trials on {max((len(trial.seeds) for trial in trials), default=0)} seeds each"

    @cached_property
    def unfair(self) -> tuple[str, ...]:
        """Why the comparison is not fair; nothing may be claimed of it then."""
        return budgets.differences(
            {name: rival.trials for name, rival in self.rivals.items()}, planned=self.sweep.planned
        )

    def extend(self, count: int) -> None:
        """Confirm each contender on so many seeds, as far as the sweep allows.

        Raises:
            BertspecError: a run failed; finished runs are kept.
        """
        rivals, count = [rival for rival in self.rivals.values() if rival.study is not None], min(count, self._most)
        missing = {rival.name: len(rival.study.missing(count)) for rival in rivals if rival.study is not None}
        told = confirming.ahead(rivals, count, self.bench, processes=self.processes, told=self.told)
        for done, rival in enumerate(rivals, 1):
            assert rival.study is not None  # noqa: S101 - only those were listed
            trained = rival.study.trained + missing[rival.name]
            rival.study.extend(count)
            rival.study.trained = trained  # in other processes, too, whose runs are in the store by now
            if self.told is not None and not told:
                self.told(count * done, count * len(rivals))

    def keep(self) -> None:
        """Write the comparison into the record of the sweep.

        Raises:
            StoreError: the record cannot be written.
        """
        ledger = Ledger(self.bench.store, self.sweep.name, self.sweep.sha256)
        with ledger.held(wait=True):
            ledger.write(self.sweep.model_copy(update={"comparison": self.evidence()}))

    def evidence(self) -> ComparisonEvidence:
        """The comparison as it stands, the best contender first and those that never finished last."""
        confirmed = [rival for rival in self.rivals.values() if rival.runs]
        order, ties = [rival.name for rival in confirmed], tuple[tuple[str, str], ...]()
        standings: dict[str, verdict.Standing] = {}
        if len(confirmed) > 1:
            level = 0.05 / max(1, len(self._looks))
            ranking = verdict.rank(self.contenders(), rows=self.rows(), less_is_better=self.less_is_better, level=level)
            order, ties = [each.name for each in ranking.standings], ranking.ties
            standings = {each.name: each for each in ranking.standings}
        order += [name for name in self.rivals if name not in order]
        return ComparisonEvidence(
            parameter=self.spec.tuning.compare or "",
            contenders=tuple(self._contender(self.rivals[name], standings.get(name)) for name in order),
            ties=ties,
            unfair=self.unfair,
            tolerance=self.near,
        )

    @property
    def _looks(self) -> tuple[int, ...]:
        return tuple(look for look in BEST_LOOKS if look <= len(self.spec.tuning.confirmation_seeds))

    @property
    def _most(self) -> int:
        return len(self.spec.tuning.confirmation_seeds)

    @property
    def less_is_better(self) -> bool:
        """Which way the metric is better."""
        return self.sweep.goal == "minimize"

    def contenders(self) -> list[Contender]:
        """The scores of those that were confirmed."""
        return [Contender(rival.name, rival.scores(self.metric)) for rival in self.rivals.values() if rival.runs]

    def rows(self) -> NDArray[np.float64]:
        """The covariance of their scores that comes from which rows were scored, shape (contenders, contenders)."""
        sides = [rival.runs for rival in self.rivals.values() if rival.runs]
        if self.metric != LOSS:
            return study.row_covariance(sides, self.metric)
        rows = np.stack([np.mean([losses(run) for run in side], axis=0) for side in sides])
        return np.asarray(np.atleast_2d(np.cov(rows, ddof=0)) / rows.shape[1])

    def _contender(self, rival: Rival, standing: verdict.Standing | None) -> ContenderEvidence:
        best, values, target = rival.best, rival.scores(self.metric), self.spec.tuning.target
        classes = rival.study is not None and rival.study.spec.task.head == "classification"
        return ContenderEvidence(
            name=rival.name,
            trials=len(rival.trials),
            tokens=sum(trial.tokens for trial in rival.trials),
            best=best.number if best else None,
            parameters=best.parameters if best else {},
            tuned=best.score if best else None,
            seeds=tuple(run.spec.seed for run in rival.runs),
            values=values,
            mean=float(np.mean(values)) if values else None,
            interval=standing.interval if standing else None,
            places=standing.places if standing else None,
            collapsed=sum(study.collapses(rival.runs)) if classes else 0,
            runs=tuple(run.fingerprint for run in rival.runs),
            steps_to=rival.steps_to(target, self.metric) if target is not None and rival.looked_at else (),
            sensitivity=verdict.sensitivity(rival.curve, tolerance=self.near, less_is_better=self.less_is_better),
            curve=rival.finished,
        )
