"""What a session of pytest showed: its scenarios in their own words, every claim with what was measured, as records."""

from __future__ import annotations

from bertspec.evidence.records import ClaimEvidence, Compared, ScenarioEvidence, SessionEvidence, StepLine

__all__ = ["ClaimEvidence", "Compared", "ScenarioEvidence", "SessionEvidence", "StepLine"]
