"""What a session leaves behind: its scenarios in their own words, and every claim with its verdict and evidence.

The records are plain JSON. The runs stay in the store; a claim holds the fingerprints of those it was judged by.
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from bertspec.records import FrozenRecord

__all__ = ["SESSION_LAYOUT", "ClaimRecord", "Compared", "ScenarioRecord", "SessionRecord", "StepLine"]

SESSION_LAYOUT: Final = 2
"""The layout of a session's record; earlier stores have layout 1."""


class ClaimRecord(FrozenRecord):
    """A judged claim."""

    claim: str
    """The claim in words, such as ``accuracy is at least 0.9``."""
    subject: str
    """What the claim is about, such as ``bert-tiny · bundled/sentiment · adamw``."""
    quantity: str = ""
    """What was measured, such as ``accuracy``."""
    verdict: Literal["PASS", "FAIL", "UNDECIDED"]
    value: float
    """A mean over seeds, a difference, a ratio or a count; infinite if a target was never reached."""
    bound: float
    """The bound; of a range, the lower one."""
    direction: Literal["at least", "at most", "between"] = "at least"
    upper: float | None = None
    """The upper bound of a range."""
    promise: bool = True
    """Whether the claim says that something is good; not so if it must be refused, or says that little is learned."""
    denied: bool = False
    """Whether the opposite is claimed: that this does not pass. The verdict is then that on the opposite."""
    interval: tuple[float, float] | None = None
    """The 95 % interval of the value over training seeds or timed rounds."""
    split_interval: tuple[float, float] | None = None
    """The 95 % interval from the choice of the evaluation rows; no rule uses it."""
    rule: str | None = None
    """The rule that decided: ``mean``, ``collapse``, ``ceiling``, ``contamination``, ``difference``, ``ratio``,
    ``best``, ``steps`` or ``sensitivity``."""
    values: tuple[float, ...] = ()
    """The measurement of each run or timed round, in order; of a comparison, seed by seed."""
    spread: float | None = None
    """The assumed spread over seeds, an upper 90 % limit of a standard deviation."""
    spread_source: str | None = None
    """Where the spread comes from: a calibration record or a conservative prior."""
    detectable_drop: str | None = None
    """The truth that the rule refuses with 95 % probability, in words."""
    pass_rates: str | None = None
    """How often the claim passes with the truth at the bound, and two spreads on either side."""
    reason: str | None = None
    """Why the claim did not pass, and what would settle it."""
    bound_source: str | None = None
    """Where the bound comes from, if the scenario says so."""
    origin: str | None = None
    """How many runs were trained in this session, and how many came from the store."""
    runs: tuple[str, ...] = ()
    """The fingerprints of the study's runs, in the order of its seeds; the claim was judged by the first
    ``len(values)`` of them."""
    others: tuple[str, ...] = ()
    """The fingerprints of the study that it was compared with."""


class StepLine(FrozenRecord):
    """A step as the feature file has it, with the example's values filled in."""

    keyword: str
    text: str
    table: tuple[tuple[str, ...], ...] = ()
    line: int
    outcome: Literal["passed", "failed", "skipped"] = "skipped"
    """A step after the failed one is ``skipped``."""
    duration_s: float = 0.0
    claims: int = 0
    """The number of claims that the step judged."""


class ScenarioRecord(FrozenRecord):
    """A scenario, or one example of an outline."""

    node: str
    """Its id in pytest."""
    path: str
    """The feature file, relative to the root folder, with forward slashes."""
    line: int
    feature: str
    """The title of the feature."""
    description: str = ""
    """The prose below that title."""
    rule: str | None = None
    """The title of the rule, if the scenario belongs to one."""
    title: str
    tags: tuple[str, ...] = ()
    steps: tuple[StepLine, ...] = ()
    outcome: Literal["passed", "failed", "not run"]
    reason: str | None = None
    """Why it was not run, or the message with which it failed."""
    duration_s: float = 0.0
    claims: tuple[ClaimRecord, ...] = ()


class Compared(FrozenRecord):
    """A quantity of this session, compared with a baseline."""

    outcome: Literal["PASS", "FAIL", "UNDECIDED", "MISSING"]
    """FAIL is a regression; PASS, no regression; UNDECIDED, not to be decided here, such as a speed on another machine;
    MISSING, something that the baseline has and the session has not. The last two have a reason."""
    title: str
    """The study, such as ``bert-tiny · bundled/sentiment · adamw``."""
    quantity: str
    """A metric, ``peak memory, MiB``, or a ratio of speeds."""
    then: float | None = None
    """The mean in the baseline; of a ratio, the geometric mean."""
    now: float | None = None
    """The mean in this session."""
    interval: tuple[float, float] | None = None
    """The 95 % interval of the change, uncorrected."""
    detectable_drop: float | None = None
    """The smallest drop of a metric that would be detected with 95 % probability, in a comparison of this metric
    alone."""
    reason: str | None = None


class SessionRecord(FrozenRecord):
    """All scenarios of a session of pytest."""

    layout: Literal[2] = SESSION_LAYOUT
    session: str
    """The session's random id."""
    started: str
    """ISO 8601 in UTC."""
    finished: str
    command: str
    """The command line, such as ``pytest features/ -k bert``."""
    versions: dict[str, str] = Field(default={})
    """The versions of Python and of the packages that matter."""
    machine: str = ""
    """Processor, cores, system and accelerator in a few words."""
    scenarios: tuple[ScenarioRecord, ...] = ()
    against: str | None = None
    """The baseline of ``--against``, and its date."""
    compared: tuple[Compared, ...] = ()
