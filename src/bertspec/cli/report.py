"""Draw what a session of pytest showed: one HTML page that asks nobody for anything, or a few lines of Markdown."""

from __future__ import annotations

import argparse

from bertspec.cli import bench, console

__all__ = ["EPILOG", "HELP", "NAME", "add_arguments", "execute"]

NAME = "report"
HELP = "draw what a session showed, as HTML or Markdown"
EPILOG = """\
examples:
  bertspec report
  bertspec report --output site/index.html
  bertspec report --output - --format markdown

The page holds every scenario in its own words, each claim with its interval, its bound and its seeds, learning curves,
confusion matrices, quality against cost, and where everything came from. pytest writes it too: --spec-report=PATH.
"""

_FORMATS = {"html": ".html", "markdown": ".md"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which session, and where to."""
    parser.add_argument("--session", metavar="FILE", help="the record of a session (default: the last one)")
    parser.add_argument("--format", choices=tuple(_FORMATS), default="html", help="default: html")
    parser.add_argument("--output", metavar="PATH", help="default: bertspec-report.html, or .md, here; - writes it out")
    bench.add_store(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Write the report of a session."""
    from pathlib import Path

    from bertspec import report
    from bertspec.errors import InvalidSpec
    from bertspec.evidence import sessions
    from bertspec.sources.places import Places

    kept = bench.store(arguments)
    record = Path(arguments.session) if arguments.session else sessions.latest(kept.root / "sessions")
    if record is None:
        raise InvalidSpec("no session has left a record", allowed="pytest features/, first", where=kept.root)
    session, places = sessions.read(record), Places.from_environment(bench.root())
    text = report.html(session, kept, places) if arguments.format == "html" else report.markdown(session)
    if arguments.output == "-":
        console.show_lines(text.rstrip("\n"))
        return 0
    target = Path(arguments.output or f"bertspec-report{_FORMATS[arguments.format]}")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, "utf-8")
    console.show_lines(f"{target}: {len(session.scenarios)} scenarios of {session.finished}")
    return 0
