"""Types for ``argparse``, shared by the command line and the pytest plugin."""

from __future__ import annotations

import argparse
from collections.abc import Callable

__all__ = ["int_between", "positive_int", "seed"]

_DIGITS = 18
"""No number that a user needs has more; Python itself refuses to read thousands of them."""


def positive_int(text: str) -> int:
    """A whole number above zero."""
    if not _is_whole(text) or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive whole number, such as 500")
    return int(text)


def int_between(least: int, most: int) -> Callable[[str], int]:
    """The type of whole numbers from ``least`` to ``most``, both included."""

    def bounded_int(text: str) -> int:
        if not _is_whole(text) or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least} to {most}")
        return int(text)

    return bounded_int


def seed(text: str) -> int:
    """A seed: a whole number from 0 to 2**32 - 1."""
    if not _is_whole(text) or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"{text!r} is not a seed, a whole number from 0 to {2**32 - 1}")
    return int(text)


def _is_whole(text: str) -> bool:
    return text.isdecimal() and len(text) <= _DIGITS
