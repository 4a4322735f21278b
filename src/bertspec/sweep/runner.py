"""Run a sweep on this machine, without a server: what is finished is kept, and nothing is trained twice.

Nothing of a sweep file is executed here: its ``program`` and ``command`` are for W&B agents.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from bertspec.config import MetricConfig, SweepConfig
from bertspec.records import utc_now
from bertspec.results import SweepRecord, TrialRecord
from bertspec.study import Session
from bertspec.sweep import early_stopping, trial
from bertspec.sweep.hyperband import Hyperband
from bertspec.sweep.ledger import Ledger
from bertspec.sweep.plan import SweepPlan, ask
from bertspec.sweep.trial import settings_of
from bertspec.sweep.worker_pool import Job, Reached, WorkerDied, WorkerPool, room

__all__ = ["run"]

Told = Callable[[SweepRecord], None]
"""Hears of the sweep when it begins, and after each trial."""

_ATTEMPTS = 2
"""A trial whose worker died is tried once more: the memory may have been another process's fault."""


def run(
    config: SweepConfig,
    session: Session,
    *,
    processes: int | None = None,
    trials_each: int | None = None,
    seed: int = 0,
    told: Told | None = None,
    wait: bool = False,
) -> SweepRecord:
    """Run every trial that the store has no record of; an interrupted sweep goes on where it was, a fresh one anew.

    Args:
        config: the sweep, as :mod:`bertspec.sweep.files` reads it.
        session: where it is run; with several processes, each gets a copy.
        processes: trials at a time; none takes as many as the cores allow, 1 runs them in this process.
        trials_each: for each contender, instead of the file's ``run_cap``.
        seed: of the search.
        told: hears of the progress.
        wait: for another process that runs this sweep now, instead of refusing; what it has made is not run again.

    Raises:
        BertspecError: the sweep cannot be run, or another process runs it; finished trials are kept.
        KeyboardInterrupt: as above.
    """
    question = ask(config, session, seed=seed, trials_each=trials_each)
    session.tracker.settle()  # once, and not in every worker
    ledger = Ledger(session.store, config.name or "sweep", question.sha256)
    with ledger.held(wait=wait):
        kept = None if session.fresh else ledger.read()
        course = _Course(question, ledger, kept or _begun(question), told)
        course.tell()
        count = min(processes or room(question.device), len(course.missing))
        if count > 1:
            _in_workers(course, session, count)
        else:
            _here(course, session)
        return course.finish()


@dataclass(slots=True)
class _Course:
    """A sweep on its way."""

    question: SweepPlan
    ledger: Ledger
    evidence: SweepRecord
    told: Told | None
    band: Hyperband | None = field(init=False)
    begun: set[int] = field(default_factory=set)
    """The trials that were handed out."""
    deaths: Counter[int] = field(default_factory=Counter)
    """How many workers each trial has cost."""

    def __post_init__(self) -> None:
        stopping = self.question.config.early_terminate
        self.band = None if stopping is None else Hyperband(stopping, self.metric.goal)
        if self.band is not None:
            for each in self.evidence.trials:
                self.band.remember(each, early_stopping.first_points(each, self.ledger.store))

    @property
    def metric(self) -> MetricConfig:
        metric = self.question.config.metric
        assert metric is not None  # noqa: S101 - the reader fills it in
        return metric

    @property
    def missing(self) -> list[int]:
        """The trials that nobody has begun; none once one has reached the target."""
        if self._target_reached():
            return []
        done = {each.number for each in self.evidence.trials}
        return [number for number in range(self.question.planned) if number not in done | self.begun]

    def next(self) -> Job | None:
        """The trial to run now."""
        missing = self.missing
        if not missing:
            return None
        proposal = self.question.search.proposal(missing[0], self.evidence.trials)
        self.begun.add(proposal.number)
        if self.band is not None:
            self.band.begin(proposal.number)
        return Job(
            proposal.number,
            self.question.parameters(proposal),
            proposal.contender,
            self.metric.name,
            judged=self.band is not None,
        )

    def judge(self, reached: Reached) -> str | None:
        """Why a trial is to be stopped, or none."""
        order = reached.order
        return None if self.band is None else self.band.judge(order.number, order.contender, reached.point)

    def may_try_again(self, order: Job) -> bool:
        """Whether a trial whose worker died is worth another one."""
        self.deaths[order.number] += 1
        if self.band is not None:
            self.band.begin(order.number)
        return self.deaths[order.number] < _ATTEMPTS

    def keep(self, finished: TrialRecord) -> None:
        """Write down a trial; from here on a kill does not lose it."""
        trials = sorted([*self.evidence.trials, finished], key=lambda each: each.number)
        self.evidence = self.evidence.model_copy(update={"trials": tuple(trials)})
        self.ledger.write(self.evidence)
        self.tell()

    def tell(self) -> None:
        if self.told is not None:
            self.told(self.evidence)

    def finish(self) -> SweepRecord:
        """The sweep is over."""
        if self.evidence.finished is None:
            self.evidence = self.evidence.model_copy(update={"finished": utc_now()})
            self.ledger.write(self.evidence)
        return self.evidence

    def _target_reached(self) -> bool:
        target, sign = self.metric.target, 1 if self.metric.goal == "maximize" else -1
        scores = [each.score for each in self.evidence.trials if each.score is not None and each.state == "finished"]
        return target is not None and any(sign * score >= sign * target for score in scores)


def _here(course: _Course, session: Session) -> None:
    while (order := course.next()) is not None:
        course.keep(
            trial.run(
                order.number,
                order.parameters,
                session,
                metric=order.metric,
                contender=order.contender,
                told=(lambda point, order=order: course.judge(Reached(order, point))) if order.judged else None,
            )
        )


def _in_workers(course: _Course, session: Session, count: int) -> None:
    again: list[Job] = []
    with WorkerPool(session, count) as pool:
        while True:
            while pool.busy < count and (order := again.pop() if again else course.next()) is not None:
                pool.start(order)
            if not pool.busy:
                return
            for event in pool.events():
                if isinstance(event, Reached):
                    pool.answer(event.order, course.judge(event))
                elif isinstance(event, TrialRecord):
                    course.keep(event)
                elif course.may_try_again(event.order):
                    again.append(event.order)
                else:
                    course.keep(_failed(event))


def _failed(death: WorkerDied) -> TrialRecord:
    order = death.order
    return TrialRecord(
        number=order.number,
        parameters=settings_of(order.parameters),
        contender=order.contender,
        state="failed",
        reason=f"{death.why}, {_ATTEMPTS} times",
        finished=utc_now(),
    )


def _begun(question: SweepPlan) -> SweepRecord:
    config = question.config
    assert config.metric is not None  # noqa: S101 - the reader fills it in
    return SweepRecord(
        name=config.name or "sweep",
        sha256=question.sha256,
        metric=config.metric.name,
        goal=config.metric.goal,
        method=config.method,
        planned=question.planned,
        trials=(),
        began=utc_now(),
    )
