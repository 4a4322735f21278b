"""Run a sweep on this machine, without a server: what is finished is kept, and nothing is trained twice.

Nothing of a sweep file is executed here: its ``program`` and ``command`` are for W&B agents.
"""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from bertspec.evidence.sweeps import SweepEvidence, TrialEvidence
from bertspec.spec import MetricSpec, SweepSpec
from bertspec.study import Workbench
from bertspec.sweep import trial, watch
from bertspec.sweep.crew import Crew, Died, Order, Reached, room
from bertspec.sweep.hyperband import Hyperband
from bertspec.sweep.ledger import Ledger
from bertspec.sweep.question import Question, ask
from bertspec.sweep.trial import settings_of

__all__ = ["run"]

Told = Callable[[SweepEvidence], None]
"""Hears of the sweep when it begins, and after each trial."""

_ATTEMPTS = 2
"""A trial whose worker died is tried once more: the memory may have been another process's fault."""


def run(
    spec: SweepSpec,
    bench: Workbench,
    *,
    processes: int | None = None,
    trials_each: int | None = None,
    seed: int = 0,
    told: Told | None = None,
    wait: bool = False,
) -> SweepEvidence:
    """Run every trial that the store has no record of; an interrupted sweep goes on where it was, a fresh one anew.

    Args:
        spec: the sweep, as :mod:`bertspec.sweep.files` reads it.
        bench: where it is run; with several processes, each gets a copy.
        processes: trials at a time; none takes as many as the cores allow, 1 runs them in this process.
        trials_each: for each contender, instead of the file's ``run_cap``.
        seed: of the search.
        told: hears of the progress.
        wait: for another process that runs this sweep now, instead of refusing; what it has made is not run again.

    Raises:
        BertspecError: the sweep cannot be run, or another process runs it; finished trials are kept.
        KeyboardInterrupt: as above.
    """
    question = ask(spec, bench, seed=seed, trials_each=trials_each)
    bench.tracker.settle()  # once, and not in every worker
    ledger = Ledger(bench.store, spec.name or "sweep", question.sha256)
    with ledger.held(wait=wait):
        kept = None if bench.fresh else ledger.read()
        course = _Course(question, ledger, kept or _begun(question), told)
        course.tell()
        count = min(processes or room(question.device), len(course.missing))
        if count > 1:
            _in_workers(course, bench, count)
        else:
            _here(course, bench)
        return course.finish()


@dataclass(slots=True)
class _Course:
    """A sweep on its way."""

    question: Question
    ledger: Ledger
    evidence: SweepEvidence
    told: Told | None
    band: Hyperband | None = field(init=False)
    begun: set[int] = field(default_factory=set)
    """The trials that were handed out."""
    deaths: Counter[int] = field(default_factory=Counter)
    """How many workers each trial has cost."""

    def __post_init__(self) -> None:
        stopping = self.question.spec.early_terminate
        self.band = None if stopping is None else Hyperband(stopping, self.metric.goal)
        if self.band is not None:
            for each in self.evidence.trials:
                self.band.remember(each, watch.first_points(each, self.ledger.store))

    @property
    def metric(self) -> MetricSpec:
        metric = self.question.spec.metric
        assert metric is not None  # noqa: S101 - the reader fills it in
        return metric

    @property
    def missing(self) -> list[int]:
        """The trials that nobody has begun; none once one has reached the target."""
        if self._target_reached():
            return []
        done = {each.number for each in self.evidence.trials}
        return [number for number in range(self.question.planned) if number not in done | self.begun]

    def next(self) -> Order | None:
        """The trial to run now."""
        missing = self.missing
        if not missing:
            return None
        proposal = self.question.search.proposal(missing[0], self.evidence.trials)
        self.begun.add(proposal.number)
        if self.band is not None:
            self.band.begin(proposal.number)
        return Order(
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

    def may_try_again(self, order: Order) -> bool:
        """Whether a trial whose worker died is worth another one."""
        self.deaths[order.number] += 1
        if self.band is not None:
            self.band.begin(order.number)
        return self.deaths[order.number] < _ATTEMPTS

    def keep(self, finished: TrialEvidence) -> None:
        """Write down a trial; from here on a kill does not lose it."""
        trials = sorted([*self.evidence.trials, finished], key=lambda each: each.number)
        self.evidence = self.evidence.model_copy(update={"trials": tuple(trials)})
        self.ledger.write(self.evidence)
        self.tell()

    def tell(self) -> None:
        if self.told is not None:
            self.told(self.evidence)

    def finish(self) -> SweepEvidence:
        """The sweep is over."""
        if self.evidence.finished is None:
            self.evidence = self.evidence.model_copy(update={"finished": _now()})
            self.ledger.write(self.evidence)
        return self.evidence

    def _target_reached(self) -> bool:
        target, sign = self.metric.target, 1 if self.metric.goal == "maximize" else -1
        scores = [each.score for each in self.evidence.trials if each.score is not None and each.state == "finished"]
        return target is not None and any(sign * score >= sign * target for score in scores)


def _here(course: _Course, bench: Workbench) -> None:
    while (order := course.next()) is not None:
        course.keep(
            trial.run(
                order.number,
                order.parameters,
                bench,
                metric=order.metric,
                contender=order.contender,
                told=(lambda point, order=order: course.judge(Reached(order, point))) if order.judged else None,
            )
        )


def _in_workers(course: _Course, bench: Workbench, count: int) -> None:
    again: list[Order] = []
    with Crew(bench, count) as crew:
        while True:
            while crew.busy < count and (order := again.pop() if again else course.next()) is not None:
                crew.start(order)
            if not crew.busy:
                return
            for event in crew.events():
                if isinstance(event, Reached):
                    crew.answer(event.order, course.judge(event))
                elif isinstance(event, TrialEvidence):
                    course.keep(event)
                elif course.may_try_again(event.order):
                    again.append(event.order)
                else:
                    course.keep(_failed(event))


def _failed(death: Died) -> TrialEvidence:
    order = death.order
    return TrialEvidence(
        number=order.number,
        parameters=settings_of(order.parameters),
        contender=order.contender,
        state="failed",
        reason=f"{death.why}, {_ATTEMPTS} times",
        finished=_now(),
    )


def _begun(question: Question) -> SweepEvidence:
    spec = question.spec
    assert spec.metric is not None  # noqa: S101 - the reader fills it in
    return SweepEvidence(
        name=spec.name or "sweep",
        sha256=question.sha256,
        metric=spec.metric.name,
        goal=spec.metric.goal,
        method=spec.method,
        planned=question.planned,
        trials=(),
        began=_now(),
    )


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
