"""Push the runs that were logged offline to W&B, and check that they arrived."""

from __future__ import annotations

import argparse

from bertspec.cli import console, options

__all__ = ["EPILOG", "HELP", "NAME", "add_arguments", "execute"]

NAME = "sync"
HELP = "push offline runs to W&B"
EPILOG = """\
examples:
  bertspec sync
  WANDB_BASE_URL=https://wandb.example.com bertspec sync

The key is the one of W&B's own tools (wandb login, or WANDB_API_KEY). A run counts as synced once the service confirms
that it has it. Exit status 1 if a run did not arrive.
--json writes a list of objects: run, name, outcome (arrived, already there, failed), detail.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--store`` and ``--json``."""
    options.add_store(parser)
    parser.add_argument("--json", action="store_true", help="write the report as JSON")


def execute(arguments: argparse.Namespace) -> int:
    """Push, check, and write the outcome of each run."""
    from dataclasses import asdict

    from bertspec.store import Store
    from bertspec.tracking import sync

    report = sync(Store.locate(arguments.store).tracking)
    if arguments.json:
        console.show_json([asdict(run) for run in report])
    elif not report:
        console.show_lines("nothing was logged offline")
    else:
        table = console.table("outcome", "run", "name", "detail")
        for run in report:
            table.add_row(run.outcome, run.run, run.name, run.detail)
        console.show_table(table)
    return 1 if any(run.outcome == "failed" for run in report) else 0
