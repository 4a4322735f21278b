"""One trial: a choice of parameters, run over the tuning seeds and scored on the tuning split.

The same here and in a W&B agent: what a trial is, its parameters say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bertspec import study
from bertspec.config import OWN, StudyConfig, TuningConfig
from bertspec.errors import DataError, DeviceError, Diverged, InvalidConfig
from bertspec.records import utc_now, validate
from bertspec.results import Point, Setting, TrialRecord
from bertspec.study import Session
from bertspec.sweep import early_stopping
from bertspec.sweep.early_stopping import Told

if TYPE_CHECKING:
    from bertspec.store import StoredRun

__all__ = ["LOSS", "Told", "run", "score_of", "settings_of", "study_of", "tuning_of"]

LOSS = "loss"
"""The metric that every task has: the mean loss over the scored rows."""

_FAILURES = (DataError, DeviceError, Diverged, InvalidConfig)
"""What may be wrong with one choice of parameters; anything else is wrong with all of them, and ends the sweep."""


def study_of(
    parameters: Mapping[str, Any], session: Session, *, seeds: Sequence[int], tuning_share: float | None
) -> StudyConfig:
    """The study that a trial's parameters describe.

    Args:
        parameters: the fields of :meth:`bertspec.catalog.Catalog.plan`, except those that are the sweep's own, such as
            ``seeds``, which are ignored.
        session: its catalog knows the words.
        seeds: one run for each.
        tuning_share: the share of the training rows that is scored; none scores the evaluation split.

    Raises:
        UnknownName: a word names nothing.
        InvalidConfig: a value is not allowed, or a required word is missing.
    """
    asked = settings_of(parameters)
    return session.catalog.plan(**asked, seeds=tuple(seeds), tuning_share=tuning_share)


def settings_of(parameters: Mapping[str, Any]) -> dict[str, Setting]:
    """What a trial is asked to use: flat, and without what is the sweep's own."""
    found: dict[str, Setting] = {}
    for name, value in parameters.items():
        if isinstance(value, Mapping):
            found |= {f"{name}.{below}": inner for below, inner in settings_of(value).items()}
        elif name not in OWN:
            found[name] = value
    return found


def tuning_of(parameters: Mapping[str, Any]) -> TuningConfig:
    """What the sweep says besides, as a trial's parameters carry it.

    Raises:
        InvalidConfig: a value is not allowed.
    """
    own = {name: parameters[name] for name in OWN if name in parameters}
    return validate(TuningConfig, own, where=lambda keys: ".".join(map(str, keys)) or None)


def run(
    number: int,
    parameters: Mapping[str, Any],
    session: Session,
    *,
    metric: str | None = None,
    contender: str | None = None,
    told: Told | None = None,
    confirms: int | None = None,
) -> TrialRecord:
    """Run a trial over its tuning seeds; what the store has is not trained again.

    Args:
        number: its place among the trials.
        parameters: see :func:`study_of`; ``seeds`` and ``tuning_share`` among them, or their defaults.
        session: where it is run.
        metric: what is scored: a metric of the task, or ``loss``; none takes the task's main one.
        contender: what it is a trial of, where something is compared.
        told: hears of the first seed's evaluations on the way, and may stop the trial: the other seeds are then not
            trained at all.
        confirms: the one seed that it is run on instead, on the whole training split, scored on the evaluation split.

    Raises:
        UnknownName: a word names nothing.
        SourceError: the encoder or the data set cannot be had.
        StoreError: the store cannot be written; finished runs are kept.
    """
    said = {"number": number, "parameters": settings_of(parameters), "contender": contender}
    try:
        tuning = tuning_of(parameters)
        seeds, share = (tuning.seeds, tuning.tuning_share) if confirms is None else ((confirms,), None)
        plan = study_of(parameters, session, seeds=seeds, tuning_share=share)
        watched = None if told is None else early_stopping.first_seed(plan, session, told)
        if watched is not None:
            return TrialRecord.model_validate({**said, **watched.evidence(), "finished": utc_now()})
        made = study.run(plan, session)
    except _FAILURES as failure:
        return TrialRecord.model_validate({**said, "state": "failed", "reason": str(failure), "finished": utc_now()})
    return TrialRecord.model_validate({**said, **_outcome(made.runs, metric or plan.task.metrics[0])})


def score_of(run: StoredRun, metric: str) -> float:
    """A run's score by a metric of its task, or its loss on the scored rows.

    Raises:
        InvalidConfig: the run has no such score.
    """
    if metric == LOSS:
        return float(run.result.outcomes.losses.mean())
    scores = run.result.facts.scores
    if metric not in scores:
        raise InvalidConfig("no run has this score", given=metric, allowed=", ".join((*scores, LOSS)))
    return scores[metric]


def _outcome(runs: Sequence[StoredRun], metric: str) -> dict[str, Any]:
    facts = [run.result.facts for run in runs]
    scores = tuple(score_of(run, metric) for run in runs)
    diverged = [each.diverged for each in facts if each.diverged is not None]
    lost = len(diverged) == len(facts)
    return {
        "state": "failed" if lost else "finished",
        "reason": f"diverged on every seed: {diverged[0]}" if lost else None,
        "seeds": tuple(each.seed for each in facts),
        "scores": scores,
        "score": None if lost else sum(scores) / len(scores),
        "diverged": len(diverged),
        "points": _points(runs),
        "tokens": sum(each.train_tokens for each in facts),
        "seconds": sum(each.timings.train_s for each in facts),
        "runs": tuple(run.fingerprint for run in runs),
        "finished": utc_now(),
    }


def _points(runs: Sequence[StoredRun]) -> tuple[Point, ...]:
    """The main metric on the way, the mean over the seeds; as far as all of them went."""
    together = zip(*(early_stopping.points_of(run) for run in runs), strict=False)
    return tuple(Point(step=looks[0].step, value=sum(look.value for look in looks) / len(looks)) for looks in together)
