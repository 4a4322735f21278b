"""What a session showed, kept for the reports that are drawn from it."""

from __future__ import annotations

from bertspec.report.evidence import ClaimEvidence, ScenarioEvidence, SessionEvidence, StepLine

__all__ = ["ClaimEvidence", "ScenarioEvidence", "SessionEvidence", "StepLine"]
