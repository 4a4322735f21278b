"""The record of a sweep in the store: one file, written whole after each trial."""

from __future__ import annotations

import contextlib
import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from bertspec.errors import StoreError
from bertspec.files import write_atomic
from bertspec.results import SweepRecord
from bertspec.store import Store

__all__ = ["Ledger"]

_log = logging.getLogger(__name__)

_PLACE = "a writable folder with free space, named by BERTSPEC_STORE or --store"


@dataclass(frozen=True, slots=True)
class Ledger:
    """Where one sweep is kept."""

    store: Store
    name: str
    sha256: str
    """The hash of what was asked for."""

    @property
    def file(self) -> Path:
        """The file, below the store."""
        word = re.sub(r"[^A-Za-z0-9._-]+", "-", self.name).strip("-.") or "sweep"
        return self.store.root / "sweeps" / f"{word[:80]}-{self.sha256[:12]}.json"

    @contextlib.contextmanager
    def held(self, *, wait: bool = False) -> Iterator[None]:
        """Hold the right to run this sweep. A dead holder's right is free at once.

        Args:
            wait: for another process to be through with it, instead of refusing at once.

        Raises:
            StoreError: another process runs it now, or the folder cannot be written.
        """
        with self._telling():
            folder = self.store.root / "locks"
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / f"sweep-{self.sha256[:32]}.lock")
            taken = _taken(lock, wait=wait)
        if not taken:
            raise StoreError(
                "another process is running this sweep",
                given=self.name,
                allowed="one process at a time, with as many workers as --processes says",
                where=self.file,
            )
        try:
            yield
        finally:
            lock.release()

    def read(self) -> SweepRecord | None:
        """What is written there, or none. A damaged file is set aside, told once, and counts as none."""
        try:
            text = self.file.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as refusal:
            raise StoreError(f"the sweep's record cannot be read: {refusal.strerror}", where=self.file) from refusal
        try:
            found = SweepRecord.model_validate(json.loads(text))
        except (ValueError, RecursionError) as damage:
            self._set_aside(str(damage))
            return None
        numbers = [trial.number for trial in found.trials]
        if found.sha256 != self.sha256 or numbers != sorted(set(numbers)):
            self._set_aside("it is of another sweep, or has a trial twice")
            return None
        return found

    def write(self, evidence: SweepRecord) -> None:
        """Keep what has come of it so far; it replaces what was there.

        Raises:
            StoreError: the file cannot be written; what was there stays.
        """
        with self._telling():
            write_atomic(self.file, evidence.model_dump_json(indent=1))

    def _set_aside(self, damage: str) -> None:
        aside = self.file.with_name(f"damaged-{self.file.stem}.txt")
        with self._telling():
            self.file.replace(aside)
        _log.warning(
            "the record of sweep %s is damaged (%s) and is kept as %s; the sweep starts anew, and what it has trained "
            "comes from the store",
            self.name,
            damage.splitlines()[0],
            aside.name,
        )

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except OSError as refusal:
            raise StoreError(
                f"the sweep's record cannot be written: {refusal.strerror or refusal}",
                where=self.file.parent,
                allowed=_PLACE,
            ) from refusal


def _taken(lock: FileLock, *, wait: bool) -> bool:
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout:
        return False
    return True
