"""Pin the hub's names to revisions and content hashes, in a file that every later run checks.

Without names, this pins what the stored runs used, and downloads nothing.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from bertspec.cli import console, options
from bertspec.printing import counted

if TYPE_CHECKING:
    from bertspec.sources.pins import DataPin, Pins

__all__ = ["EPILOG", "HELP", "NAME", "add_arguments", "execute"]

NAME = "lock"
HELP = "pin hub names to revisions and hashes"
EPILOG = """\
examples:
  bertspec lock
  bertspec lock --encoder minilm --task sst2-sentences
  git add bertspec.lock

A run whose content differs from bertspec.lock is refused before it starts, wherever the content came from.
Remove an entry, or the file, to unlock.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the names to pin."""
    for name in ("encoder", "task"):
        option = parser.add_argument(
            f"--{name}", action="append", default=[], metavar="NAME", help=f"pin this {name}; may be repeated"
        )
        options.complete_names(option, name)
    options.add_store(parser)


def execute(arguments: argparse.Namespace) -> int:
    """Write the lock file of this folder."""
    from bertspec.sources.pins import LOCK_FILE, Pins
    from bertspec.store import project_root

    file = project_root() / LOCK_FILE
    before = Pins.beside(project_root())
    named = bool(arguments.encoder or arguments.task)
    pins = _of_names(arguments, before) if named else _of_runs(arguments, before)
    if not (pins.encoders or pins.data):
        console.show_lines("nothing to lock: no run has used anything from the hub, a mirror or a package")
        return 0
    pins.write(file)
    console.show_lines(
        f"{file}: {counted(len(pins.encoders), 'encoder')}, {counted(len(pins.data), 'data set')} locked",
        *(f"  {pin.checkpoint}  {pin.revision or 'no revision'}  {pin.sha256[:12]}…" for pin in pins.encoders),
        *(f"  {_data(pin)}  {pin.revision or 'no revision'}  {pin.sha256[:12]}…" for pin in pins.data),
    )
    return 0


def _of_names(arguments: argparse.Namespace, pins: Pins) -> Pins:
    """Look every name up again: it is pinned to what it resolves to now."""
    from bertspec.sources import Sources, pretrained, tables

    catalog, sources = options.catalog(), Sources.from_environment()
    encoders = [catalog.encoder(word) for word in arguments.encoder]
    tasks = [catalog.task(word) for word in arguments.task]
    for encoder in encoders:
        files = pretrained.find(encoder, sources)
        pins = pins.with_encoder(encoder, files.origin, files.tokenizer_origin)
    for task in tasks:
        pins = pins.with_data(task, tables.load(task, sources).origin)
    return pins


def _of_runs(arguments: argparse.Namespace, pins: Pins) -> Pins:
    from bertspec.store import Store

    for run in sorted(Store.locate(arguments.store).runs(), key=lambda run: run.result.facts.finished):
        origins = run.result.facts.provenance
        pins = pins.with_encoder(run.config.encoder, origins.encoder, origins.tokenizer)
        pins = pins.with_data(run.config.task, origins.data)
    return pins


def _data(pin: DataPin) -> str:
    return " ".join(part for part in (pin.dataset, pin.subset, "+".join(pin.splits)) if part)
