"""The first seed of a trial is watched while it trains, where hopeless trials are stopped early.

One seed is enough to see that: the others are trained only for trials that pass. All trials begin with the same seed,
so that they are compared on the same rows in the same order.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from bertspec import study
from bertspec.config import RunConfig, StudyConfig
from bertspec.results import Point, RunObserver, RunResult, TrialRecord
from bertspec.store import Store, StoredRun
from bertspec.study import Session
from bertspec.tracking import combine

if TYPE_CHECKING:
    from bertspec.statistics import Verdict

__all__ = ["Stopped", "Told", "first_points", "first_seed", "points_of"]


class Told(Protocol):
    """Hears of a trial on its way."""

    def __call__(self, point: Point) -> str | None:
        """What it has reached: the answer is why it is to be stopped, or none."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """A trial that was given up."""

    seed: int
    points: tuple[Point, ...]
    why: str
    tokens: int
    seconds: float

    def evidence(self) -> dict[str, Any]:
        """The same as fields of the trial's evidence."""
        return {
            "state": "stopped",
            "reason": self.why,
            "seeds": (self.seed,),
            "scores": (self.points[-1].value,),
            "score": self.points[-1].value,
            "points": self.points,
            "tokens": self.tokens,
            "seconds": self.seconds,
        }


def first_seed(plan: StudyConfig, session: Session, told: Told) -> Stopped | None:
    """Run the first seed of a study, or fetch it from the store; none where nobody stopped it.

    A run that the store has is judged by what it had reached on the way, as if it were trained now.

    Raises:
        BertspecError: see :func:`bertspec.engine.run`.
    """
    one = plan.model_copy(update={"seeds": plan.seeds[:1]})
    watcher = _Watcher(told)
    try:
        made = study.run(one, dataclasses.replace(session, tracker=combine(session.tracker, watcher)))
    except _Stop as stop:
        seconds, steps = time.monotonic() - watcher.began, watcher.points[-1].step
        return Stopped(one.seeds[0], tuple(watcher.points), str(stop), _tokens(one, session, steps), seconds)
    run = made.runs[0]
    for number, point in enumerate([] if made.trained else points_of(run), 1):
        why, facts = told(point), run.result.facts
        if why is not None and point.step < facts.steps:
            share = point.step / facts.steps
            tokens, seconds = round(facts.train_tokens * share), facts.timings.train_s * share
            return Stopped(one.seeds[0], tuple(points_of(run)[:number]), why, tokens, seconds)
    return None


def points_of(run: StoredRun) -> list[Point]:
    """What a run had reached on the way."""
    curve = run.result.curve
    return [Point(step=int(step), value=float(value)) for step, value in zip(curve.evaluated, curve.score, strict=True)]


def first_points(trial: TrialRecord, store: Store) -> list[Point]:
    """What the first seed of a trial had reached on the way; the mean over the seeds, where its run is gone."""
    run = store.get(trial.runs[0]) if trial.runs else None
    return list(trial.points) if run is None else points_of(run)


class _Stop(Exception):
    """Nothing went wrong: the trial is given up."""


@dataclass(slots=True)
class _Watcher:
    """A tracker, and the observer of its one run."""

    told: Told
    points: list[Point] = field(default_factory=list)
    began: float = 0.0
    steps: int = 0

    def settle(self) -> None:
        """Nothing is shown here."""

    def observe(self, config: RunConfig, *, fingerprint: str) -> RunObserver:
        return self

    def judged(self, subject: str, verdict: Verdict) -> None:
        """Nothing is judged here."""

    def close(self) -> None:
        """Nothing is open."""

    def started(self, total_steps: int) -> None:
        self.began, self.steps = time.monotonic(), total_steps

    def stepped(self, step: int, loss: float, learning_rate: float) -> None:
        """Not looked at."""

    def evaluated(self, step: int, score: float) -> None:
        self.points.append(Point(step=step, value=score))
        why = self.told(self.points[-1])
        if why is not None and step < self.steps:  # one that has come to its end may as well be kept
            raise _Stop(why)

    def finished(self, result: RunResult) -> None:
        """The store has it."""

    def failed(self, error: BaseException) -> None:
        """It is told by what it raised."""


def _tokens(plan: StudyConfig, session: Session, steps: int) -> int:
    """About how many tokens so many steps had: the mean length of a training row, times the rows."""
    import tokenizers

    from bertspec import models
    from bertspec.data.examples import read
    from bertspec.data.tokens import encode

    inputs, task, recipe = study.gather(plan, session.locations), plan.task, plan.recipe
    tokens = encode(
        models.load_tokenizer(inputs.files),
        read(inputs.splits.train, task, task.train_split),
        max_length=recipe.max_length,
        key=f"{inputs.files.tokenizer_origin.sha256} {tokenizers.__version__}",
        cache=session.store.token_cache,
    )
    return round(float(tokens.lengths.mean()) * recipe.batch_size * steps)
