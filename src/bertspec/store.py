"""Finished runs, each in a folder named by its fingerprint.

A folder holds ``run.json`` (what was asked for and what came of it) and ``arrays.npz`` (per-example
outcomes and the curve). It appears whole or not at all, and is checked whenever it is read.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from pydantic import ValidationError

from bertspec.errors import StoreError
from bertspec.result import Curve, Outcomes, RunFacts, RunResult
from bertspec.spec import RunSpec

__all__ = ["Store", "StoredRun"]

_log = logging.getLogger(__name__)
_LAYOUT = 1


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A finished run and what it was asked to be."""

    fingerprint: str
    spec: RunSpec
    result: RunResult


@dataclass(frozen=True, slots=True)
class Store:
    """The finished runs below one folder."""

    root: Path

    @property
    def token_cache(self) -> Path:
        """The folder of token ids."""
        return self.root / "tokens"

    @property
    def tracking(self) -> Path:
        """The folder of the trackers' offline records."""
        return self.root / "tracking"

    def get(self, fingerprint: str) -> StoredRun | None:
        """The finished run of that fingerprint, or none.

        A folder that is damaged is set aside under another name and counts as none.
        """
        folder = self._folder(fingerprint)
        if not folder.is_dir():
            return None
        try:
            return _read(folder, fingerprint)
        except (OSError, ValueError, KeyError, ValidationError, zipfile.BadZipFile) as damage:
            self._set_aside(folder, damage)
            return None

    def put(self, run: StoredRun) -> None:
        """Keep a finished run; it replaces one of the same fingerprint.

        Raises:
            StoreError: the folder cannot be written.
        """
        folder = self._folder(run.fingerprint)
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=folder.parent))
            _write(draft, run)
            if folder.exists():
                shutil.rmtree(folder)
            draft.rename(folder)
        except OSError as refusal:
            raise StoreError(
                f"the run was finished, and cannot be stored: {refusal.strerror}",
                where=folder,
                allowed="a writable folder with space, named by BERTSPEC_STORE or --bertspec-store",
            ) from refusal

    @contextlib.contextmanager
    def lock(self, fingerprint: str) -> Iterator[None]:
        """Hold the right to make this run; others wait. A dead holder's lock is free at once.

        Raises:
            StoreError: the folder cannot be written.
        """
        folder = self.root / "locks"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held = FileLock(folder / f"{fingerprint}.lock")
            held.acquire()
        except OSError as refusal:
            raise StoreError(
                f"the store cannot be written: {refusal.strerror}",
                where=self.root,
                allowed="a writable folder, named by BERTSPEC_STORE or --bertspec-store",
            ) from refusal
        try:
            yield
        finally:
            held.release()

    def runs(self) -> Iterator[StoredRun]:
        """Every finished run that can be read."""
        for file in sorted((self.root / "runs").glob("[!.]*/run.json")):
            run = self.get(file.parent.name)
            if run is not None:
                yield run

    def count(self) -> int:
        """How many runs are finished."""
        return sum(1 for _ in (self.root / "runs").glob("[!.]*/run.json"))

    def _folder(self, fingerprint: str) -> Path:
        return self.root / "runs" / fingerprint

    def _set_aside(self, folder: Path, damage: Exception) -> None:
        aside = Path(tempfile.mkdtemp(prefix="damaged-", dir=self.root)) / folder.name
        _log.warning("the stored run %s is damaged (%s); it is set aside in %s", folder.name, damage, aside.parent)
        with contextlib.suppress(FileNotFoundError):  # another process was first
            folder.rename(aside)


def _write(folder: Path, run: StoredRun) -> None:
    arrays = folder / "arrays.npz"
    outcomes, curve = run.result.outcomes, run.result.curve
    np.savez(
        arrays,
        allow_pickle=False,
        outputs=outcomes.outputs,
        references=outcomes.references,
        loss=curve.loss,
        learning_rate=curve.learning_rate,
    )
    record = {
        "layout": _LAYOUT,
        "fingerprint": run.fingerprint,
        "arrays_sha256": hashlib.sha256(arrays.read_bytes()).hexdigest(),
        "spec": run.spec.model_dump(mode="json"),
        "facts": run.result.facts.model_dump(mode="json"),
    }
    with (folder / "run.json").open("w", encoding="utf-8") as stream:
        json.dump(record, stream, indent=1, ensure_ascii=False)
        stream.flush()
        os.fsync(stream.fileno())


def _read(folder: Path, fingerprint: str) -> StoredRun:
    record: dict[str, Any] = json.loads((folder / "run.json").read_text("utf-8"))
    if record["fingerprint"] != fingerprint or record["layout"] != _LAYOUT:
        raise ValueError("run.json belongs to another run or another layout")
    arrays = folder / "arrays.npz"
    if hashlib.sha256(arrays.read_bytes()).hexdigest() != record["arrays_sha256"]:
        raise ValueError("arrays.npz is not what was written")
    with np.load(arrays, allow_pickle=False) as kept:  # noqa: TID251 - plain arrays only
        outcomes = Outcomes(kept["outputs"], kept["references"])
        curve = Curve(kept["loss"], kept["learning_rate"])
    facts = RunFacts.model_validate(record["facts"])
    return StoredRun(fingerprint, RunSpec.model_validate(record["spec"]), RunResult(facts, outcomes, curve))
