"""Push to W&B what was logged offline, by W&B's own client, and ask the service whether it arrived."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bertspec.errors import StoreError
from bertspec.tracking import links
from bertspec.tracking.connection import service_api, without_secrets
from bertspec.tracking.offline import OfflineRun, read_run

__all__ = ["SyncedRun", "sync"]

_log = logging.getLogger("bertspec.tracking")

_PUSH_S = 600.0
_ARRIVAL_S = 20.0
"""How long the service may take to show what it was sent."""


@dataclass(frozen=True, slots=True)
class SyncedRun:
    """What became of one run."""

    run: str
    """Its id in W&B: the first 16 digits of the fingerprint."""
    name: str
    outcome: Literal["arrived", "already there", "failed"]
    detail: str


def sync(directory: Path) -> list[SyncedRun]:
    """Push every run below a tracking folder that the service does not hold whole yet.

    A run counts once the service has said that it holds the last row of its history and all of its artifacts.

    Raises:
        Unreachable: the service does not answer.
        SourceError: there is no key, or the service refuses it.
    """
    files = sorted(directory.glob("wandb/*run-*/run-*.wandb"))
    if not files:
        return []
    service = _Service(service_api())
    found = [_synced(file, service) for file in files]
    for run in found:
        if run.outcome != "failed":
            _remember(directory, run, service)
    return found


def _remember(directory: Path, run: SyncedRun, service: _Service) -> None:
    """Where a browser finds it, for the report; that nobody knows is no failure of a sync."""
    try:
        links.keep(directory, run.run, service.page(run.detail))
    except Exception as trouble:  # noqa: BLE001 - the client raises what it likes
        _log.info("the page of %s is not known: %s", run.name, without_secrets(trouble))


def _synced(file: Path, service: _Service) -> SyncedRun:
    try:
        record = read_run(file)
    except (StoreError, OSError, ValueError) as damage:
        return SyncedRun(file.stem.removeprefix("run-"), "?", "failed", f"the record is damaged: {damage}")
    if not record.id:
        return SyncedRun(file.stem.removeprefix("run-"), "?", "failed", f"the record holds nothing: {file}")
    _log.info("syncing %s", record.name)
    try:
        if service.lacks(record) is None:
            return SyncedRun(record.id, record.name, "already there", service.address(record))
        refusal = _pushed(file)
        lacking = refusal or service.lacks_for_long(record)
    except Exception as trouble:  # noqa: BLE001 - the client raises what it likes, and the other runs still go
        lacking = f"{type(trouble).__name__}: {trouble}"
    if lacking:
        return SyncedRun(record.id, record.name, "failed", without_secrets(lacking))
    return SyncedRun(record.id, record.name, "arrived", service.address(record))


def _pushed(file: Path) -> str | None:
    """Why W&B's own ``wandb sync`` did not do it, or none where it says that it did."""
    for mark in file.parent.glob(f"{file.name}.sync*"):  # the service does not hold it, whatever they say
        mark.unlink(missing_ok=True)
    command = [sys.executable, "-m", "wandb", "sync", str(file.parent)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PUSH_S)  # noqa: S603 - ours
    except subprocess.TimeoutExpired:
        return f"wandb sync took more than {_PUSH_S:g} s"
    return None if done.returncode == 0 else (done.stderr or done.stdout).strip()[-300:]


@dataclass(frozen=True, slots=True)
class _Service:
    api: Any
    """W&B's public client."""

    def address(self, record: OfflineRun) -> str:
        """``entity/project/run``."""
        return f"{record.entity or self.api.default_entity}/{record.project}/{record.id}"

    def page(self, address: str) -> str:
        """Where a browser finds it."""
        return str(self.api.run(address).url)

    def lacks(self, record: OfflineRun) -> str | None:
        """What the service does not hold of a run, or none where it holds everything."""
        from wandb.errors import CommError

        self.api.flush()  # it remembers runs
        try:
            run = self.api.run(self.address(record))
        except (CommError, ValueError) as absent:
            return f"the service does not know the run: {absent}"
        last = max((int(row.get("_step", -1)) for row in record.history), default=-1)
        if run.lastHistoryStep < last:
            return f"the service holds rows up to {run.lastHistoryStep}, and not up to {last}"
        project = self.address(record).rpartition("/")[0]
        missing = [name for name in record.artifacts if not self.api.artifact_exists(f"{project}/{name}:latest")]
        return f"the service lacks the artifacts {', '.join(missing)}" if missing else None

    def lacks_for_long(self, record: OfflineRun) -> str | None:
        """The same, once the service has had time to take in what it was sent."""
        deadline = time.monotonic() + _ARRIVAL_S
        while (lacking := self.lacks(record)) is not None and time.monotonic() < deadline:
            time.sleep(1.0)
        return lacking
