"""The records of sweeps in a store, one JSON file each: written whole after each trial, locked, read and listed."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from bertspec.errors import StoreError
from bertspec.files import NotRegular, own_entries, own_folder, read_regular, unlink_irregular, write_atomic
from bertspec.printing import brief
from bertspec.records import layout_of, validate, values_of_json
from bertspec.results import SweepRecord
from bertspec.results.sweeps import SWEEP_LAYOUT

__all__ = ["SweepFile", "sweeps"]

_log = logging.getLogger(__name__)

_LARGEST = 128 << 20
"""Bytes of a record; a thousand trials with their curves take a few MiB."""


@dataclass(frozen=True, slots=True)
class SweepFile:
    """The record of one sweep."""

    root: Path
    """The folder of the store."""
    name: str
    sha256: str
    """The hash of the sweep's plan."""

    @property
    def path(self) -> Path:
        """The file."""
        word = re.sub(r"[^A-Za-z0-9._-]+", "-", self.name).strip("-.") or "sweep"
        return self.root / "sweeps" / f"{word[:80]}-{self.sha256[:12]}.json"

    @contextlib.contextmanager
    def lock(self, *, wait: bool = False) -> Iterator[None]:
        """Hold the right to run this sweep. The lock of a process that died is free at once.

        Args:
            wait: for another process to finish, instead of refusing at once.

        Raises:
            StoreError: another process is running it, or the folder cannot be written.
        """
        lock = FileLock(self.root / "locks" / f"sweep-{self.sha256[:32]}.lock")
        with self._writing():
            own_folder(self.path.parent)
            own_folder(Path(lock.lock_file).parent).mkdir(parents=True, exist_ok=True)
            unlink_irregular(Path(lock.lock_file))
            acquired = _acquired(lock, wait=wait)
        if not acquired:
            raise StoreError(
                "another process is running this sweep",
                given=self.name,
                allowed="one process at a time, with as many workers as --processes says",
                where=self.path,
            )
        try:
            yield
        finally:
            lock.release()

    def read(self) -> SweepRecord | None:
        """The record, or ``None``. A damaged file is set aside with a warning, and counts as ``None``.

        Raises:
            StoreError: the file cannot be read, or has a later layout; it is left as it is.
        """
        with self._writing():
            own_folder(self.path.parent)
        try:
            content = read_regular(self.path, limit=_LARGEST, follow=False)
        except FileNotFoundError:
            return None
        except NotRegular as planted:
            self._set_aside(str(planted.strerror))
            return None
        except OSError as refusal:
            raise StoreError(f"the sweep's record cannot be read: {refusal.strerror}", where=self.path) from refusal
        try:
            record = _parsed(content)
        except (ValueError, RecursionError) as damage:
            self._set_aside(str(damage))
            return None
        if record is None:
            raise StoreError(
                "the sweep's record has another layout of bertspec's store; it is left as it is",
                allowed=f"layout 1 or {SWEEP_LAYOUT}; or another store (BERTSPEC_STORE or --store)",
                where=self.path,
            )
        numbers = [trial.number for trial in record.trials]
        if record.sha256 != self.sha256 or numbers != sorted(set(numbers)):
            self._set_aside("it belongs to another sweep, or has a trial twice")
            return None
        return record

    def write(self, record: SweepRecord) -> None:
        """Replace the record. Only the holder of the lock may.

        Raises:
            StoreError: the file cannot be written; what was there stays.
        """
        with self._writing():
            own_folder(self.path.parent)
            write_atomic(self.path, record.model_dump_json())

    def _set_aside(self, damage: str) -> None:
        aside = self.path.with_name(f"damaged-{self.path.stem}.txt")
        with self._writing():
            self.path.replace(aside)
        _log.warning(
            "the record of sweep %s is damaged (%s) and is kept as %s; the sweep starts anew, with its finished runs "
            "from the store",
            self.name,
            brief(damage),
            aside.name,
        )

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as refusal:
            problem = "the sweep's record cannot be written"
            raise StoreError.unwritable(problem, refusal, where=self.path.parent) from refusal


def sweeps(root: Path) -> tuple[SweepRecord, ...]:
    """Every sweep whose record can be read, the newest first; those of another layout are left out with a warning.

    Args:
        root: the folder of the store.

    Raises:
        StoreError: the folder of the sweeps is a link or a file, or cannot be read.
    """
    records: list[SweepRecord] = []
    try:
        paths = own_entries(root / "sweeps")
    except OSError as refusal:
        raise StoreError(f"the sweeps cannot be read: {refusal.strerror or refusal}", where=root) from refusal
    for path in (path for path in paths if path.suffix == ".json"):
        try:
            record = _parsed(read_regular(path, limit=_LARGEST, follow=False))
        except (OSError, ValueError, RecursionError) as damage:  # running that sweep sets the record aside
            _log.warning("the sweep record %s cannot be read, and is left out: %s", path, brief(damage))
            continue
        if record is None:
            _log.warning("the sweep record %s has another layout of bertspec's store, and is left out", path)
        else:
            records.append(record)
    return tuple(sorted(records, key=lambda record: (record.began, record.name), reverse=True))


def _parsed(content: bytes) -> SweepRecord | None:
    """The record, or ``None`` where it has another layout; layout 1 is converted.

    Raises:
        ValueError: the file is damaged.
        RecursionError: as above.
    """
    layout = layout_of(content) or 1
    if layout == SWEEP_LAYOUT:
        return validate(SweepRecord, content)
    return validate(SweepRecord, _converted(values_of_json(content))) if layout == 1 else None


def _converted(values: object) -> object:
    """The values of layout 1 under the names of the current layout."""
    if not isinstance(values, dict):
        return values
    converted: dict[str, object] = {**values, "layout": SWEEP_LAYOUT}
    comparison = values.get("comparison")
    if isinstance(comparison, dict) and isinstance(comparison.get("contenders"), list):
        contenders = [
            {"ranks" if name == "places" else name: value for name, value in contender.items()}
            if isinstance(contender, dict)
            else contender
            for contender in comparison["contenders"]
        ]
        converted["comparison"] = {**comparison, "contenders": contenders}
    return converted


def _acquired(lock: FileLock, *, wait: bool) -> bool:
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout:
        return False
    return True
