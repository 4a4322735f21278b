"""Claims about studies: runs are added while they are open, and what is too good to be true is refused."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bertspec import metrics, statistics
from bertspec.errors import InvalidConfig
from bertspec.statistics import Claim, Spread, Verdict
from bertspec.store import StoredRun
from bertspec.study import Study, collapses, row_covariance

__all__ = ["collapses", "guarded", "judge", "judge_collapse", "judge_contrast", "row_covariance"]


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
    known, allowance = metrics.find(claim.quantity), len(study.config.seeds)
    metric = known.name
    found = statistics.judge(claim, study.scores(metric), spread=spread, allowance=allowance)
    while found.more is not None:
        study.extend(found.more)
        found = statistics.judge(claim, study.scores(metric), spread=spread, allowance=allowance)
    runs = study.runs[: len(found.values)]
    found = _with_sampling(found, runs, metric)
    settled = not known.promised_by(claim.direction) or found.outcome == "FAIL" or len(runs) < statistics.FEWEST_RUNS
    return found if settled else guarded(found, study, runs, metric)


def judge_collapse(study: Study) -> Verdict:
    """The verdict on the claim that no seed collapses.

    Raises:
        InvalidConfig: the task's head has no rule for a collapse.
    """
    task = study.config.task
    if task.task_head.collapse is None:
        raise InvalidConfig(f"a {task.head} has no rule for a collapse", where=f"task {task.name!r}")
    return statistics.judge_collapse(collapses(study.runs))


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
    if study.inputs.splits.evaluation != other.inputs.splits.evaluation:
        raise InvalidConfig(
            "two studies are compared on the same rows",
            given=f"{study.config.title}; {other.config.title}",
            allowed="studies of one task and one evaluation split",
            where="the comparison",
        )
    words = f"{claim.quantity} is {claim.direction} {claim.bound:g} times the other's" if multiple else None
    quantity = claim.quantity if multiple else f"lead in {claim.quantity}"
    lead = Claim(quantity, claim.direction, claim.bound, claim.upper, claim.source, words)
    rows = _row_variance(study.runs, other.runs, known.name, claim.bound if multiple else 1.0)
    found = statistics.judge_contrast(
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


def guarded(found: Verdict, study: Study, runs: Sequence[StoredRun], metric: str) -> Verdict:
    """The same verdict, or FAIL by the first rule that holds whatever the mean: overlap, ceiling or collapse.

    Args:
        found: the verdict so far.
        study: the study that is said to be good.
        runs: those of its runs that the verdict went by.
        metric: what is claimed of it, by its name.
    """
    task, splits = study.config.task, study.inputs.splits
    columns = [column for column in (task.text, task.text_pair) if column is not None]
    texts = [
        zip(*(map(str, table[column]) for column in columns), strict=True)
        for table in (splits.evaluation, splits.train)
    ]
    counts = statistics.contamination(*texts)
    refused = statistics.refuse_contamination(found, counts, allowed=task.contamination_allowed)
    if refused.rule != "contamination" and splits.clean is not None and task.generated is not None:
        clean, outcomes = np.array(splits.clean, dtype=np.float64), [run.result.outcomes for run in runs]
        noise = task.generated.label_noise
        p_values = [statistics.leak_p(one.predictions, one.references, clean, noise) for one in outcomes]
        ceiling = metrics.score(metric, outcomes[0].references, clean)
        better = metrics.find(metric).better
        mean = float(np.mean([metrics.score(metric, one.references, one.predictions) for one in outcomes]))
        refused = statistics.refuse_leak(refused, mean=mean, ceiling=ceiling, p_values=p_values, better=better)
    if refused.rule == found.rule:
        refused = statistics.refuse_collapse(refused, collapses(runs))
    return refused


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
