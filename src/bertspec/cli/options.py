"""The store and the session of a command: those of the folder it is called in."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bertspec.catalog import Catalog
    from bertspec.store import Store, StoredRun
    from bertspec.study import Session

__all__ = [
    "add_device",
    "add_store",
    "catalog",
    "root",
    "run_names",
    "session",
    "store",
    "store_folder",
    "stored_run",
]

_SHOWN = 8
"""Runs that a message names, of perhaps thousands."""


def add_store(parser: argparse._ActionsContainer) -> None:
    """Offer ``--store``."""
    parser.add_argument(
        "--store",
        metavar="PATH",
        help="where finished runs are kept (default: BERTSPEC_STORE, else .bertspec here or in a folder above)",
    )


def add_device(parser: argparse._ActionsContainer) -> None:
    """Offer ``--device``."""
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="where to compute (default: the best there is)",
    )


def root() -> Path:
    """The nearest folder, from here upward, that has a store; this one where none has."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / ".bertspec").is_dir()), here)


def catalog() -> Catalog:
    """The configs of this folder, then those that travel with bertspec."""
    from bertspec.catalog import Catalog

    return Catalog.beside(root())


def store(arguments: argparse.Namespace) -> Store:
    """The store that a command line means.

    Raises:
        StoreError: its place is taken by something that is no folder.
    """
    from bertspec.errors import StoreError
    from bertspec.store import Store

    folder = store_folder(arguments)
    if folder.exists() and not folder.is_dir():
        raise StoreError("the store is no folder", given=str(folder), allowed="a folder, or a place for one")
    return Store(folder)


def store_folder(arguments: argparse.Namespace) -> Path:
    """Its folder, whatever lies there."""
    named = arguments.store or os.environ.get("BERTSPEC_STORE")
    return Path(named).expanduser().absolute() if named else root() / ".bertspec"


def session(arguments: argparse.Namespace, *, bars: bool = True, **changes: Any) -> Session:
    """Everything that a study needs, W&B among it, and with ``bars`` a progress bar for each run on standard error."""
    import sys

    from bertspec.sources.locations import Locations
    from bertspec.study import Session
    from bertspec.tracking import ProgressTracker, WandbTracker, combine

    kept = store(arguments)
    models = kept.models if changes.get("keep_models") else None
    locations = Locations.from_environment(root())
    wandb = WandbTracker(kept.tracking, runs=kept.root / "runs", models=models, locations=locations)
    tracker = combine(wandb, ProgressTracker(sys.stderr)) if bars else wandb
    return Session(
        catalog=catalog(),
        locations=locations,
        store=kept,
        tracker=tracker,
        device=arguments.device,
        **changes,
    )


def stored_run(word: str, kept: Store) -> StoredRun:
    """The run whose fingerprint begins so, or the one that finished last for ``latest``.

    Raises:
        UnknownName: no run is called so.
        InvalidConfig: several are, or there are none at all.
    """
    from bertspec.errors import InvalidConfig, UnknownName

    if word == "latest":
        runs = sorted(kept.runs(), key=lambda run: run.result.facts.finished)
        if runs:
            return runs[-1]
    names = run_names(kept)
    if not names:
        raise InvalidConfig("the store holds no runs", given=word, allowed="bertspec run makes some", where=kept.root)
    matching = [name for name in names if name.startswith(word.lower())]
    if len(matching) > 1:
        some = ", ".join(name[:16] for name in matching[:_SHOWN])
        raise InvalidConfig(f"{len(matching)} runs begin so", given=word, allowed=some, where=kept.root)
    found = kept.get(matching[0]) if matching else None
    if found is None:
        raise UnknownName("run", word, ["latest", *(name[:12] for name in names[:_SHOWN])], where=kept.root)
    return found


def run_names(kept: Store) -> list[str]:
    """The fingerprints of the stored runs, the newest first; none of them is read."""
    folders = sorted((kept.root / "runs").glob("[!.]*/run.json"), key=lambda file: file.stat().st_mtime, reverse=True)
    return [file.parent.name for file in folders]
