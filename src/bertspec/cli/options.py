"""Options that several commands share, the session that they describe, and what the tab key completes."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from bertspec.catalog import Catalog
    from bertspec.study import Session

__all__ = ["add_device", "add_store", "catalog", "complete_names", "complete_runs", "session"]


def add_store(parser: argparse._ActionsContainer) -> None:
    """Add ``--store``."""
    parser.add_argument(
        "--store",
        metavar="PATH",
        help="the folder of finished runs (default: BERTSPEC_STORE, else .bertspec here or in a folder above)",
    )


def add_device(parser: argparse._ActionsContainer) -> None:
    """Add ``--device``."""
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="where to compute (default: auto, a GPU if there is one)",
    )


def catalog() -> Catalog:
    """The configs of this folder, then those that come with bertspec."""
    from bertspec.catalog import Catalog
    from bertspec.store import project_root

    return Catalog.beside(project_root())


def session(arguments: argparse.Namespace, *, bars: bool = True, **fields: Any) -> Session:
    """The session that a command line describes.

    Args:
        arguments: the parsed command line, with ``device``, and ``store`` if the command stores anything.
        bars: whether each run draws a progress bar on standard error.
        fields: further fields of the session.
    """
    from bertspec.study import Session
    from bertspec.tracking import ProgressTracker

    progress = ProgressTracker(sys.stderr) if bars else None
    return Session.open(getattr(arguments, "store", None), progress=progress, device=arguments.device, **fields)


def complete_names(option: argparse.Action, kind: str) -> None:
    """Complete the names of encoders, tasks, recipes, optimizers or sweeps; ``kind`` is the singular."""

    def names(prefix: str, **_: object) -> list[str]:
        plural: Any = f"{kind}s"
        return [name for name in catalog().names(plural) if name.startswith(prefix)]

    _complete(option, names)


def complete_runs(option: argparse.Action) -> None:
    """Complete the fingerprints of stored runs, without reading the runs."""

    def fingerprints(prefix: str, parsed_args: argparse.Namespace, **_: object) -> list[str]:
        from bertspec.store import Store

        stored = (name[:12] for name in Store.locate(parsed_args.store).fingerprints())
        return [name for name in ("latest", *stored) if name.startswith(prefix)]

    _complete(option, fingerprints)


def _complete(option: argparse.Action, completer: Callable[..., list[str]]) -> None:
    option.completer = completer  # type: ignore[attr-defined]  # argcomplete's name for it
