"""Write a report of a pytest session and of the sweeps: one self-contained HTML page, Markdown, or a W&B Report."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from bertspec.cli import console, options
from bertspec.printing import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bertspec.results import SessionRecord, SweepRecord
    from bertspec.store import Store

__all__ = ["EPILOG", "HELP", "NAME", "add_arguments", "execute"]

NAME = "report"
HELP = "write the report of a session, as HTML, Markdown or a W&B Report"
EPILOG = """\
examples:
  bertspec report
  bertspec report --output site/index.html
  bertspec report --output - --format markdown
  bertspec report --format wandb                  # pip install 'bertspec[wandb-report]'

The page has every scenario with its steps, each claim with its interval, bound and seeds, learning curves, confusion
matrices, quality against cost, the store's sweeps, and the provenance of everything. pytest writes it, too, with
--spec-report=PATH.
A W&B Report has the claims, and charts of the session's runs that W&B has; bertspec sync pushes the others.
"""

_FORMATS = {"html": ".html", "markdown": ".md", "wandb": ""}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the session, the format and the output."""
    parser.add_argument("--session", metavar="FILE", help="the record of a session (default: the last one)")
    parser.add_argument("--format", choices=tuple(_FORMATS), default="html", help="default: html")
    parser.add_argument(
        "--output", metavar="PATH", help="default: bertspec-report.html, or .md, in this folder; - is standard output"
    )
    options.add_store(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Write the report of a session."""
    from pathlib import Path

    from bertspec import report
    from bertspec.errors import InvalidConfig
    from bertspec.sources import Sources
    from bertspec.store import Store, project_root, sessions
    from bertspec.store.sweeps import sweeps

    kept = Store.locate(arguments.store)
    record = Path(arguments.session).resolve() if arguments.session else sessions.latest(kept.root / "sessions")
    sources = Sources.from_environment(project_root())
    if record is not None:
        session = sessions.read(record)
    elif sweeps(kept.root):
        session = _of_sweeps(sweeps(kept.root))
    else:
        raise InvalidConfig(
            "the store has no record of a session", allowed="pytest features/ or bertspec sweep, first", where=kept.root
        )
    if arguments.format == "wandb":
        console.show_lines(_published(session, kept))
        return 0
    html = arguments.format == "html"
    text = report.html(session, kept, sources) if html else report.markdown(session, sweeps(kept.root))
    if arguments.output == "-":
        console.show_lines(text.rstrip("\n"), keep="\n\t")
        return 0
    target = Path(arguments.output or f"bertspec-report{_FORMATS[arguments.format]}")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, "utf-8")
    console.show_lines(f"{target}: {counted(len(session.scenarios), 'scenario')} of {session.finished}")
    return 0


def _of_sweeps(swept: Sequence[SweepRecord]) -> SessionRecord:
    """A session without scenarios, for a store that has only sweeps."""
    from bertspec.results import SessionRecord

    last = swept[0]
    return SessionRecord(
        session=last.sha256, started=last.began, finished=last.finished or last.began, command="bertspec sweep"
    )


def _published(session: SessionRecord, kept: Store) -> str:
    from bertspec import report, tracking

    names = dict.fromkeys(name for scenario in session.scenarios for claim in scenario.claims for name in claim.runs)
    runs = [run for run in map(kept.get, names) if run is not None]
    return tracking.publish(
        f"bertspec: {session.finished}",
        report.markdown(session),
        fingerprints=list(names),
        metrics=list(dict.fromkeys(metric for run in runs for metric in run.result.facts.scores)),
    )
