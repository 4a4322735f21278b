"""The errors that bertspec raises for a user.

Every message says what is wrong, what was given, what is allowed, and where; the error keeps these four parts::

    BertspecError
    ├── InvalidConfig        a value that no run could use
    ├── UnknownName          a name that no config, hub id or folder has
    ├── DataError            rows that do not fit their task
    ├── SourceError          a model or a data set that cannot be had
    │   ├── Unreachable      the service that may hold it does not answer
    │   ├── HashMismatch     its content is not the content that was promised
    │   └── UnsafeCheckpoint its weights are pickled, and loading a pickle runs code
    ├── DeviceError          the requested device is not on this machine, or cannot be used
    ├── Diverged             the loss of a run is no longer a finite number
    └── StoreError           a stored run, session or sweep that cannot be read or written
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import Any, Self, TypeVar

from bertspec.network import redact
from bertspec.printing import printable

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

_WRITABLE = "a writable folder with free space, named by"


class BertspecError(Exception):
    """The root of every error that bertspec raises for a user. It can be pickled.

    Args:
        problem: what is wrong, as a clause that can stand alone.
        given: what the user gave; the message shows its ``repr``.
        allowed: what would have been accepted, in words.
        where: the file, field or scenario that holds what was given.

    Passwords are removed from the addresses in every part. The message shows control characters escaped; the parts keep
    them.
    """

    def __init__(
        self,
        problem: str,
        *,
        given: object = None,
        allowed: str | None = None,
        where: object = None,
    ) -> None:
        # Redacted here, not only in the message: logs show repr(error), and pickles hold every part.
        self.problem = redact(problem)
        self.given, self.allowed, self.where = _redacted(given), _redacted(allowed), _redacted(where)
        super().__init__(self.problem)

    def __str__(self) -> str:
        parts = [self.problem]
        if self.given is not None:
            parts.append(f"given: {self.given!r}")
        if self.allowed is not None:
            parts.append(f"allowed: {self.allowed}")
        if self.where is not None:
            parts.append(f"where: {self.where}")
        return printable(redact("; ".join(parts)))

    def __reduce__(self) -> tuple[Any, ...]:
        # Not by calling the class again: a subclass may take other arguments.
        return type(self).__new__, (type(self), *self.args), self.__dict__


P = TypeVar("P")


def _redacted(part: P) -> P | str:
    """The part, without passwords if it is a string."""
    return redact(part) if isinstance(part, str) else part


class InvalidConfig(BertspecError, ValueError):
    """A value that no run could use, such as a learning rate of zero."""


class UnknownName(BertspecError, LookupError):
    """A name that nothing has; the message lists the closest known names.

    Args:
        kind: what it should name, such as ``"encoder"``.
        name: the name.
        known: every name that would have been accepted.
        where: the file, field or scenario that holds the name.
        otherwise: what else would have been accepted, in words.
    """

    def __init__(
        self, kind: str, name: str, known: Iterable[str], *, where: object = None, otherwise: str | None = None
    ) -> None:
        import difflib  # late: pytest loads this module in every environment that has bertspec

        names = sorted(known)
        close = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        allowed = ("did you mean " + " or ".join(close) + "? known: " if close else "") + ", ".join(names)
        allowed += f"; or {otherwise}" if otherwise else ""
        super().__init__(f"unknown {kind}", given=cut_short(name, 200), allowed=allowed, where=where)


class DataError(BertspecError):
    """Rows that do not fit their task: a missing column, an empty text, an unknown label."""


class SourceError(BertspecError):
    """A model or a data set that cannot be had."""


class Unreachable(SourceError):
    """The service that may hold it does not answer; it may do so later, or from another machine."""


class HashMismatch(SourceError):
    """The content does not have the hash that was promised."""


class UnsafeCheckpoint(SourceError):
    """Weights that are pickled only; loading a pickle runs code."""


class DeviceError(BertspecError):
    """The requested device is not on this machine, or cannot be used."""


class Diverged(BertspecError):
    """The loss of a single run is no longer a finite number. In a study this counts as a collapse instead."""


class StoreError(BertspecError):
    """A stored run, session or sweep that cannot be read or written."""

    @classmethod
    def unwritable(cls, problem: str, refusal: OSError, *, where: object) -> Self:
        """The error for what cannot be written, with what to do."""
        blocked = refusal.errno == errno.EISDIR
        way_out = "no folder there: remove it, or name another store with" if blocked else _WRITABLE
        return cls(
            f"{problem}: {refusal.strerror or refusal}",
            given=refusal.filename if blocked or isinstance(refusal, PermissionError) else None,
            allowed=f"{way_out} BERTSPEC_STORE, --store or --bertspec-store",
            where=where,
        )


class FormerName(FutureWarning):
    """Warns of a name that still works, and says what to write instead."""


def cut_short(text: str, length: int = 80) -> str:
    """A text of at most this many characters; the last one says that more followed."""
    return text if len(text) <= length else f"{text[: length - 1]}…"
