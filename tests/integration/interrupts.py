"""Interrupts for the processes of a test."""

from __future__ import annotations

import signal

__all__ = ["heed_interrupts"]


def heed_interrupts() -> None:
    """Take SIGINT as in a terminal: a shell lets its background jobs, and so their children, ignore it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
