"""What can go wrong, and how it is told.

Every message says what is wrong, what was given, what is allowed, and where::

    BertspecError
    ├── InvalidConfig          a value that no run could use
    ├── UnknownName          a word that no config, hub or folder answers to
    ├── DataError            rows that do not fit their task
    ├── SourceError          a model or a data set cannot be had
    │   ├── Unreachable      the place that may hold it does not answer
    │   ├── HashMismatch     the content is not the content that was promised
    │   └── UnsafeCheckpoint weights that only a pickle holds
    ├── DeviceError          the device that was asked for is not here
    ├── Diverged             the loss is no longer a finite number
    └── StoreError           a stored run cannot be read or written
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

__all__ = [
    "BertspecError",
    "DataError",
    "DeviceError",
    "Diverged",
    "HashMismatch",
    "InvalidConfig",
    "SourceError",
    "StoreError",
    "UnknownName",
    "Unreachable",
    "UnsafeCheckpoint",
]


_USERINFO = re.compile(r"(?<=://)[^/@\s'\"]+@")
"""A name and a password in an address: no message shows them."""


class BertspecError(Exception):
    """The root of every error that bertspec raises for a user.

    Args:
        problem: what is wrong, as a clause that can stand alone.
        given: what the user gave; shown with ``repr``.
        allowed: what would have been accepted, in words.
        where: the file, field or scenario that holds what was given.
    """

    def __init__(
        self,
        problem: str,
        *,
        given: object = None,
        allowed: str | None = None,
        where: object = None,
    ) -> None:
        parts = [problem]
        if given is not None:
            parts.append(f"given: {given!r}")
        if allowed is not None:
            parts.append(f"allowed: {allowed}")
        if where is not None:
            parts.append(f"where: {where}")
        super().__init__(_USERINFO.sub("", "; ".join(parts)))


class InvalidConfig(BertspecError, ValueError):
    """A value that no run could use, such as a learning rate of zero."""


class UnknownName(BertspecError, LookupError):
    """A word that nothing answers to; the message lists the closest known names.

    Args:
        kind: what the word should name, such as ``"encoder"``.
        name: the word.
        known: every name that would have been accepted.
        where: the file, field or scenario that holds the word.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], *, where: object = None) -> None:
        names = sorted(known)
        close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        allowed = ("did you mean " + " or ".join(close) + "? known: " if close else "") + ", ".join(names)
        super().__init__(f"unknown {kind}", given=name, allowed=allowed, where=where)


class DataError(BertspecError):
    """Rows that do not fit their task: a missing column, an empty text, a label outside the head."""


class SourceError(BertspecError):
    """A model or a data set cannot be had from any place that was asked."""


class Unreachable(SourceError):
    """The place that may hold it does not answer; another machine may well have it."""


class HashMismatch(SourceError):
    """The content differs from the content whose hash was promised."""


class UnsafeCheckpoint(SourceError):
    """Weights that only a pickle holds; loading them would run code of theirs."""


class DeviceError(BertspecError):
    """The device that was asked for is not on this machine."""


class Diverged(BertspecError):
    """The loss of a run that was asked for by itself is no longer a finite number; in a study it is a collapse."""


class StoreError(BertspecError):
    """A stored run cannot be read or written."""
