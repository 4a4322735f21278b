"""What a session showed, as one page that a person would rather read than the terminal."""

from __future__ import annotations

from bertspec.report.evidence import ClaimEvidence, ScenarioEvidence, SessionEvidence, StepLine

__all__ = ["ClaimEvidence", "ScenarioEvidence", "SessionEvidence", "StepLine"]
