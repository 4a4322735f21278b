"""The records of sessions, one JSON file each, beside the runs that they speak of."""

from __future__ import annotations

import re
from pathlib import Path

from bertspec.errors import StoreError
from bertspec.files import write_atomic
from bertspec.records import validate
from bertspec.results import SessionRecord

__all__ = ["latest", "read", "write"]


def write(session: SessionRecord, folder: Path) -> Path:
    """Write a session's record, whole or not at all; its name sorts by the time at which it ended.

    Raises:
        OSError: the folder cannot be written.
    """
    stamp = re.sub(r"[^0-9T]", "", session.finished.partition("+")[0])
    file = folder / f"{stamp}-{session.session[:12]}.json"
    write_atomic(file, session.model_dump_json(indent=1))
    return file


def latest(folder: Path) -> Path | None:
    """The record of the session that ended last, or none where there is none."""
    return max(folder.glob("*.json"), default=None)


def read(file: Path) -> SessionRecord:
    """The record of a session.

    Raises:
        StoreError: there is no such file, or it holds something else.
    """
    try:
        text = file.read_bytes()
    except OSError as refusal:
        raise StoreError(f"the record of the session cannot be read: {refusal.strerror}", where=file) from refusal
    return validate(SessionRecord, text, where=file, problem="the record of the session is damaged", error=StoreError)
