"""Interrupts for the processes of a test."""

from __future__ import annotations

import signal
from collections.abc import Mapping

__all__ = ["heed_interrupts", "unmeasured"]


def heed_interrupts() -> None:
    """Take SIGINT as in a terminal: a shell lets its background jobs, and so their children, ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def unmeasured(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment whose processes measure no coverage.

    An interrupt that arrives while coverage holds its lock leaves the lock held, and the process then waits for ever.
    """
    return {name: value for name, value in environment.items() if not name.startswith("COVERAGE_PROCESS")}
