"""What a session showed, drawn for people and machines: one HTML page, a few lines of Markdown, Cucumber Messages."""

from __future__ import annotations

from bertspec.report.markdown import markdown
from bertspec.report.messages import messages
from bertspec.report.page import html

__all__ = ["html", "markdown", "messages"]
