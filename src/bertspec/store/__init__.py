"""Finished runs, each in a folder named by its fingerprint.

A folder holds ``run.json`` (what was asked for and what came of it) and ``arrays.npz`` (per-example
outcomes and the curve). It appears whole or not at all, and is checked whenever it is read. Beside the
runs lie the fine-tuned models that were asked for, and the state of runs that were interrupted.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from bertspec.errors import InvalidConfig, StoreError, UnknownName
from bertspec.files import atomic_folder, restore_folder, sha256
from bertspec.store import runs
from bertspec.store.runs import LAYOUT, StoredRun, layout_in

__all__ = ["Store", "StoredRun", "project_root", "store_folder"]

_log = logging.getLogger(__name__)


_RESERVE_BYTES = 1 << 20
"""Held on the disk while a run trains, so that its record fits when it ends; GLUE's largest takes 0.2 MiB."""
_PATIENCE_S = 5.0
"""The wait for a lock after which a message says so."""
_SUMS = "SHA256SUMS"
_NAMED = 8
"""Runs that a message lists, of perhaps thousands."""


@dataclass(frozen=True, slots=True)
class Store:
    """The finished runs below one folder."""

    root: Path

    @classmethod
    def locate(cls, folder: str | Path | None = None, *, root: Path | None = None) -> Self:
        """The store that a user means; see :func:`store_folder`.

        Raises:
            StoreError: the path is a file.
        """
        path = store_folder(folder, root=root)
        if path.exists() and not path.is_dir():
            raise StoreError("the store is not a folder", given=str(path), allowed="a folder, or a path to create one")
        return cls(path)

    @property
    def token_cache(self) -> Path:
        """The folder of token ids."""
        return self.root / "tokens"

    @property
    def tracking(self) -> Path:
        """The folder of the trackers' offline records."""
        return self.root / "tracking"

    @property
    def models(self) -> Path:
        """The folder of the fine-tuned models that were kept, each named by its run's fingerprint."""
        return self.root / "models"

    def unfinished(self, fingerprint: str) -> Path:
        """The folder for the state of a run that is under way."""
        return self.root / "unfinished" / fingerprint

    def folder(self, fingerprint: str) -> Path:
        """The folder of a finished run."""
        return self.root / "runs" / fingerprint

    def get(self, fingerprint: str) -> StoredRun | None:
        """The finished run of that fingerprint, or None.

        A damaged folder is set aside under another name, with a warning. A folder of another layout is
        left alone; one warning per process counts them.
        """
        folder = self.folder(fingerprint)
        restore_folder(folder)
        if not folder.is_dir():
            return None
        if layout_in(folder) not in (LAYOUT, None):
            _warn_of_other_layouts(self.root)
            return None
        try:
            return runs.read(folder, fingerprint)
        except runs.DAMAGE as damage:
            self._set_aside(folder, damage)
            return None

    def put(self, run: StoredRun) -> None:
        """Store a finished run; it replaces one of the same fingerprint. Only the holder of its lock may.

        Raises:
            StoreError: the folder cannot be written.
        """
        with self._writing("the run was finished, and cannot be stored"):
            self._reserve(run.fingerprint).unlink(missing_ok=True)
            with atomic_folder(self.folder(run.fingerprint)) as draft:
                runs.write(draft, run)

    @contextlib.contextmanager
    def new_model(self, fingerprint: str) -> Iterator[Path]:
        """An empty folder for a fine-tuned model; it is added to the models unless the body raises.

        Raises:
            StoreError: the folder cannot be written.
        """
        with self._writing("the model cannot be stored"), atomic_folder(self.models / fingerprint) as draft:
            yield draft
            if not any(draft.iterdir()):  # the run was stopped early, and has no model
                return
            (draft / _SUMS).write_text("".join(f"{sha256(file)}  {file.name}\n" for file in _files(draft)), "utf-8")

    def model(self, fingerprint: str) -> Path | None:
        """The folder of a run's fine-tuned model, or None if it was not kept."""
        folder = self.models / fingerprint
        restore_folder(folder)
        return folder if folder.is_dir() else None

    def intact_model(self, fingerprint: str) -> Path | None:
        """The folder of a run's model, its hashes checked; None, with a warning, if it is damaged."""
        folder = self.model(fingerprint)
        if folder is None:
            return None
        damaged = _damage(folder)
        if damaged:
            _log.warning("the stored model %s is damaged (%s) and is not used", folder, ", ".join(damaged))
            return None
        return folder

    @contextlib.contextmanager
    def lock(self, fingerprint: str) -> Iterator[None]:
        """Hold the right to train this run, and disk space for its record; other processes wait.

        The lock of a process that died is free at once.

        Raises:
            StoreError: the folder cannot be written, or the disk is full.
        """
        folder = self.root / "locks"
        with self._writing("the store cannot be written"):
            folder.mkdir(parents=True, exist_ok=True)
            held = FileLock(folder / f"{fingerprint}.lock")
            _acquire(held)
        try:
            with self._writing("the store cannot be written"):
                self._reserve(fingerprint).write_bytes(bytes(_RESERVE_BYTES))
            yield
        finally:
            with contextlib.suppress(OSError):
                self._reserve(fingerprint).unlink(missing_ok=True)
            held.release()

    def forget_unfinished(self, fingerprint: str) -> None:
        """Remove the state of a run that is finished, or that starts anew."""
        shutil.rmtree(self.unfinished(fingerprint), ignore_errors=True)

    def runs(self) -> Iterator[StoredRun]:
        """Every finished run that can be read, by fingerprint."""
        for fingerprint in sorted(self.fingerprints()):
            if (run := self.get(fingerprint)) is not None:
                yield run

    def select(self, *, encoder: str | None = None, task: str | None = None) -> list[StoredRun]:
        """The finished runs of an encoder, of a task, or all of them; the newest last."""
        wanted = (run for run in self.runs() if encoder in (None, run.config.encoder.name))
        return sorted(
            (run for run in wanted if task in (None, run.config.task.name)),
            key=lambda run: (run.result.facts.finished, run.config.encoder.name, run.config.seed),
        )

    def count(self) -> int:
        """The number of finished runs."""
        return len(self.fingerprints())

    def fingerprints(self) -> list[str]:
        """The fingerprints of the finished runs, the newest first, by the time stamps of their files."""
        files = list((self.root / "runs").glob("[!.]*/run.json"))
        own = [file for file in files if layout_in(file.parent) in (LAYOUT, None)]  # damage is found by reading it
        if len(own) < len(files):
            _warn_of_other_layouts(self.root)
        return [file.parent.name for file in sorted(own, key=lambda file: file.stat().st_mtime, reverse=True)]

    def find(self, word: str) -> StoredRun:
        """The run whose fingerprint begins with a word; ``latest`` is the one that finished last.

        Raises:
            UnknownName: no fingerprint begins with it.
            InvalidConfig: several do, or the store is empty.
        """
        if word == "latest" and (runs := list(self.runs())):
            return max(runs, key=lambda run: run.result.facts.finished)
        names = self.fingerprints()
        if not names:
            raise InvalidConfig("the store holds no runs", given=word, allowed="bertspec run, first", where=self.root)
        matching = [name for name in names if name.startswith(word.lower())]
        if len(matching) > 1:
            some = ", ".join(name[:16] for name in matching[:_NAMED])
            raise InvalidConfig(
                f"{len(matching)} fingerprints begin with this", given=word, allowed=some, where=self.root
            )
        run = self.get(matching[0]) if matching else None
        if run is None:
            raise UnknownName("run", word, ["latest", *(name[:12] for name in names[:_NAMED])], where=self.root)
        return run

    def _reserve(self, fingerprint: str) -> Path:
        return self.root / "locks" / f"{fingerprint}.reserve"

    @contextlib.contextmanager
    def _writing(self, problem: str) -> Iterator[None]:
        try:
            yield
        except OSError as refusal:
            raise StoreError(
                f"{problem}: {refusal.strerror or refusal}",
                where=self.root,
                allowed="a writable folder with free space, named by BERTSPEC_STORE or --bertspec-store",
            ) from refusal

    def _set_aside(self, folder: Path, damage: Exception) -> None:
        try:
            aside = Path(tempfile.mkdtemp(prefix="damaged-", dir=self.root)) / folder.name
            folder.rename(aside)
        except FileNotFoundError:  # another process was first
            return
        except OSError as refusal:
            _log.warning("the stored run %s is damaged (%s), and cannot be set aside: %s", folder, damage, refusal)
            return
        _log.warning("the stored run %s is damaged (%s); it is set aside in %s", folder.name, damage, aside.parent)


def project_root() -> Path:
    """The nearest folder, from the current one upward, that has a store; the current one if none has."""
    here = Path.cwd()
    return next((folder for folder in (here, *here.parents) if (folder / ".bertspec").is_dir()), here)


def store_folder(folder: str | Path | None = None, *, root: Path | None = None) -> Path:
    """Where finished runs are kept.

    Args:
        folder: the folder, as ``--store`` names it. ``None`` takes ``BERTSPEC_STORE``, else ``.bertspec`` in the root.
        root: the root folder; ``None`` takes :func:`project_root`.
    """
    named = folder or os.environ.get("BERTSPEC_STORE")
    return Path(named).expanduser().absolute() if named else (root or project_root()) / ".bertspec"


@functools.cache
def _warn_of_other_layouts(root: Path) -> None:
    """Once per process and store."""
    layouts = [layout_in(file.parent) for file in (root / "runs").glob("[!.]*/run.json")]
    others = [layout for layout in layouts if layout is not None and layout != LAYOUT]
    _log.warning(
        "the store %s holds %s in %s layout of bertspec's store (layout %s); left alone and not used",
        root,
        "1 run" if len(others) == 1 else f"{len(others)} runs",
        "an earlier" if max(others) < LAYOUT else "another",
        ", ".join(map(str, sorted(set(others)))),
    )


def _acquire(lock: FileLock) -> None:
    """Take a lock, with a message before a long wait."""
    try:
        lock.acquire(timeout=_PATIENCE_S)
    except Timeout:
        _log.warning("another process is training the run %s; waiting for it", Path(lock.lock_file).stem[:12])
        lock.acquire()


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.is_file())


def _damage(folder: Path) -> list[str]:
    """The files of a model that do not have the hash that was written."""
    try:
        lines = (folder / _SUMS).read_text("utf-8").splitlines()
        promised = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
        actual = {file.name: sha256(file) for file in _files(folder) if file.name != _SUMS}
    except (OSError, ValueError):
        return [_SUMS]
    return sorted(name for name in promised.keys() | actual.keys() if promised.get(name) != actual.get(name))
