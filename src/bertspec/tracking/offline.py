"""The offline records of W&B's client: read them, and push them to the service with ``wandb sync``.

A record is a transaction log: LevelDB's log format around protobuf records. A log that a kill or a full disk cut off is
read up to its last whole record.
"""

from __future__ import annotations

import json
import logging
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from bertspec.errors import StoreError
from bertspec.files import own_folder, read_regular, write_atomic
from bertspec.tracking.connection import service_api, without_secrets

__all__ = ["OfflineRun", "SyncedRun", "find_run", "keep_link", "link", "read_run", "sync"]

_log = logging.getLogger("bertspec.tracking")

_MAGIC = b":W&B"
_FILE_HEADER, _BLOCK, _CHUNK_HEADER = 7, 32768, 7
_FULL, _FIRST, _LAST = 1, 2, 4
_WRITING_S = 3.0
_PUSH_TIMEOUT_S = 600.0
_LARGEST_LOG = 256 << 20
"""Bytes of a transaction log; a run of 1,000 steps has less than one million."""
_LONGEST_URL = 4096
_ARRIVAL_S = 20.0
"""How long the service may take to show the data that it received."""


@dataclass(slots=True)
class OfflineRun:
    """One run, as its offline record has it."""

    id: str = ""
    name: str = ""
    group: str = ""
    job_type: str = ""
    tags: tuple[str, ...] = ()
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    project: str = ""
    entity: str = ""
    """Empty for the default entity of the user."""
    artifacts: list[str] = field(default_factory=list)
    """The names of its artifacts."""
    alerts: list[str] = field(default_factory=list)
    """The titles of its alerts."""
    exit_code: int | None = None
    """``None`` where the run did not end properly."""

    def curve(self, name: str) -> list[float]:
        """The logged values of one quantity, in order."""
        return [row[name] for row in self.history if name in row]


@dataclass(frozen=True, slots=True)
class SyncedRun:
    """The outcome for one run."""

    run: str
    """Its id in W&B: the first 16 digits of the fingerprint."""
    name: str
    outcome: Literal["arrived", "already there", "failed"]
    detail: str


def find_run(directory: Path, fingerprint: str) -> OfflineRun | None:
    """The newest offline record of a run, or ``None``.

    The client's own process may still be writing when a run has just ended; an unfinished record that changed in the
    last 3 seconds is waited for.
    """
    files = sorted(directory.glob(f"wandb/offline-run-*/run-{fingerprint[:16]}.wandb"))
    if not files:
        return None
    deadline = time.monotonic() + _WRITING_S
    record = read_run(files[-1])
    while record.exit_code is None and time.monotonic() < deadline and _is_young(files[-1]):
        time.sleep(0.05)
        record = read_run(files[-1])
    return record


def read_run(file: Path) -> OfflineRun:
    """Read one transaction log.

    Raises:
        StoreError: the file is not a transaction log.
        OSError: it cannot be read, or is too large for one.
    """
    from wandb.proto import wandb_internal_pb2

    record: Any = wandb_internal_pb2.Record  # type: ignore[attr-defined]  # protobuf generates it at import

    content = read_regular(file, limit=_LARGEST_LOG, follow=False)
    if content[:4] != _MAGIC:
        raise StoreError("this is not a W&B transaction log", given=content[:4], where=file)
    run = OfflineRun()
    for body in _records(content):
        _take(record.FromString(body), run)
    return run


def sync(directory: Path) -> list[SyncedRun]:
    """Push every run in a tracking folder that the service does not hold completely.

    A run has arrived when the service confirms the last row of its history and all of its artifacts.

    Raises:
        Unreachable: the service does not answer.
        SourceError: there is no key, or the service refuses it.
    """
    files = sorted(directory.glob("wandb/*run-*/run-*.wandb"))
    if not files:
        return []
    service = _Service(service_api())
    runs = [_synced(file, service) for file in files]
    for run in runs:
        if run.outcome != "failed":
            _remember(directory, run, service)
    return runs


def keep_link(directory: Path, run: str, url: str) -> None:
    """Remember the address of a run.

    Args:
        directory: the tracking folder.
        run: the id of the run in W&B.
        url: its page.

    Raises:
        OSError: the folder cannot be written.
    """
    write_atomic(own_folder(directory / "links") / f"{Path(run).name}.url", url)  # an id in a record may be a path


def link(directory: Path, fingerprint: str) -> str | None:
    """The page of a run in W&B, or ``None`` where it was never shown online; only http and https count."""
    try:
        file = own_folder(directory / "links") / f"{Path(fingerprint).name[:16]}.url"
        url = read_regular(file, limit=_LONGEST_URL, follow=False).decode().strip()
        parts = urlsplit(url)
    except (OSError, ValueError):
        return None
    return url if parts.scheme in ("http", "https") and parts.netloc else None


def _remember(directory: Path, run: SyncedRun, service: _Service) -> None:
    """Keep the address for the report. An address that cannot be learned is not an error."""
    try:
        keep_link(directory, run.run, service.page(run.detail))
    except Exception as error:  # noqa: BLE001 - the client raises errors of many types
        _log.info("the page of %s is not known: %s", run.name, without_secrets(error))


def _synced(file: Path, service: _Service) -> SyncedRun:
    try:
        record = read_run(file)
    except (StoreError, OSError, ValueError) as damage:
        return SyncedRun(file.stem.removeprefix("run-"), "?", "failed", f"the record is damaged: {damage}")
    if not record.id:
        return SyncedRun(file.stem.removeprefix("run-"), "?", "failed", f"the record is empty: {file}")
    _log.info("syncing %s", record.name)
    try:
        if service.lacks(record) is None:
            return SyncedRun(record.id, record.name, "already there", service.address(record))
        refusal = _pushed(file)
        lacking = refusal or service.lacks_for_long(record)
    except Exception as error:  # noqa: BLE001 - the client raises errors of many types, and the other runs still go
        lacking = f"{type(error).__name__}: {error}"
    if lacking:
        return SyncedRun(record.id, record.name, "failed", without_secrets(lacking))
    return SyncedRun(record.id, record.name, "arrived", service.address(record))


def _pushed(file: Path) -> str | None:
    """Run ``wandb sync``. Returns its error message, or ``None`` where it reports success."""
    for mark in file.parent.glob(f"{file.name}.sync*"):  # marks of an earlier sync, which the service does not confirm
        mark.unlink(missing_ok=True)
    command = [sys.executable, "-m", "wandb", "sync", str(file.parent)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PUSH_TIMEOUT_S)  # noqa: S603 - ours
    except subprocess.TimeoutExpired:
        return f"wandb sync took more than {_PUSH_TIMEOUT_S:g} s"
    return None if done.returncode == 0 else (done.stderr or done.stdout).strip()[-300:]


@dataclass(frozen=True, slots=True)
class _Service:
    api: Any
    """W&B's public client."""

    def address(self, record: OfflineRun) -> str:
        """``entity/project/run``."""
        return f"{record.entity or self.api.default_entity}/{record.project}/{record.id}"

    def page(self, address: str) -> str:
        """The page of a run, for a browser."""
        return str(self.api.run(address).url)

    def lacks(self, record: OfflineRun) -> str | None:
        """The part of a run that the service does not hold, or ``None`` where it holds everything."""
        from wandb.errors import CommError

        self.api.flush()  # its cache of runs
        try:
            run = self.api.run(self.address(record))
        except (CommError, ValueError) as absent:
            return f"the service does not know the run: {absent}"
        last = max((int(row.get("_step", -1)) for row in record.history), default=-1)
        if run.lastHistoryStep < last:
            return f"the service holds the history up to step {run.lastHistoryStep} of {last}"
        project = self.address(record).rpartition("/")[0]
        missing = [name for name in record.artifacts if not self.api.artifact_exists(f"{project}/{name}:latest")]
        return f"the service lacks the artifacts {', '.join(missing)}" if missing else None

    def lacks_for_long(self, record: OfflineRun) -> str | None:
        """The same, after the service has had time to process the upload."""
        deadline = time.monotonic() + _ARRIVAL_S
        while (lacking := self.lacks(record)) is not None and time.monotonic() < deadline:
            time.sleep(1.0)
        return lacking


def _is_young(file: Path) -> bool:
    return abs(time.time() - file.stat().st_mtime) < _WRITING_S


def _records(content: bytes) -> Iterator[bytes]:
    position, body = _FILE_HEADER, b""
    while position < len(content):
        left = _BLOCK - position % _BLOCK
        if left < _CHUNK_HEADER:
            position += left
            continue
        header = content[position : position + _CHUNK_HEADER]
        if len(header) < _CHUNK_HEADER:
            return
        _, length, kind = struct.unpack("<IHB", header)
        chunk = content[position + _CHUNK_HEADER : position + _CHUNK_HEADER + length]
        if len(chunk) < length or kind == 0:
            return
        position += _CHUNK_HEADER + length
        body = chunk if kind in (_FULL, _FIRST) else body + chunk
        if kind in (_FULL, _LAST):
            yield body


def _take(record: Any, run: OfflineRun) -> None:
    kind = record.WhichOneof("record_type")
    if kind == "run":
        run.id, run.name, run.group = record.run.run_id, record.run.display_name, record.run.run_group
        run.project, run.entity = record.run.project, record.run.entity
        run.job_type, run.tags = record.run.job_type, tuple(record.run.tags)
        _merge(run.config, record.run.config.update)
    elif kind == "config":
        _merge(run.config, record.config.update)
    elif kind == "history":
        row: dict[str, Any] = {}
        _merge(row, record.history.item)
        run.history.append(row)
    elif kind == "summary":
        _merge(run.summary, record.summary.update)
    elif kind == "artifact":
        run.artifacts.append(record.artifact.name)
    elif kind == "alert":
        run.alerts.append(record.alert.title)
    elif kind == "exit":
        run.exit_code = record.exit.exit_code


def _merge(target: dict[str, Any], items: Any) -> None:
    for item in items:
        path = list(item.nested_key) or [item.key]
        inner = target
        for key in path[:-1]:
            inner = inner.setdefault(key, {})
        inner[path[-1]] = json.loads(item.value_json)
