"""Claims about studies: runs are added while they are open, and what is too good to be true is refused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bertspec import metrics, verdict
from bertspec.errors import InvalidSpec
from bertspec.result import Outcomes
from bertspec.store import StoredRun
from bertspec.study.seeds import Study
from bertspec.verdict import Claim, Spread, Verdict

__all__ = ["collapses", "guarded", "judge", "judge_collapse", "judge_contrast", "row_covariance"]

_RESAMPLES = 200
_SHOWING = 3
"""The rows are what varies when they are resampled, and three seeds show it."""


def judge(study: Study, claim: Claim, spread: Spread) -> Verdict:
    """The verdict on a claim about the mean of a metric over the seeds; runs are added while it is open.

    A claim of quality also fails, whatever the mean, where too many seeds collapsed, where the score is above what
    can be known, and where the scored rows were trained on.

    Args:
        study: the study, its first runs made.
        claim: what is claimed, of a metric by its name or title.
        spread: what the spread over seeds is taken to be.

    Raises:
        BertspecError: the metric does not fit the task, or a run failed.
    """
    known, allowance = metrics.find(claim.quantity), len(study.spec.seeds)
    metric = known.name
    found = verdict.judge(claim, study.scores(metric), spread=spread, allowance=allowance)
    while found.more is not None:
        study.extend(found.more)
        found = verdict.judge(claim, study.scores(metric), spread=spread, allowance=allowance)
    runs = study.runs[: len(found.values)]
    found = _with_sampling(found, runs, metric)
    settled = not known.promised_by(claim.direction) or found.outcome == "FAIL" or len(runs) < verdict.FEWEST_RUNS
    return found if settled else guarded(found, study, runs, metric)


def judge_collapse(study: Study) -> Verdict:
    """The verdict on the claim that no seed collapses.

    Raises:
        InvalidSpec: the task has no classes.
    """
    task = study.spec.task
    if task.head != "classification":
        raise InvalidSpec("a collapse is of classes", given=f"a {task.head} head", where=f"task {task.name!r}")
    return verdict.judge_collapse(collapses(study.runs))


def judge_contrast(
    study: Study, other: Study, claim: Claim, spreads: tuple[Spread, Spread], *, multiple: bool = False
) -> Verdict:
    """The verdict on how far a study's mean exceeds another's, or on how many times that other's it is.

    The studies share their evaluation rows, so that the rows' own chance is counted pair by pair. The one that is said
    to be better fails the claim by a collapse, a leak or an overlap, as in :func:`judge`; the other one may be bad.

    Args:
        study: the first study, whole.
        other: the second.
        claim: the claim on the difference or the multiple, of a metric by its name or title.
        spreads: what the spread over seeds is taken to be, of each.
        multiple: whether the bound is what the second mean is multiplied by.

    Raises:
        BertspecError: the metric does not fit the task, or the studies were scored on different rows.
    """
    known = metrics.find(claim.quantity)
    if study.material.splits.evaluation != other.material.splits.evaluation:
        raise InvalidSpec(
            "two studies are compared on the same rows",
            given=f"{study.spec.title}; {other.spec.title}",
            allowed="studies of one task and one evaluation split",
            where="the comparison",
        )
    words = f"{claim.quantity} is {claim.direction} {claim.bound:g} times the other's" if multiple else None
    quantity = claim.quantity if multiple else f"lead in {claim.quantity}"
    lead = Claim(quantity, claim.direction, claim.bound, claim.upper, claim.source, words)
    rows = _row_variance(study.runs, other.runs, known.name, claim.bound if multiple else 1.0)
    found = verdict.judge_contrast(
        lead,
        study.scores(known.name),
        other.scores(known.name),
        spreads=spreads,
        sampling_variance=rows,
        multiple=multiple,
    )
    better = study if known.promised_by(claim.direction) else other
    settled = found.outcome == "FAIL" or found.interval is None
    return found if settled else guarded(found, better, better.runs, known.name)


def collapses(runs: Sequence[StoredRun]) -> list[bool]:
    """For each run of a classifier, whether it learned nothing."""
    outcomes = [run.result.outcomes for run in runs]
    return [verdict.collapsed(one.predictions, one.references) for one in outcomes]


def guarded(found: Verdict, study: Study, runs: Sequence[StoredRun], metric: str) -> Verdict:
    """The same verdict, or FAIL by the first rule that holds whatever the mean: overlap, ceiling or collapse.

    Args:
        found: the verdict so far.
        study: the study that is said to be good.
        runs: those of its runs that the verdict went by.
        metric: what is claimed of it, by its name.
    """
    task, splits = study.spec.task, study.material.splits
    columns = [column for column in (task.text, task.text_pair) if column is not None]
    texts = [
        zip(*(map(str, table[column]) for column in columns), strict=True)
        for table in (splits.evaluation, splits.train)
    ]
    refused = verdict.refuse_overlap(found, verdict.overlap(*texts), allowed=task.overlap_allowed)
    if refused.rule != "overlap" and splits.clean is not None and task.generated is not None:
        clean, outcomes = np.array(splits.clean, dtype=np.float64), [run.result.outcomes for run in runs]
        noise = task.generated.label_noise
        chances = [verdict.leak_p(one.predictions, one.references, clean, noise) for one in outcomes]
        ceiling = metrics.score(metric, outcomes[0].references, clean)
        better = metrics.find(metric).better
        mean = float(np.mean([metrics.score(metric, one.references, one.predictions) for one in outcomes]))
        refused = verdict.refuse_leak(refused, mean=mean, ceiling=ceiling, chances=chances, better=better)
    if refused.rule == found.rule and task.head == "classification":
        refused = verdict.refuse_collapse(refused, collapses(runs))
    return refused


def row_covariance(sides: Sequence[Sequence[StoredRun]], metric: str) -> NDArray[np.float64]:
    """The covariance of the means of several studies that comes from the choice of the rows, which all share.

    Args:
        sides: the runs of each study, all scored on the same rows.
        metric: the metric, by its name.

    Returns:
        The covariance, shape (studies, studies); the same for equal runs.
    """
    outcomes = [[run.result.outcomes for run in side] for side in sides]
    rows = len(outcomes[0][0].references)
    if metric in ("accuracy", "error_rate"):
        return np.atleast_2d(np.cov([_right(side) for side in outcomes], ddof=0)) / rows
    rng, function = np.random.default_rng(0), metrics.find(metric).function
    draws = [rng.integers(rows, size=rows) for _ in range(_RESAMPLES)]

    def mean(side: Sequence[Outcomes], chosen: NDArray[np.int64]) -> float:
        few = side[:_SHOWING]
        return float(np.mean([function(one.references[chosen], one.predictions[chosen]) for one in few]))

    return np.atleast_2d(np.cov([[mean(side, chosen) for chosen in draws] for side in outcomes], ddof=0))


def _with_sampling(found: Verdict, runs: Sequence[StoredRun], metric: str) -> Verdict:
    """With the interval that the evaluation split itself leaves, which no rule goes by; none leaves the scale."""
    half, scale = 1.96 * math.sqrt(_row_variance(runs, (), metric, 0.0)), metrics.find(metric)

    def within(low: float, high: float) -> tuple[float, float]:
        return max(low, scale.lowest), min(high, scale.highest)

    interval = within(*found.interval) if found.interval else None
    return replace(found, interval=interval, split_interval=within(found.value - half, found.value + half))


def _row_variance(runs: Sequence[StoredRun], others: Sequence[StoredRun], metric: str, factor: float) -> float:
    """The variance that comes from the choice of the evaluation rows, of a mean or of a difference of two."""
    weights = np.array([1.0, -factor] if others else [1.0])
    return max(0.0, float(weights @ row_covariance([runs, others] if others else [runs], metric) @ weights))


def _right(side: Sequence[Outcomes]) -> NDArray[np.float64]:
    """How often each row was predicted right, over the seeds; shape (examples,)."""
    return np.asarray(np.mean([one.predictions == one.references for one in side], axis=0), dtype=np.float64)
