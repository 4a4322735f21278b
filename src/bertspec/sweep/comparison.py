"""The contenders of a sweep against each other: the best trial of each, run again on fresh seeds, and ranked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from bertspec import metrics, study, verdict
from bertspec.errors import InvalidSpec, UnknownName
from bertspec.evidence.sweeps import ComparisonEvidence, ContenderEvidence, SweepEvidence
from bertspec.spec import SweepSpec
from bertspec.study import Study, Workbench
from bertspec.sweep import budgets, confirming
from bertspec.sweep.confirming import Counted
from bertspec.sweep.ledger import Ledger
from bertspec.sweep.rivals import Rival
from bertspec.sweep.trial import LOSS, losses, study_of
from bertspec.verdict import BEST_LOOKS, BEST_TOLERANCE, Claim, Contender, Verdict

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
        return self._named(name).study

    def tuning(self, name: str) -> str:
        """What a contender was tuned on, in words."""
        trials = self._named(name).trials
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
        told = confirming.ahead(rivals, count, self.bench, processes=self.processes, told=self.told)
        for done, rival in enumerate(rivals, 1):
            assert rival.study is not None  # noqa: S101 - only those were listed
            rival.study.extend(count)
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
            ranking = verdict.rank(
                self._contenders(), rows=self._rows(), less_is_better=self._less_is_better, level=level
            )
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

    def judge_best(self, name: str, tolerance: float = BEST_TOLERANCE) -> Verdict:
        """The verdict on the claim that no other contender is ahead by more than the tolerance; see ``verdict``.

        Seeds are added while it is open. The contender also fails by a collapse, a leak or an overlap of its own.

        Raises:
            UnknownName: no contender is called so.
            BertspecError: a run failed; finished runs are kept.
        """
        self._named(name)
        words = f'"{name}" is within {tolerance:g} of the best in {self.metric}'
        refused = self._refused(Claim(f"lead of another in {self.metric}", "at most", tolerance, words=words), "best")
        if refused is not None:
            return refused
        found = self._look_at_best(name, tolerance)
        while found.more is not None:
            self.extend(found.more)
            found = self._look_at_best(name, tolerance)
        self.keep()
        known = self.metric if self.metric in metrics.METRICS else None
        made = self.rivals[name].study
        if made is None or found.outcome == "FAIL" or found.interval is None:
            return found
        return study.guarded(found, made, made.runs, known or made.spec.task.metrics[0])

    def judge_steps(self, first: str, second: str, factor: float, target: float) -> Verdict:
        """The verdict on the claim that the first contender reaches a target in so many times the steps of the second.

        Seeds are added while it is open.

        Raises:
            UnknownName: no contender is called so.
            InvalidSpec: the runs were not evaluated on the way.
            BertspecError: a run failed; finished runs are kept.
        """
        pair = [self._named(first), self._named(second)]
        words = f'"{first}" needs at most {factor:g} times the steps of "{second}" to reach {target:g}'
        claim = Claim(f"steps to {target:g}", "at most", factor, words=words)
        refused = self._refused(claim, "steps")
        if refused is not None:
            return refused
        found = verdict.judge_steps(claim, *(rival.steps_to(target, self.metric) for rival in pair))
        while found.outcome == "UNDECIDED" and self.more is not None:
            self.extend(self.more)
            found = verdict.judge_steps(claim, *(rival.steps_to(target, self.metric) for rival in pair))
        self.keep()
        return found

    def judge_sensitivity(self, name: str, decades: float, tolerance: float) -> Verdict:
        """The verdict on the claim that a contender stays near its best over so many decades of the learning rate.

        Raises:
            UnknownName: no contender is called so.
        """
        rival = self._named(name)
        words = (
            f'"{name}" stays within {tolerance:g} of its best over at least {decades:g} decades of the learning rate'
        )
        claim = Claim("decades of the learning rate", "at least", decades, words=words)
        refused = self._refused(claim, "sensitivity")
        if refused is not None:
            return refused
        stopped = sum(trial.state == "stopped" for trial in rival.trials)
        if stopped:
            why = f"{stopped} of its trials were stopped early, and nobody knows what they would have reached"
            return Verdict("UNDECIDED", claim, math.nan, "sensitivity", reason=why)
        return verdict.judge_sensitivity(
            claim,
            rival.curve,
            tolerance=tolerance,
            error=rival.error,
            less_is_better=self._less_is_better,
        )

    def _look_at_best(self, name: str, tolerance: float) -> Verdict:
        return verdict.judge_best(
            name,
            self._contenders(),
            quantity=self.metric,
            rows=self._rows(),
            less_is_better=self._less_is_better,
            tolerance=tolerance,
            allowance=len(self.spec.tuning.confirmation_seeds),
        )

    def _refused(self, claim: Claim, rule: verdict.Rule) -> Verdict | None:
        """The verdict on any claim where the comparison is not fair."""
        if not self.unfair:
            return None
        why = f"the comparison is not fair: {'; '.join(self.unfair)}"
        return Verdict("UNDECIDED", claim, math.nan, rule, reason=why)

    def _named(self, name: str) -> Rival:
        if name not in self.rivals:
            raise UnknownName(self.spec.tuning.compare or "contender", name, self.rivals, where=self.title)
        return self.rivals[name]

    @property
    def _looks(self) -> tuple[int, ...]:
        return tuple(look for look in BEST_LOOKS if look <= len(self.spec.tuning.confirmation_seeds))

    @property
    def _most(self) -> int:
        return len(self.spec.tuning.confirmation_seeds)

    @property
    def _less_is_better(self) -> bool:
        return self.sweep.goal == "minimize"

    def _contenders(self) -> list[Contender]:
        return [Contender(rival.name, rival.scores(self.metric)) for rival in self.rivals.values() if rival.runs]

    def _rows(self) -> NDArray[np.float64]:
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
            sensitivity=verdict.sensitivity(rival.curve, tolerance=self.near, less_is_better=self._less_is_better),
            curve=rival.finished,
        )
