"""A session as an HTML page, as Markdown, or as Cucumber Messages; runs and studies as SVG."""

from __future__ import annotations

from bertspec.report.markdown import markdown
from bertspec.report.messages import messages
from bertspec.report.page import html
from bertspec.report.plots import draw

__all__ = ["draw", "html", "markdown", "messages"]
