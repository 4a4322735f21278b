"""Files that survive a kill, a full disk and a power cut: whole, or not there."""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from bertspec.files import flush

__all__ = ["acquire", "draft", "files", "undo_half_replaced"]

_log = logging.getLogger(__name__)

_PATIENCE_S = 5.0


@contextlib.contextmanager
def draft(place: Path) -> Iterator[Path]:
    """A folder that takes its place whole, once it is filled; leftovers of a killed writer go first.

    There may be one writer of a place at a time.
    """
    folder = place.with_name(f".draft-{place.name}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        yield folder
        for file in files(folder):
            flush(file)
        _replace(place, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def undo_half_replaced(place: Path) -> None:
    """A writer killed between its two renames left the old folder under its other name: give it back."""
    if not place.exists() and _old(place).is_dir():
        with contextlib.suppress(OSError):  # the writer is alive, and was faster
            _old(place).rename(place)


def acquire(lock: FileLock) -> None:
    """Take a lock; a long wait is told."""
    try:
        lock.acquire(timeout=_PATIENCE_S)
    except Timeout:
        _log.warning("another process is making the run %s; waiting for it", Path(lock.lock_file).stem[:12])
        lock.acquire()


def _old(place: Path) -> Path:
    return place.with_name(f".old-{place.name}")


def _replace(place: Path, folder: Path) -> None:
    """Put a draft in its place. Killed in between, it leaves the old folder where a reader finds it."""
    old = _old(place)
    shutil.rmtree(old, ignore_errors=True)
    while place.exists():
        place.rename(old)
        with contextlib.suppress(OSError):  # a reader was in between, and put the old folder back
            folder.rename(place)
            break
    else:
        folder.rename(place)
    flush(place.parent)
    shutil.rmtree(old, ignore_errors=True)


def files(folder: Path) -> list[Path]:
    """The files of a folder, by name."""
    return sorted(file for file in folder.iterdir() if file.is_file())
