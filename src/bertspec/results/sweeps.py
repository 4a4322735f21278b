"""What a sweep leaves behind: its trials, and the comparison that was made of them. One JSON file each."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bertspec.records import FrozenRecord

__all__ = ["ComparisonRecord", "ContenderRecord", "Point", "Setting", "SweepRecord", "TrialRecord"]

Setting = bool | int | float | str | None


class Point(FrozenRecord):
    """What a trial had reached on the way."""

    step: int
    """Optimizer steps taken."""
    value: float
    """The sweep's metric, the mean over the trial's seeds."""


class TrialRecord(FrozenRecord):
    """One choice of parameters, with what came of it on the tuning split."""

    number: int
    """From 0, in the order in which they were proposed."""
    parameters: dict[str, Setting]
    """What this trial was asked to use; the names of nested parameters are joined by dots."""
    contender: str | None = None
    """The value of the parameter that the sweep compares, such as ``adamw``; none where it compares nothing."""
    state: Literal["finished", "stopped", "failed"]
    """Whether it went to its end, was stopped early as hopeless, or could not be trained."""
    reason: str | None = None
    """Why it was stopped, or failed."""
    seeds: tuple[int, ...] = ()
    scores: tuple[float, ...] = ()
    """The sweep's metric, one for each seed, on the tuning split after the last step."""
    score: float | None = None
    """Their mean: seeds are put together before anything is chosen. Of a stopped trial, its last value."""
    diverged: int = 0
    """How many of its seeds diverged."""
    points: tuple[Point, ...] = ()
    """What it reached on the way, where the sweep evaluates on the way."""
    tokens: int = 0
    """Tokens trained on, over all seeds."""
    seconds: float = 0.0
    """Wall-clock seconds of training, over all seeds; what came from the store counts as it took then."""
    runs: tuple[str, ...] = ()
    """The fingerprints of its runs, seed by seed."""
    finished: str
    """When it ended, ISO 8601 in UTC."""


class ContenderRecord(FrozenRecord):
    """One of the things that are compared: its tuning, and its confirmation at the best trial."""

    name: str
    trials: int
    """Finished, stopped and failed ones: each is a part of the budget."""
    tokens: int
    """Tokens that its tuning trained on."""
    best: int | None
    """The number of its best trial by the mean over tuning seeds; none where no trial finished."""
    parameters: dict[str, Setting] = Field(default_factory=dict)
    """The parameters of that trial."""
    tuned: float | None = None
    """The score of that trial, on the tuning split: it is chosen, and so too good."""
    seeds: tuple[int, ...] = ()
    """The seeds of the confirmation, which no tuning has seen."""
    values: tuple[float, ...] = ()
    """One score for each of them, on the evaluation split."""
    mean: float | None = None
    interval: tuple[float, float] | None = None
    """The 95 % interval of the mean."""
    ranks: tuple[int, int] | None = None
    """The best and the worst place in the ranking that the comparison leaves open; equal numbers are no tie."""
    collapsed: int = 0
    """How many seeds of the confirmation collapsed."""
    runs: tuple[str, ...] = ()
    """The fingerprints of the confirmation's runs."""
    steps_to: tuple[int | None, ...] = ()
    """Steps until each seed of the confirmation reached the target, where there is one; none where it never did."""
    sensitivity: float | None = None
    """Decades of the learning rate over which its tuning score stays within the tolerance of its best."""
    curve: tuple[tuple[float, float], ...] = ()
    """Its finished trials as (learning rate, score), rising."""


class ComparisonRecord(FrozenRecord):
    """Equal budgets, chosen on the tuning split, confirmed on fresh seeds, ranked with Holm's correction."""

    parameter: str
    """The parameter whose values are compared, such as ``optimizer``."""
    contenders: tuple[ContenderRecord, ...]
    """The best first."""
    ties: tuple[tuple[str, str], ...] = ()
    """Pairs whose difference may be chance."""
    unfair: tuple[str, ...] = ()
    """Why the comparison is not fair, in words; nothing is claimed of it then."""
    tolerance: float
    """What the sensitivity counts as near the best."""


class SweepRecord(FrozenRecord):
    """A sweep, as far as it has come."""

    layout: int = 1
    """The layout of the record; a reader leaves any other alone."""
    name: str
    """The name in its file, or the file's own."""
    sha256: str
    """The hash of what was asked for: the same question is the same sweep."""
    metric: str
    goal: Literal["maximize", "minimize"]
    method: Literal["grid", "random", "bayes"]
    planned: int
    """How many trials it is to have."""
    trials: tuple[TrialRecord, ...]
    """In the order of their numbers."""
    comparison: ComparisonRecord | None = None
    """None until it is made, and where the sweep compares nothing."""
    began: str
    finished: str | None = None
    """When it was over, ISO 8601 in UTC; none while trials are to come."""
