"""What a shell offers on the tab key."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

__all__ = ["names", "runs"]


def names(option: argparse.Action, kind: str) -> None:
    """Offer the names of encoders, tasks, recipes or optimizers."""

    def known(prefix: str, **_: object) -> list[str]:
        from bertspec.cli import options

        plural: Any = f"{kind}s"
        return [name for name in options.catalog().names(plural) if name.startswith(prefix)]

    _offer(option, known)


def runs(option: argparse.Action) -> None:
    """Offer the fingerprints of stored runs, which need not be read for that."""

    def known(prefix: str, parsed_args: argparse.Namespace, **_: object) -> list[str]:
        from bertspec.cli import options

        stored = (name[:12] for name in options.run_names(options.store(parsed_args)))
        return [name for name in ("latest", *stored) if name.startswith(prefix)]

    _offer(option, known)


def _offer(option: argparse.Action, known: Callable[..., list[str]]) -> None:
    """Argcomplete looks for this attribute."""
    option.completer = known  # type: ignore[attr-defined]
