"""One trial: one choice of parameters, run over the tuning seeds and scored on the tuning split.

A trial is the same here and in a W&B agent: its parameters describe it completely.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bertspec import study
from bertspec.config import OWN, StudyConfig, TuningConfig
from bertspec.errors import DataError, DeviceError, Diverged, InvalidConfig
from bertspec.records import utc_now, validate
from bertspec.results import Point, Setting, TrialRecord
from bertspec.study import Session
from bertspec.sweeps.early_stopping import OnProgress, StoppingTracker, points_of
from bertspec.tracking import combine

if TYPE_CHECKING:
    from bertspec.store import StoredRun

__all__ = ["LOSS", "run", "score_of", "settings_of", "tuning_of"]

LOSS = "loss"
"""The metric that every task has: the mean loss over the scored rows."""

_FAILURES = (DataError, DeviceError, Diverged, InvalidConfig)
"""Errors of one choice of parameters; any other is an error of all of them, and ends the sweep."""


def run(
    number: int,
    parameters: Mapping[str, Any],
    session: Session,
    *,
    metric: str | None = None,
    contender: str | None = None,
    on_progress: OnProgress | None = None,
    confirms: int | None = None,
) -> TrialRecord:
    """Run a trial over its tuning seeds; runs in the store are not trained again.

    Args:
        number: its number among the trials, from 0.
        parameters: fields of :meth:`bertspec.catalog.Catalog.plan`, and those of
            :class:`~bertspec.config.TuningConfig`.
        session: where it is run.
        metric: what is scored: a metric of the task, or ``loss``; ``None`` takes the task's main one.
        contender: the contender that it is a trial of, where something is compared.
        on_progress: called after each evaluation of the first seed. If it stops the trial, the other seeds are not
            trained.
        confirms: the one seed to run instead, on the whole training split, scored on the evaluation split.

    Raises:
        UnknownName: a name is not known.
        SourceError: the encoder or the data set cannot be had.
        StoreError: the store cannot be written; finished runs are kept.
    """
    asked = {"number": number, "parameters": settings_of(parameters), "contender": contender}
    try:
        tuning = tuning_of(parameters)
        seeds, share = (tuning.seeds, tuning.tuning_share) if confirms is None else ((confirms,), None)
        plan = session.catalog.plan(**settings_of(parameters), seeds=seeds, tuning_share=share)
        outcome = None if on_progress is None else _stopped_outcome(plan, session, on_progress)
        outcome = outcome or _outcome(study.run(plan, session).runs, metric or plan.task.metrics[0])
    except _FAILURES as failure:
        outcome = {"state": "failed", "reason": str(failure)}
    return TrialRecord.model_validate({**asked, **outcome, "finished": utc_now()})


def settings_of(parameters: Mapping[str, Any]) -> dict[str, Setting]:
    """The parameters of a trial, flat, without those that configure the sweep."""
    settings: dict[str, Setting] = {}
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            settings |= {f"{name}.{below}": inner for below, inner in settings_of(value).items()}
        elif name not in OWN:
            settings[name] = value
    return settings


def tuning_of(parameters: Mapping[str, Any]) -> TuningConfig:
    """The sweep's own settings among a trial's parameters.

    Raises:
        InvalidConfig: a value is not allowed.
    """
    return validate(TuningConfig, {name: parameters[name] for name in OWN if name in parameters})


def score_of(run: StoredRun, metric: str) -> float:
    """A run's score by a metric of its task, or its loss on the scored rows.

    Raises:
        InvalidConfig: the run has no such score.
    """
    if metric == LOSS:
        return float(run.result.outcomes.losses.mean())
    scores = run.result.facts.scores
    if metric not in scores:
        raise InvalidConfig("the run has no such score", given=metric, allowed=", ".join((*scores, LOSS)))
    return run.result.facts.counted(metric)


def _stopped_outcome(plan: StudyConfig, session: Session, on_progress: OnProgress) -> dict[str, Any] | None:
    """Run the first seed of a trial, or read it from the store; what came of it where it was stopped, else ``None``.

    A run in the store is judged by its evaluations as if it were trained now.
    """
    watched = dataclasses.replace(session, tracker=combine(session.tracker, StoppingTracker(on_progress)))
    first = study.run(plan.model_copy(update={"seeds": plan.seeds[:1]}), watched)
    run, points = first.runs[0], points_of(first.runs[0])
    facts = run.result.facts
    reason, share = facts.stopped, 1.0
    if not first.trained:
        for number, point in enumerate(points, 1):
            reason = on_progress(point)
            if reason is not None and point.step < facts.steps:
                points, share = points[:number], point.step / facts.steps
                break
            reason = None
    if reason is None:
        return None
    return {
        "state": "stopped",
        "reason": reason,
        "seeds": (facts.seed,),
        "scores": (points[-1].value,),
        "score": points[-1].value,
        "points": tuple(points),
        "tokens": round(facts.train_tokens * share),
        "seconds": facts.timings.train_s * share,
    }


def _outcome(runs: Sequence[StoredRun], metric: str) -> dict[str, Any]:
    facts = [run.result.facts for run in runs]
    scores = tuple(score_of(run, metric) for run in runs)
    diverged = [each.diverged for each in facts if each.diverged is not None]
    failed = len(diverged) == len(facts)
    return {
        "state": "failed" if failed else "finished",
        "reason": f"diverged on every seed: {diverged[0]}" if failed else None,
        "seeds": tuple(each.seed for each in facts),
        "scores": scores,
        "score": None if failed else sum(scores) / len(scores),
        "diverged": len(diverged),
        "points": _points(runs),
        "tokens": sum(each.train_tokens for each in facts),
        "seconds": sum(each.timings.train_s for each in facts),
        "runs": tuple(run.fingerprint for run in runs),
    }


def _points(runs: Sequence[StoredRun]) -> tuple[Point, ...]:
    """The main metric during training, the mean over the seeds, up to the shortest run."""
    together = zip(*(points_of(run) for run in runs), strict=False)
    return tuple(Point(step=each[0].step, value=sum(point.value for point in each) / len(each)) for each in together)
