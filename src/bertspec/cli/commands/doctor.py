"""Say what will run here, what will not, and why. Asks the hub and W&B for at most two seconds each."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from itertools import groupby

from bertspec.cli import console, options

__all__ = ["EPILOG", "HELP", "NAME", "add_arguments", "execute"]

NAME = "doctor"
HELP = "say what will run here, and why not"
EPILOG = """\
examples:
  bertspec doctor
  bertspec doctor --json | jq '.findings[] | select(.state != "ok")'

Exit status 1 where the main job (tiny encoders on the bundled tasks) cannot run. No token is ever shown.
--json writes one object: main_job (whether it can run) and findings, a list of objects with
group (machine, packages, sources, tracking, store, scenarios), subject, state (ok, limited, broken) and detail.
"""

_MARKS = {"ok": "✓", "limited": "–", "broken": "✗"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the store is."""
    options.add_store(parser)
    parser.add_argument("--json", action="store_true", help="write the findings for machines")


def execute(arguments: argparse.Namespace) -> int:
    """Write the findings to standard output."""
    from bertspec.cli.examination import examine
    from bertspec.store import Store, project_root, store_folder

    found = list(examine(Store(store_folder(arguments.store)), project_root()))
    broken = [finding.subject for finding in found if finding.state == "broken"]
    if arguments.json:
        console.show_json({"main_job": not broken, "findings": [asdict(finding) for finding in found]})
        return 1 if broken else 0
    shown = console.table("", "", "")
    for number, (group, members) in enumerate(groupby(found, key=lambda finding: finding.group)):
        if number:
            shown.add_section()
        shown.add_row("", group, style="bold")
        for finding in members:
            shown.add_row(_MARKS[finding.state], finding.subject, finding.detail)
    console.show_table(shown, fold=True)
    console.show_lines("", f"The main job cannot run: {', '.join(broken)}." if broken else "The main job can run here.")
    return 1 if broken else 0
