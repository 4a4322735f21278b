"""Push to W&B what was logged offline, and check that it arrived."""

from __future__ import annotations

import argparse

from bertspec.cli import console, options

__all__ = ["EPILOG", "HELP", "NAME", "add_arguments", "execute"]

NAME = "sync"
HELP = "push to W&B what was logged offline"
EPILOG = """\
examples:
  bertspec sync
  WANDB_BASE_URL=https://wandb.example.com bertspec sync

The key comes from where W&B's own tools keep it (wandb login, or WANDB_API_KEY).
A run counts as synced once the service has said that it holds it. Exit status 1 where one is left behind.
--json writes a list of objects: run, name, outcome (arrived, already there, failed), detail.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the store is."""
    options.add_store(parser)
    parser.add_argument("--json", action="store_true", help="write the report for machines")


def execute(arguments: argparse.Namespace) -> int:
    """Push, check, and write what became of each run."""
    from dataclasses import asdict

    from bertspec.store import Store
    from bertspec.tracking import sync

    report = sync(Store.locate(arguments.store).tracking)
    if arguments.json:
        console.show_json([asdict(run) for run in report])
    elif not report:
        console.show_lines("nothing was logged offline")
    else:
        shown = console.table("outcome", "run", "name", "detail")
        for run in report:
            shown.add_row(run.outcome, run.run, run.name, run.detail)
        console.show_table(shown)
    return 1 if any(run.outcome == "failed" for run in report) else 0
