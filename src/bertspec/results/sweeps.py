"""The record of a sweep: its trials, and the comparison of its contenders. One JSON file per sweep."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from bertspec.records import FrozenRecord

__all__ = ["SWEEP_LAYOUT", "ComparisonRecord", "ContenderRecord", "Point", "Setting", "SweepRecord", "TrialRecord"]

SWEEP_LAYOUT: Final = 2
"""The layout of a sweep's record; earlier stores have layout 1, which wrote no number."""

Setting = bool | int | float | str | None


class Point(FrozenRecord):
    """An evaluation of a trial during training."""

    step: int
    """Optimizer steps taken."""
    value: float
    """The sweep's metric, the mean over the trial's seeds."""


class TrialRecord(FrozenRecord):
    """One choice of parameters, and its outcome on the tuning split."""

    number: int
    """From 0, in the order of the search."""
    parameters: dict[str, Setting]
    """The parameters of the trial; nested names are joined with dots."""
    contender: str | None = None
    """The value of the parameter that the sweep compares, such as ``adamw``; ``None`` if it compares nothing."""
    state: Literal["finished", "stopped", "failed"]
    """Whether it was trained to its end, was stopped early, or could not be trained."""
    reason: str | None = None
    """Why it was stopped or failed."""
    seeds: tuple[int, ...] = ()
    scores: tuple[float, ...] = ()
    """The sweep's metric on the tuning split after the last step, one value per seed."""
    score: float | None = None
    """Their mean, by which the best trial is chosen; of a stopped trial, its last value."""
    diverged: int = 0
    """The number of seeds that diverged."""
    points: tuple[Point, ...] = ()
    """Its evaluations during training, if the sweep has any."""
    tokens: int = 0
    """Tokens trained on, over all seeds."""
    seconds: float = 0.0
    """Wall-clock seconds of training, over all seeds; runs from the store count with the time that they took."""
    runs: tuple[str, ...] = ()
    """The fingerprints of its runs, in the order of the seeds."""
    finished: str
    """When it ended, ISO 8601 in UTC."""


class ContenderRecord(FrozenRecord):
    """One contender: its tuning, and the confirmation of its best trial."""

    name: str
    trials: int
    """The number of trials, stopped and failed ones included: each counts towards the budget."""
    tokens: int
    """Tokens trained on by its trials."""
    best: int | None
    """The number of the trial with the best score; ``None`` if no trial finished."""
    parameters: dict[str, Setting] = Field(default_factory=dict)
    """The parameters of that trial."""
    tuned: float | None = None
    """The score of that trial on the tuning split; being the best of several, it is biased upwards."""
    seeds: tuple[int, ...] = ()
    """The seeds of the confirmation, which no trial had."""
    values: tuple[float, ...] = ()
    """The score of each of them on the evaluation split."""
    mean: float | None = None
    interval: tuple[float, float] | None = None
    """The 95 % interval of the mean."""
    ranks: tuple[int, int] | None = None
    """The best and the worst rank that the comparison leaves open."""
    collapsed: int = 0
    """The number of confirmation seeds that collapsed."""
    runs: tuple[str, ...] = ()
    """The fingerprints of the confirmation's runs."""
    steps_to: tuple[int | None, ...] = ()
    """Steps after which each confirmation seed reached the target; ``None`` for a seed that never did."""
    sensitivity: float | None = None
    """The decades of the learning rate over which its tuning score stays within the tolerance of its best."""
    curve: tuple[tuple[float, float], ...] = ()
    """Its finished trials as (learning rate, score), by rising learning rate."""


class ComparisonRecord(FrozenRecord):
    """Contenders with equal budgets: tuned, confirmed on fresh seeds, and ranked with Holm's correction."""

    parameter: str
    """The parameter whose values are compared, such as ``optimizer``."""
    contenders: tuple[ContenderRecord, ...]
    """The best first."""
    ties: tuple[tuple[str, str], ...] = ()
    """Pairs whose difference may be due to chance."""
    unfair: tuple[str, ...] = ()
    """Why the comparison is not fair, in words; no claim about it may pass then."""
    tolerance: float
    """How far below its best a score still counts as near it, for the sensitivity."""


class SweepRecord(FrozenRecord):
    """A sweep, finished or not."""

    layout: Literal[2] = SWEEP_LAYOUT
    name: str
    """The name in its file, or the name of the file."""
    sha256: str
    """The hash of its plan: the same plan is the same sweep."""
    metric: str
    goal: Literal["maximize", "minimize"]
    method: Literal["grid", "random", "bayes"]
    planned: int
    """The number of trials that it is to have."""
    trials: tuple[TrialRecord, ...]
    """By number."""
    comparison: ComparisonRecord | None = None
    """``None`` before the comparison, and if the sweep compares nothing."""
    began: str
    finished: str | None = None
    """When it ended, ISO 8601 in UTC; ``None`` while trials are missing."""
