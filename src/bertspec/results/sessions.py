"""What a session leaves behind: its scenarios in their own words, and every claim with its evidence.

Plain records that travel as JSON. The runs themselves stay in the store; a claim names those it was judged by.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from bertspec.records import FrozenRecord

__all__ = ["ClaimRecord", "Compared", "ScenarioRecord", "SessionRecord", "StepLine"]


class ClaimRecord(FrozenRecord):
    """A judged claim."""

    claim: str
    """The claim in words, such as ``accuracy is at least 0.9``."""
    subject: str
    """What it is about, such as ``bert-tiny · bundled/sentiment · adamw``."""
    quantity: str = ""
    """What was measured, such as ``accuracy``."""
    verdict: Literal["PASS", "FAIL", "UNDECIDED"]
    value: float
    """What was measured: a mean over seeds, a difference, a ratio or a count; infinite where it never came."""
    bound: float
    direction: Literal["at least", "at most", "between"] = "at least"
    """The side of the bound that was claimed."""
    upper: float | None = None
    """The upper bound of a range."""
    promise: bool = True
    """Whether it says that something is good; not so a claim that must be refused, or that little is learned."""
    denied: bool = False
    """Whether the opposite is claimed: that it does not pass. The verdict is then that on the opposite."""
    interval: tuple[float, float] | None = None
    """The 95 % interval of the value over training seeds, or over timed rounds."""
    split_interval: tuple[float, float] | None = None
    """The 95 % interval that the choice of the evaluation rows leaves; it is not judged by."""
    rule: str | None = None
    """Which rule decided: ``mean``, ``collapse``, ``ceiling``, ``contamination``, ``difference``, ``ratio``,
    ``best``, ``steps``, ``sensitivity``."""
    values: tuple[float, ...] = ()
    """What each run, or each timed round, measured, in their order; of a comparison, seed by seed."""
    spread: float | None = None
    """The upper 90 % limit of the spread over seeds that the verdict went by."""
    spread_source: str | None = None
    """Where that came from: a calibration record, or a conservative prior."""
    detectable_drop: str | None = None
    """What the claim's own rule refuses, whatever came of it."""
    pass_rates: str | None = None
    """How often the claim passes by that rule at the bound, and two spreads either side."""
    reason: str | None = None
    """Why the claim did not pass, and what would settle it."""
    bound_source: str | None = None
    """Where the bound comes from; none where nobody said."""
    origin: str | None = None
    """Where the runs came from: trained now, or the store."""
    runs: tuple[str, ...] = ()
    """The fingerprints of the study's runs, in the order of its seeds; it was judged by the first of them, as many as
    there are values."""
    others: tuple[str, ...] = ()
    """The same of the study that it was compared with."""

    @field_validator("rule")
    @classmethod
    def _former_name(cls, rule: str | None) -> str | None:
        """Sessions that bertspec 0.1 recorded have ``overlap``."""
        return "contamination" if rule == "overlap" else rule


class StepLine(FrozenRecord):
    """A step as it stands in the feature file, an example's words filled in."""

    keyword: str
    text: str
    table: tuple[tuple[str, ...], ...] = ()
    line: int
    outcome: Literal["passed", "failed", "skipped"] = "skipped"
    """``skipped`` is every step that was not reached."""
    duration_s: float = 0.0
    claims: int = 0
    """How many claims it settled."""


class ScenarioRecord(FrozenRecord):
    """A scenario, or one example of an outline."""

    node: str
    """Pytest's id of it."""
    path: str
    """The feature file, relative to the root folder, with forward slashes."""
    line: int
    feature: str
    description: str = ""
    """The feature's prose."""
    rule: str | None = None
    title: str
    tags: tuple[str, ...] = ()
    steps: tuple[StepLine, ...] = ()
    outcome: Literal["passed", "failed", "not run"]
    reason: str | None = None
    """Why it was not run, or the message with which it failed."""
    duration_s: float = 0.0
    claims: tuple[ClaimRecord, ...] = ()


class Compared(FrozenRecord):
    """What became of one quantity since a baseline."""

    outcome: Literal["PASS", "FAIL", "UNDECIDED"]
    """FAIL is a regression; PASS means that none was found; UNDECIDED, that nothing can be said, and why."""
    title: str
    """What it is a quantity of, such as ``bert-tiny · bundled/sentiment · adamw``."""
    quantity: str
    """A metric, ``peak memory, MiB``, or a ratio of speeds."""
    then: float | None = None
    """The mean of the baseline; of a ratio, the geometric mean."""
    now: float | None = None
    """The same of this session."""
    interval: tuple[float, float] | None = None
    """The 95 % interval of the change, by itself."""
    smallest: float | None = None
    """The smallest drop of a metric that would have been found with 95 % probability, had it been the only one."""
    reason: str | None = None


class SessionRecord(FrozenRecord):
    """Everything that one session showed."""

    layout: Literal[1] = 1
    session: str
    started: str
    """ISO 8601 in UTC."""
    finished: str
    command: str
    """What was typed, such as ``pytest features/ -k bert``."""
    versions: dict[str, str] = Field(default={})
    machine: str = ""
    """The machine in a few words: processor, cores, accelerator."""
    scenarios: tuple[ScenarioRecord, ...] = ()
    against: str | None = None
    """The baseline that it was compared with, and its date."""
    compared: tuple[Compared, ...] = ()
