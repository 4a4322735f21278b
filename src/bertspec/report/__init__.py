"""What a session showed, kept as a record, and drawn for people: one HTML page, or a few lines of Markdown."""

from __future__ import annotations

from bertspec.report.evidence import ClaimEvidence, ScenarioEvidence, SessionEvidence, StepLine
from bertspec.report.markdown import markdown
from bertspec.report.messages import messages
from bertspec.report.page import html

__all__ = ["ClaimEvidence", "ScenarioEvidence", "SessionEvidence", "StepLine", "html", "markdown", "messages"]
