"""Save the scores and speeds of the last pytest session as a baseline that later builds are compared with.

The file is baselines/NAME.json, beside the features; commit it with its release.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from bertspec.cli import console, options
from bertspec.printing import counted

if TYPE_CHECKING:
    from bertspec.baselines import BaselineStudy

__all__ = ["EPILOG", "HELP", "NAME", "add_arguments", "execute"]

NAME = "baseline"
HELP = "save the scores of a session, to compare later builds with"
EPILOG = """\
examples:
  bertspec baseline save 1.0          # after: pytest features/ --least-runs 5
  git add baselines/1.0.json
  pytest features/ --against 1.0

What the baseline has and a session has not fails the session, unless it has --allow-missing: a study that was not run,
or under another recipe, by another metric or on too few seeds.
A comparison needs five seeds on each side: --least-runs 5 trains them, and so does --against. A regression is a score
that is worse than the seeds explain, with Holm's correction over the whole comparison. Peak memory is compared between
runs on the same accelerator, with a margin of 5 %. Speed is compared only as ratios that scenarios measured in turns on
the same machine: one that fell by more than 10 % is a regression.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the name and the session."""
    parser.add_argument("act", choices=("save",), help="save: write baselines/NAME.json")
    parser.add_argument("name", metavar="NAME", help="such as the version of a release")
    parser.add_argument("--session", metavar="FILE", help="the record of a session (default: the last one)")
    options.add_store(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Write the baseline of a session."""
    import datetime
    from pathlib import Path

    from bertspec import baselines
    from bertspec.errors import InvalidConfig
    from bertspec.store import Store, project_root, sessions

    kept, file = Store.locate(arguments.store), baselines.path_of(arguments.name, project_root())
    record = Path(arguments.session).resolve() if arguments.session else sessions.latest(kept.root / "sessions")
    if record is None:
        raise InvalidConfig("the store has no record of a session", allowed="pytest features/, first", where=kept.root)
    session = sessions.read(record)
    studies, timings = baselines.studies_of(session, kept, options.catalog()), baselines.timings_of(session)
    if not studies:
        raise InvalidConfig("the session has no claim about the quality of a study", where=record)
    today, replaced = datetime.datetime.now(datetime.UTC).date(), file.exists()
    baselines.write(
        baselines.Baseline(
            name=arguments.name,
            made=today,
            session=session.session,
            versions=session.versions,
            studies=studies,
            timings=timings,
        ),
        file,
    )
    console.show_lines(f"{file}: {counted(len(studies), 'study', 'studies')}, {counted(len(timings), 'speed ratio')}")
    console.show_lines(*(_line(study) for study in studies))
    failed = sum(scenario.outcome == "failed" for scenario in session.scenarios)
    if failed:
        console.show_lines(f"  note: {counted(failed, 'scenario')} of this session did not pass")
    if replaced:
        console.show_lines("  note: a baseline of this name was replaced")
    return 0


def _line(study: BaselineStudy) -> str:
    from bertspec.statistics import FEWEST_COMPARED

    mean, count = sum(study.scores) / len(study.scores), len(study.scores)
    few = f"  (too few to compare: at least {FEWEST_COMPARED})" if count < FEWEST_COMPARED else ""
    return f"  {study.title}  {study.metric} {mean:.4f} over {count} seeds{few}"
