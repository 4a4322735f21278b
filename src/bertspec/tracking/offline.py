"""Read back what W&B's client wrote offline.

The client keeps a transaction log: LevelDB's log framing around protobuf records. A log that was cut off,
by a kill or a full disk, is read up to its last whole record.
"""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bertspec.errors import StoreError

__all__ = ["OfflineRun", "find_run", "read_run"]

_MAGIC = b":W&B"
_FILE_HEADER, _BLOCK, _CHUNK_HEADER = 7, 32768, 7
_FULL, _FIRST, _LAST = 1, 2, 4
_WRITING_S = 3.0


@dataclass(slots=True)
class OfflineRun:
    """One run as its offline record has it."""

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
    """Empty where the user's own is meant."""
    artifacts: list[str] = field(default_factory=list)
    """The names of the artifacts that belong to it."""
    alerts: list[str] = field(default_factory=list)
    """The titles of the alerts."""
    exit_code: int | None = None
    """None where the run never ended properly."""

    def curve(self, name: str) -> list[float]:
        """The logged values of one quantity, in order."""
        return [row[name] for row in self.history if name in row]


def find_run(directory: Path, fingerprint: str) -> OfflineRun | None:
    """The newest offline record of a run, or none.

    The client's own process may still be writing when a run has just ended; a record without its end that is being
    written is waited for.
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


def _is_young(file: Path) -> bool:
    return abs(time.time() - file.stat().st_mtime) < _WRITING_S


def read_run(file: Path) -> OfflineRun:
    """Read one transaction log.

    Raises:
        StoreError: the file is not such a log.
    """
    from wandb.proto import wandb_internal_pb2

    record: Any = wandb_internal_pb2.Record  # type: ignore[attr-defined]  # made by protobuf at import

    content = file.read_bytes()
    if content[:4] != _MAGIC:
        raise StoreError("this is not a W&B transaction log", given=content[:4], where=file)
    run = OfflineRun()
    for body in _records(content):
        _take(record.FromString(body), run)
    return run


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
