"""The records of sessions, one JSON file each, in the store."""

from __future__ import annotations

import logging
import re
from pathlib import Path

from bertspec.errors import StoreError
from bertspec.files import NO_FILE, open_regular, own_entries, own_folder, read_regular, write_atomic
from bertspec.printing import brief
from bertspec.records import layout_of, validate
from bertspec.results import SessionRecord
from bertspec.results.sessions import SESSION_LAYOUT

__all__ = ["latest", "read", "write"]

_LOGGER = logging.getLogger(__name__)

_LARGEST = 128 << 20
"""Bytes of a record; 3,000 scenarios take about 30 MiB."""


def write(session: SessionRecord, folder: Path) -> Path:
    """Write a session's record atomically; file names sort by the time at which the sessions ended.

    Raises:
        OSError: the folder cannot be written.
    """
    stamp = re.sub(r"[^0-9T]", "", session.finished.partition("+")[0])
    file = own_folder(folder) / f"{stamp}-{session.session[:12]}.json"
    write_atomic(file, session.model_dump_json(indent=1))
    return file


def latest(folder: Path) -> Path | None:
    """Return the record of the session that ended last, or ``None`` if there is none.

    Records of another layout of bertspec's store are left alone; a warning counts the newer ones. Links, pipes and
    folders are left out with a warning.

    Raises:
        StoreError: the folder is a link or a file, or cannot be read.
    """
    try:
        files = [file for file in reversed(own_entries(folder)) if file.suffix == ".json"]
    except OSError as refusal:
        raise StoreError(f"the sessions cannot be read: {refusal.strerror or refusal}", where=folder) from refusal
    latest, others = None, 0
    for file in files:
        try:
            layout = _layout(file)
        except NO_FILE as planted:
            _LOGGER.warning("%s is no record of a session, and is left out: %s", file, brief(planted))
            continue
        if layout in (SESSION_LAYOUT, None):
            latest = file
            break
        others += 1
    if others:
        _LOGGER.warning("%s: skipped session records of another layout of bertspec's store: %d", folder, others)
    return latest


def read(file: Path) -> SessionRecord:
    """Return the record of a session.

    Raises:
        StoreError: the file does not exist, has another layout, or is damaged.
    """
    try:
        text = read_regular(file, limit=_LARGEST, follow=False)
    except OSError as error:
        raise StoreError(f"the record of the session cannot be read: {error.strerror}", where=file) from error
    layout = layout_of(text)
    if layout not in (SESSION_LAYOUT, None):
        raise StoreError(
            "the record of the session has another layout of bertspec's store; run the features again for a new one",
            given=f"layout {layout}",
            allowed=f"layout {SESSION_LAYOUT}",
            where=file,
        )
    return validate(SessionRecord, text, where=file, problem="the record of the session is damaged", error=StoreError)


def _layout(file: Path) -> int | None:
    """The layout of a record, or ``None`` if the record does not say it.

    Raises:
        one of ``NO_FILE``: no regular file is there.
    """
    try:
        with open_regular(file, follow=False) as stream:
            return layout_of(stream.read(64))
    except NO_FILE:
        raise
    except OSError:  # reading it tells the reason
        return None
