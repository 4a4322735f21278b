"""Keep what the last session of pytest reached as a baseline, for later builds to be compared with.

The file lies in baselines/, beside the features; commit it with the release that it stands for.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from bertspec.cli import console, options

if TYPE_CHECKING:
    from bertspec.baselines import Reached

__all__ = ["EPILOG", "HELP", "NAME", "add_arguments", "execute"]

NAME = "baseline"
HELP = "keep what a session reached, to compare later builds with"
EPILOG = """\
examples:
  bertspec baseline save 1.0          # after: pytest features/ --least-runs 5
  git add baselines/1.0.json
  pytest features/ --against 1.0

A comparison needs five seeds a side: --least-runs 5 makes them, and --against does so by itself. A regression is a
score that is worse than seeds explain; Holm's correction covers everything together. Peak memory is compared between
runs on the same accelerator, which counts each run alone (a margin of 5 %). Of time, only what scenarios measured in
turns is compared: a ratio of speeds that fell by more than 10 % on the same machine.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What to keep, and under which name."""
    parser.add_argument("act", choices=("save",), help="save: write baselines/NAME.json")
    parser.add_argument("name", metavar="NAME", help="such as the number of a release")
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
    record = Path(arguments.session) if arguments.session else sessions.latest(kept.root / "sessions")
    if record is None:
        raise InvalidConfig("no session has left a record", allowed="pytest features/, first", where=kept.root)
    session = sessions.read(record)
    studies, timings = baselines.reached(session, kept, options.catalog()), baselines.timed(session)
    if not studies:
        raise InvalidConfig("the session claimed no quality of any study", where=record)
    today = datetime.datetime.now(datetime.UTC).date()
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
    console.show_lines(f"{file}: {len(studies)} studies, {len(timings)} ratios of speeds")
    console.show_lines(*(_line(study) for study in studies))
    return 0


def _line(study: Reached) -> str:
    from bertspec.statistics import FEWEST_COMPARED

    mean, count = sum(study.scores) / len(study.scores), len(study.scores)
    few = f"  (too few to compare: at least {FEWEST_COMPARED})" if count < FEWEST_COMPARED else ""
    return f"  {study.title}  {study.metric} {mean:.4f} over {count} seeds{few}"
