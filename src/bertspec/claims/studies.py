"""Claims about studies: a mean, a difference or a multiple of two means, collapsed seeds, and ratios timed in turns."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from bertspec import metrics, statistics, study
from bertspec.claims import calibration
from bertspec.config import StudyConfig
from bertspec.errors import InvalidConfig
from bertspec.inference.records import Pair, Percentile
from bertspec.results import Outcomes
from bertspec.statistics import Claim, Contamination, Direction, Spread, Verdict
from bertspec.store import StoredRun
from bertspec.study import Session, Study, Timing
from bertspec.study.timing import Act

__all__ = [
    "at_its_record",
    "begin",
    "contamination",
    "guarded",
    "judge",
    "judge_collapse",
    "judge_contrast",
    "judge_latency",
    "judge_rate",
    "judge_speed",
    "problems",
    "promises",
    "until_decided",
]

_SPREADS_BELOW = 2.0
"""How far a calibrated bound lies below the record's mean, in s⁺. An unchanged build then fails once in 9,000."""
_GOOD = ("ratio", "best", "steps", "sensitivity")
"""The rules of claims that always say that something is good."""


def until_decided(look: Callable[[], Verdict], extend: Callable[[int], None]) -> Verdict:
    """Look at a claim; while it is open and a later look may decide it, run more seeds and look again.

    Args:
        look: judges the claim by the runs so far; the ``more`` of its verdict is the number of runs that the next look
            needs, and None ends the loop.
        extend: runs the seeds up to that number.

    Raises:
        BertspecError: a run failed; finished runs are kept.
    """
    verdict = look()
    while verdict.more is not None:
        extend(verdict.more)
        verdict = look()
    return verdict


def begin(config: StudyConfig, session: Session, *, least_runs: int = 0) -> Study:
    """The study with the runs that the first look at a claim needs; a claim that stays open adds more.

    Args:
        config: the study; its seeds are an upper limit.
        session: where it runs.
        least_runs: runs to begin with, even if the first look needs fewer.

    Raises:
        BertspecError: see :func:`bertspec.engine.run`; finished runs are kept.
    """
    begun = study.prepare(config, session)
    begun.extend(max(statistics.looks(len(config.seeds))[0], least_runs))
    return begun


def judge(of: Study, claim: Claim, spread: Spread | None = None) -> Verdict:
    """Judge a claim on the mean of a metric over the seeds; runs are added while it is open.

    A claim of quality also fails, whatever the mean, if too many seeds collapsed, if the score is above the best
    possible one, or if the scored rows were trained on.

    Args:
        of: the study, with its first runs.
        claim: the claim, on a metric by its name or title.
        spread: the assumed spread over seeds; None takes the calibration record, or a prior.

    Raises:
        BertspecError: the metric does not fit the task, or a run failed.
    """
    metric, seed_limit = metrics.find(claim.quantity), len(of.config.seeds)
    assumed = spread or calibration.spread_of(of, metric.name)
    verdict = until_decided(
        lambda: statistics.judge(claim, of.scores(metric.name), spread=assumed, seed_limit=seed_limit), of.extend
    )
    runs = of.runs[: len(verdict.values)]
    verdict = _with_split_interval(verdict, runs, metric)
    few = len(runs) < statistics.FEWEST_RUNS
    unguarded = few or verdict.outcome == "FAIL" or not metric.promised_by(claim.direction)
    return verdict if unguarded else guarded(verdict, of, runs, metric.name)


def judge_contrast(
    of: Study,
    other: Study,
    claim: Claim,
    spreads: tuple[Spread, Spread] | None = None,
    *,
    multiple: bool = False,
) -> Verdict:
    """Judge how far a study's mean exceeds another's, or how many times the other's mean it is.

    The studies share their evaluation rows, so the variance from the rows is counted pair by pair. The study that is
    claimed to be better fails the claim by a collapse, a leak or contamination, as in :func:`judge`; the other may be
    bad.

    Args:
        of: the first study, with all its runs.
        other: the second study, with all its runs.
        claim: the claim on the difference or the multiple, of a metric by its name or title.
        spreads: the assumed spread over seeds of each; None takes their calibration records, or a prior.
        multiple: whether the bound is what the second mean is multiplied by.

    Raises:
        BertspecError: the metric does not fit the task, or the studies were scored on different rows.
    """
    metric = metrics.find(claim.quantity)
    if of.inputs.splits.evaluation != other.inputs.splits.evaluation:
        raise InvalidConfig(
            "two studies are compared on the same rows",
            given=f"{of.config.title}; {other.config.title}",
            allowed="studies of one task and one evaluation split",
            where="the comparison",
        )
    words = f"{claim.quantity} is {claim.direction} {claim.bound:g} times the other's" if multiple else None
    quantity = claim.quantity if multiple else f"lead in {claim.quantity}"
    rows = statistics.row_variance(
        _outcomes(of.runs), metric.name, others=_outcomes(other.runs), factor=claim.bound if multiple else 1.0
    )
    verdict = statistics.judge_contrast(
        replace(claim, quantity=quantity, words=words, metric=claim.quantity),
        of.scores(metric.name),
        other.scores(metric.name),
        spreads=spreads or (calibration.spread_of(of, metric.name), calibration.spread_of(other, metric.name)),
        sampling_variance=rows,
        multiple=multiple,
    )
    better = of if metric.promised_by(claim.direction) else other
    unguarded = verdict.outcome == "FAIL" or verdict.interval is None
    return verdict if unguarded else guarded(verdict, better, better.runs, metric.name)


def judge_collapse(of: Study) -> Verdict:
    """Judge the claim that no seed collapses.

    Raises:
        InvalidConfig: the task's head has no rule for a collapse.
    """
    task, rule = of.config.task, of.config.task.task_head.collapse
    if rule is None:
        raise InvalidConfig(
            f"a {task.head} head has no rule for a collapse",
            given=task.head,
            allowed="a classification task",
            where=f"task {task.name!r}",
        )
    return statistics.judge_collapse([run.result.outcomes.collapsed for run in of.runs], rule)


def judge_speed(timing: Timing, act: Act, bound: float) -> Verdict:
    """Judge that the first encoder trains on, or evaluates, at least ``bound`` times as many examples a second."""
    quantity = "training speed ratio" if act == "trains on" else "evaluation speed ratio"
    return statistics.judge_ratio(Claim(quantity, "at least", bound), timing.ratios(act))


def judge_latency(pair: Pair, percentile: Percentile, bound: float) -> Verdict:
    """Judge that the first encoder answers one text in at most ``bound`` times the time of the second.

    Raises:
        InvalidConfig: a round has so few calls that its slowest call would be that percentile.
    """
    calls, needed = len(pair.first.latencies.rounds[0]), 100 // (100 - percentile)
    if calls < needed:
        raise InvalidConfig(
            f"a {percentile}th percentile needs more calls in each round", given=calls, allowed=f"at least {needed}"
        )
    quantity = f"p{percentile} latency ratio at {pair.first.length} tokens"
    return statistics.judge_ratio(Claim(quantity, "at most", bound), pair.latency_ratios(percentile))


def judge_rate(pair: Pair, bound: float) -> Verdict:
    """Judge that the first encoder answers at least ``bound`` times as many texts a second, in batches."""
    claim = Claim(f"throughput ratio at {pair.first.length} tokens", "at least", bound)
    return statistics.judge_ratio(claim, pair.rate_ratios())


def at_its_record(of: Study, metric: str) -> Claim:
    """The claim that a metric is where its calibration record has it: at most two s⁺ worse than the recorded mean.

    Raises:
        InvalidConfig: the study has no record that may be used.
        UnknownName: no metric has that name.
    """
    record, known = calibration.measured(calibration.reference(of), metric, of.config)
    lower = metrics.find(metric).better == "lower"
    bound = round(known.mean + (1 if lower else -1) * _SPREADS_BELOW * known.std_upper, 4)
    source = (
        f"calibrated: {known.mean:.4f} in {len(record.seeds)} runs of {record.made}, "
        f"{'plus' if lower else 'less'} 2 spreads of {known.std_upper:g}"
    )
    return Claim(metric, "at most" if lower else "at least", bound, source=source)


def guarded(verdict: Verdict, of: Study, runs: Sequence[StoredRun], metric: str) -> Verdict:
    """The same verdict, or FAIL by the first rule that holds whatever the mean: contamination, ceiling or collapse.

    Args:
        verdict: the verdict so far.
        of: the study that is claimed to be good.
        runs: those of its runs that the verdict used.
        metric: the claimed metric, by its name.
    """
    task, splits, outcomes = of.config.task, of.inputs.splits, _outcomes(runs)
    refused = statistics.refuse_contamination(verdict, contamination(of), allowed=task.contamination_allowed)
    if refused.rule != "contamination" and splits.clean is not None and task.generated is not None:
        clean, noise = np.array(splits.clean, dtype=np.float64), task.generated.label_noise
        score = metrics.find(metric).function
        refused = statistics.refuse_leak(
            refused,
            mean=float(np.mean([score(one.references, one.predictions) for one in outcomes])),
            ceiling=score(outcomes[0].references, clean),
            p_values=[statistics.leak_p(one.predictions, one.references, clean, noise) for one in outcomes],
            better=metrics.find(metric).better,
        )
    rule = task.task_head.collapse
    if refused.rule == verdict.rule and rule is not None:
        refused = statistics.refuse_collapse(refused, [one.collapsed for one in outcomes], rule)
    return refused


def contamination(of: Study) -> Contamination:
    """How many of the scored rows of a study were also trained on."""
    task, splits = of.config.task, of.inputs.splits
    columns = [column for column in (task.text, task.text_pair) if column is not None]
    texts = [
        zip(*(map(str, table[column]) for column in columns), strict=True)
        for table in (splits.evaluation, splits.train)
    ]
    return statistics.contamination(*texts)


def problems(of: Study, counts: Contamination) -> tuple[str, ...]:
    """What fails every claim of quality about a study, whatever its mean: contamination and collapsed seeds.

    Args:
        of: the study, with all its runs.
        counts: see :func:`contamination`.
    """
    task = of.config.task
    reasons = [statistics.contamination_problem(counts, allowed=task.contamination_allowed)]
    if (rule := task.task_head.collapse) is not None:
        reasons.append(statistics.collapse_problem([one.collapsed for one in _outcomes(of.runs)], rule))
    return tuple(reason for reason in reasons if reason is not None)


def promises(claim: Claim | Verdict) -> bool:
    """Whether a claim says that something is good, rather than that little is learned or that a claim must not pass."""
    if isinstance(claim, Verdict):
        return not claim.claim.denied and (claim.rule in _GOOD or promises(claim.claim))
    return not claim.denied and _promises_quality(claim.metric or claim.quantity, claim.direction)


def _promises_quality(quantity: str, direction: Direction) -> bool:
    known = [metric for metric in metrics.METRICS.values() if quantity in (metric.name, metric.title)]
    return known[0].promised_by(direction) if known else direction != "at most"


def _with_split_interval(verdict: Verdict, runs: Sequence[StoredRun], metric: metrics.Metric) -> Verdict:
    """The verdict with the interval from the choice of the evaluation rows; no interval leaves the metric's scale.

    If the rows are scored alike, as at an accuracy of 1, their variance is 0 and says nothing of other rows.
    """
    half = 1.96 * math.sqrt(statistics.row_variance(_outcomes(runs), metric.name))

    def within(low: float, high: float) -> tuple[float, float]:
        return max(low, metric.lowest), min(high, metric.highest)

    interval = within(*verdict.interval) if verdict.interval else None
    split = within(verdict.value - half, verdict.value + half) if half > 0 else None
    return replace(verdict, interval=interval, split_interval=split)


def _outcomes(runs: Sequence[StoredRun]) -> list[Outcomes]:
    return [run.result.outcomes for run in runs]
