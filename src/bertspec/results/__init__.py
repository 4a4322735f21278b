"""What came of it: frozen records of runs, sessions and sweeps, and the protocol by which a run reports progress."""

from __future__ import annotations

from bertspec.results.runs import (
    Curve,
    Environment,
    Origin,
    Outcomes,
    Provenance,
    RunFacts,
    RunObserver,
    RunResult,
    Source,
    Stop,
    Timings,
)
from bertspec.results.sessions import ClaimRecord, Compared, ScenarioRecord, SessionRecord, StepLine
from bertspec.results.sweeps import ComparisonRecord, ContenderRecord, Point, Setting, SweepRecord, TrialRecord

__all__ = [
    "ClaimRecord",
    "Compared",
    "ComparisonRecord",
    "ContenderRecord",
    "Curve",
    "Environment",
    "Origin",
    "Outcomes",
    "Point",
    "Provenance",
    "RunFacts",
    "RunObserver",
    "RunResult",
    "ScenarioRecord",
    "SessionRecord",
    "Setting",
    "Source",
    "StepLine",
    "Stop",
    "SweepRecord",
    "Timings",
    "TrialRecord",
]
