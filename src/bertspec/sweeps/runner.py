"""Run a sweep on this machine, without a server: finished trials are kept, and nothing is trained twice.

Nothing in a sweep file is executed here: its ``program`` and ``command`` are for W&B agents.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from bertspec.config import SweepConfig
from bertspec.records import utc_now
from bertspec.results import SweepRecord, TrialRecord
from bertspec.store.sweeps import SweepFile
from bertspec.study import Session
from bertspec.sweeps import early_stopping, trial
from bertspec.sweeps.early_stopping import Hyperband, OnProgress
from bertspec.sweeps.plan import SweepPlan, build_plan
from bertspec.sweeps.worker_pool import Job, Progress, WorkerDied, WorkerPool, default_size

__all__ = ["OnTrial", "run"]

OnTrial = Callable[[SweepRecord], None]
"""Called with the sweep when it begins, and after each trial."""

_ATTEMPTS = 2
"""A trial whose worker died is tried once more: another process may have taken the memory."""


def run(
    config: SweepConfig,
    session: Session,
    *,
    processes: int | None = None,
    trials_each: int | None = None,
    seed: int = 0,
    on_progress: OnTrial | None = None,
    wait: bool = False,
) -> SweepRecord:
    """Run every trial that the sweep's record lacks: an interrupted sweep is resumed, a fresh one starts anew.

    Args:
        config: the sweep, as :mod:`bertspec.sweeps.files` reads it.
        session: where it is run; with several processes, each gets a copy.
        processes: trials at a time; ``None`` takes as many as the cores allow, 1 runs them in this process.
        trials_each: trials of each contender, instead of the file's ``run_cap``.
        seed: of the search.
        on_progress: called when the sweep begins, and after each trial.
        wait: whether to wait for another process that runs this sweep now, instead of refusing; its trials are not
            run again.

    Raises:
        BertspecError: the sweep cannot be run, or another process runs it; finished trials are kept.
        KeyboardInterrupt: as above.
    """
    plan = build_plan(config, session, seed=seed, trials_each=trials_each)
    session.tracker.settle()  # once, and not in every worker
    file = SweepFile(session.store.root, plan.name, plan.sha256)
    with file.lock(wait=wait):
        kept = None if session.fresh else file.read()
        schedule = _Schedule(plan, session, file, kept or _new_record(plan), on_progress)
        schedule.report()
        size = min(processes or default_size(plan.device), len(schedule.missing))
        if size > 1:
            _run_in_workers(schedule, size)
        else:
            _run_here(schedule)
        return schedule.finish()


@dataclass(slots=True)
class _Schedule:
    """The trials of a sweep that is running: those done, those started, and those to come."""

    plan: SweepPlan
    session: Session
    file: SweepFile
    record: SweepRecord
    on_progress: OnTrial | None
    hyperband: Hyperband | None = field(init=False)
    started: set[int] = field(default_factory=set)
    deaths: Counter[int] = field(default_factory=Counter)
    """Trial number → workers that died on it."""

    def __post_init__(self) -> None:
        rule = self.plan.config.early_terminate
        self.hyperband = None if rule is None else Hyperband(rule, self.plan.metric.goal)
        if self.hyperband is not None:
            for each in self.record.trials:
                self.hyperband.replay(each, early_stopping.first_points(each, self.session.store))

    @property
    def missing(self) -> list[int]:
        """The trials that are neither done nor started; empty once one has reached the target."""
        if self._target_reached():
            return []
        over = self.started.union(each.number for each in self.record.trials)
        return [number for number in range(self.plan.planned) if number not in over]

    def next(self) -> Job | None:
        """Start the next trial."""
        missing = self.missing
        if not missing:
            return None
        proposal = self.plan.search.proposal(missing[0], self.record.trials)
        self.started.add(proposal.number)
        if self.hyperband is not None:
            self.hyperband.begin(proposal.number)
        return Job(
            proposal.number,
            self.plan.parameters(proposal),
            proposal.contender,
            self.plan.metric.name,
            may_stop=self.hyperband is not None,
        )

    def judge(self, progress: Progress) -> str | None:
        """The reason to stop a trial, or ``None``."""
        job = progress.job
        return None if self.hyperband is None else self.hyperband.judge(job.number, job.contender, progress.point)

    def may_retry(self, job: Job) -> bool:
        """Whether to run a trial again whose worker died."""
        self.deaths[job.number] += 1
        if self.hyperband is not None:
            self.hyperband.begin(job.number)
        return self.deaths[job.number] < _ATTEMPTS

    def add(self, finished: TrialRecord) -> None:
        """Write a trial into the record; from here on a kill does not lose it."""
        trials = sorted([*self.record.trials, finished], key=lambda each: each.number)
        self.record = self.record.model_copy(update={"trials": tuple(trials)})
        self.file.write(self.record)
        self.report()

    def report(self) -> None:
        if self.on_progress is not None:
            self.on_progress(self.record)

    def finish(self) -> SweepRecord:
        """The record of the sweep, which is over."""
        if self.record.finished is None:
            self.record = self.record.model_copy(update={"finished": utc_now()})
            self.file.write(self.record)
        return self.record

    def _target_reached(self) -> bool:
        target, sign = self.plan.metric.target, 1 if self.plan.metric.goal == "maximize" else -1
        scores = [each.score for each in self.record.trials if each.score is not None and each.state == "finished"]
        return target is not None and any(sign * score >= sign * target for score in scores)


def _run_here(schedule: _Schedule) -> None:
    while (job := schedule.next()) is not None:
        schedule.add(
            trial.run(
                job.number,
                job.parameters,
                schedule.session,
                metric=job.metric,
                contender=job.contender,
                on_progress=_on_progress(schedule, job),
            )
        )


def _on_progress(schedule: _Schedule, job: Job) -> OnProgress | None:
    return (lambda point: schedule.judge(Progress(job, point))) if job.may_stop else None


def _run_in_workers(schedule: _Schedule, size: int) -> None:
    again: list[Job] = []
    with WorkerPool(schedule.session, size) as pool:
        while True:
            while pool.busy < size and (job := again.pop() if again else schedule.next()) is not None:
                pool.start(job)
            if not pool.busy:
                return
            for event in pool.events():
                if isinstance(event, Progress):
                    pool.answer(event.job, schedule.judge(event))
                elif isinstance(event, TrialRecord):
                    schedule.add(event)
                elif schedule.may_retry(event.job):
                    again.append(event.job)
                else:
                    schedule.add(_failed(event))


def _failed(death: WorkerDied) -> TrialRecord:
    job = death.job
    return TrialRecord(
        number=job.number,
        parameters=trial.settings_of(job.parameters),
        contender=job.contender,
        state="failed",
        reason=f"{death.reason}, {_ATTEMPTS} times",
        finished=utc_now(),
    )


def _new_record(plan: SweepPlan) -> SweepRecord:
    return SweepRecord(
        name=plan.name,
        sha256=plan.sha256,
        metric=plan.metric.name,
        goal=plan.metric.goal,
        method=plan.config.method,
        planned=plan.planned,
        trials=(),
        began=utc_now(),
    )
