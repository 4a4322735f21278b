"""Finished runs, each in a folder named by its fingerprint.

A folder holds ``run.json`` (what was asked for and what came of it) and ``arrays.npz`` (per-example
outcomes and the curve). It appears whole or not at all, and is checked whenever it is read. Beside the
runs lie the fine-tuned models that were asked for, and the state of runs that were interrupted.

Others may write in a store. So nothing is written through a link, nothing is read from a pipe, and what is no record
is never used; ``docs/faults.md`` says what that promises, and what it does not.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from bertspec.errors import InvalidConfig, StoreError, UnknownName, cut_short
from bertspec.files import (
    NO_FILE,
    NotRegular,
    atomic_folder,
    create,
    own_entries,
    own_folder,
    read_regular,
    remove,
    restore_folder,
    sha256,
    unlink_irregular,
)
from bertspec.printing import brief, counted, printable, warn_once
from bertspec.store import runs
from bertspec.store.runs import LAYOUT, OtherLayout, RunSummary, StoredRun, layout_in

__all__ = ["RunSummary", "Store", "StoredRun", "project_root", "store_folder"]

_log = logging.getLogger(__name__)


_RESERVE_BYTES = 1 << 20
"""Held on the disk while a run trains, so that its record fits when it ends; GLUE's largest takes 0.2 MiB."""
_FINGERPRINT = re.compile("[0-9A-Za-z]{1,64}")
_PATIENCE_S = 5.0
"""The wait for a lock after which a message says so."""
_SUMS = "SHA256SUMS"
_LARGEST_SUMS = 1 << 20
_NAMED = 8
"""Runs that a message lists, of perhaps thousands."""
_FIRST = "a finished run: start with bertspec run"


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
        return self._own("tokens")

    @property
    def tracking(self) -> Path:
        """The folder of the trackers' offline records."""
        return self._own("tracking")

    @property
    def models(self) -> Path:
        """The folder of the fine-tuned models that were kept, each named by its run's fingerprint."""
        return self._own("models")

    def unfinished(self, fingerprint: str) -> Path:
        """The folder for the state of a run that is under way."""
        return self._own("unfinished") / fingerprint

    def folder(self, fingerprint: str) -> Path:
        """The folder of a finished run. A record of another layout keeps its folder; ours then lies beside it.

        Raises:
            StoreError: the record cannot be read; or this is no fingerprint, and could lead out of the store.
        """
        if not _FINGERPRINT.fullmatch(fingerprint):
            raise StoreError(
                "not a run's fingerprint",
                given=cut_short(fingerprint),
                allowed="up to 64 letters and digits",
                where=self.root,
            )
        plain = self._own("runs") / fingerprint
        beside = plain.with_name(f"{fingerprint}.{LAYOUT}")
        with self._reading(f"the stored run {fingerprint[:12]}"):
            return beside if beside.exists() or layout_in(plain) not in (LAYOUT, None) else plain

    def get(self, fingerprint: str) -> StoredRun | None:
        """The finished run of that fingerprint, or None.

        A damaged folder is set aside under another name, with a warning. A run whose recorded scores are not those of
        its outputs is not used, with a warning; training it again replaces it. A folder of another layout is left
        alone; one warning per process counts them.

        Raises:
            StoreError: the run cannot be read, though it may be whole; or the folder of the runs is a link or a file.
        """
        run = self._read(fingerprint)
        if run is None or (wrong := run.disagreement()) is None:
            return run
        warn_once(_log, f"the stored run {fingerprint[:12]} is not used: {wrong}")
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
        return folder if folder.is_dir() and not folder.is_symlink() else None

    def intact_model(self, fingerprint: str) -> Path | None:
        """The folder of a run's model, its hashes checked; None, with a warning, if it is damaged.

        Raises:
            StoreError: it cannot be read, though it may be whole.
        """
        folder = self.model(fingerprint)
        if folder is None:
            return None
        with self._reading("the stored model"):
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
        folder = self._own("locks")
        with self._writing("the store cannot be written"):
            folder.mkdir(parents=True, exist_ok=True)
            held = FileLock(folder / f"{fingerprint}.lock")
            unlink_irregular(Path(held.lock_file))
            _acquire(held)
        try:
            with self._writing("the store cannot be written"), create(self._reserve(fingerprint)) as stream:
                stream.write(bytes(_RESERVE_BYTES))
            yield
        finally:
            with contextlib.suppress(OSError):
                self._reserve(fingerprint).unlink(missing_ok=True)
            held.release()

    def forget_unfinished(self, fingerprint: str) -> None:
        """Remove the state of a run that is finished, or that starts anew."""
        remove(self.unfinished(fingerprint))

    def runs(self) -> Iterator[StoredRun]:
        """Every finished run that can be read, by fingerprint."""
        yield from self.readable(sorted(self.fingerprints()))

    def readable(self, fingerprints: Iterable[str]) -> Iterator[StoredRun]:
        """The runs of these fingerprints; one that cannot be read is left out with a warning."""
        yield from self._each(fingerprints, self.get)

    def select(self, *, encoder: str | None = None, task: str | None = None) -> list[StoredRun]:
        """The finished runs of an encoder, of a task, or all of them; the newest last."""
        return list(self.readable(each.fingerprint for each in self.summaries(encoder=encoder, task=task)))

    def summaries(self, *, encoder: str | None = None, task: str | None = None) -> list[RunSummary]:
        """What a list shows of the finished runs of an encoder, of a task, or of all; the newest last.

        No arrays are read: the scores are those that were recorded. What cannot be read is left out with a warning, and
        stays where it is.

        Raises:
            StoreError: the folder of the runs is a link or a file.
        """
        chosen = (each for each in self._scanned() if encoder in (None, each.encoder) and task in (None, each.task))
        return sorted(chosen, key=lambda each: (each.finished, each.encoder, each.seed))

    def problem(self, fingerprint: str, metrics: tuple[str, ...] | None = None) -> str | None:
        """What is wrong with the arrays of a run, or with its scores beside them; None if nothing is.

        Args:
            fingerprint: the run.
            metrics: the scores to recompute; ``None`` takes all.
        """
        try:
            with self._reading(f"the stored run {fingerprint[:12]}"):
                return runs.read(self.folder(fingerprint), fingerprint).disagreement(metrics)
        except StoreError as refusal:
            return refusal.problem
        except (OtherLayout, *runs.DAMAGE) as damage:
            return f"damaged: {brief(damage)}"

    def count(self) -> int:
        """The number of finished runs."""
        return len(self.fingerprints())

    def fingerprints(self) -> list[str]:
        """The fingerprints of the finished runs, the newest first, by the time stamps of their files."""
        stamps, others = dict[str, float](), False
        for folder in self._folders():
            try:
                if layout_in(folder) in (LAYOUT, None):  # damage is found by reading it
                    stamps[_fingerprint(folder)] = (folder / "run.json").lstat().st_mtime
                else:
                    others = True
            except NO_FILE:
                continue
            except OSError:  # reading it tells the reason
                stamps[_fingerprint(folder)] = 0.0
        if others:
            _warn_of_other_layouts(self.root)
        return sorted(stamps, key=lambda name: stamps[name], reverse=True)

    def find(self, word: str) -> StoredRun:
        """The run whose fingerprint begins with a word; ``latest`` is the one that finished last.

        A run whose recorded scores are not those of its outputs is returned, with a warning.

        Raises:
            UnknownName: no fingerprint begins with it.
            InvalidConfig: several do, or the store is empty.
            StoreError: the folder of the runs is a link or a file.
        """
        run = self._latest() if word == "latest" else self._only(word, self.fingerprints())
        if (wrong := run.disagreement()) is not None:
            warn_once(_log, f"the stored run {run.fingerprint[:12]}: {wrong}")
        return run

    def _latest(self) -> StoredRun:
        ordered = sorted(self._scanned(), key=lambda each: each.finished, reverse=True)
        run = next(self._each((each.fingerprint for each in ordered), self._read), None)
        if run is None and ordered:
            run = self._read(ordered[0].fingerprint)  # raises what keeps it from being read
        if run is None:
            which = "runs that can be read" if self.fingerprints() else "runs"
            raise InvalidConfig(f"the store holds no {which}", given="latest", allowed=_FIRST, where=self.root)
        return run

    def _only(self, word: str, names: list[str]) -> StoredRun:
        """The only run whose fingerprint begins with a word.

        Args:
            word: the word.
            names: all fingerprints, the newest first.
        """
        if not names:
            raise InvalidConfig("the store holds no runs", given=word, allowed=_FIRST, where=self.root)
        matching = [name for name in names if name.startswith(word.lower())]
        if len(matching) > 1:
            some = ", ".join(name[:16] for name in matching[:_NAMED])
            raise InvalidConfig(
                f"{len(matching)} fingerprints begin with this", given=word, allowed=some, where=self.root
            )
        run = self._read(matching[0]) if matching else None
        if run is None:
            raise UnknownName("run", word, ["latest", *(name[:12] for name in names[:_NAMED])], where=self.root)
        return run

    def _read(self, fingerprint: str) -> StoredRun | None:
        """The run as it is stored; None, and set aside, if it is damaged."""
        folder = self.folder(fingerprint)
        restore_folder(folder)
        if not os.path.lexists(folder):
            return None
        with self._reading(f"the stored run {fingerprint[:12]}"):
            try:
                return runs.read(folder, fingerprint)
            except OtherLayout:
                _warn_of_other_layouts(self.root)
            except runs.DAMAGE as damage:
                self._set_aside(folder, damage)
        return None

    def _each(self, fingerprints: Iterable[str], read: Callable[[str], StoredRun | None]) -> Iterator[StoredRun]:
        for fingerprint in fingerprints:
            try:
                run = read(fingerprint)
            except StoreError as refusal:
                warn_once(_log, str(refusal))
                continue
            if run is not None:
                yield run

    def _scanned(self) -> list[RunSummary]:
        """The summary of every run that can be read; a warning counts the others."""
        read, unread, others = list[RunSummary](), list[str](), False
        for folder in self._folders():
            try:
                read.append(runs.read_summary(folder, _fingerprint(folder)))
            except OtherLayout:
                others = True
            except (OSError, *runs.DAMAGE) as damage:
                unread.append(f"{printable(folder.name)[:12]} ({brief(damage)})")
        if others:
            _warn_of_other_layouts(self.root)
        if unread:
            more = f", and {len(unread) - _NAMED} more" if len(unread) > _NAMED else ""
            warn_once(_log, f"stored runs that cannot be read are left out: {', '.join(unread[:_NAMED])}{more}")
        return read

    def _folders(self) -> list[Path]:
        """The folders of finished runs, in no order, without the hidden ones: drafts, and what a killed writer left.

        Raises:
            StoreError: the folder of the runs cannot be read.
        """
        folder = self._own("runs")
        with self._reading("the stored runs"):
            return own_entries(folder)

    def _own(self, name: str) -> Path:
        """A folder of the store, which need not exist yet.

        Raises:
            StoreError: it is a link, which may lead out of the store, or a file.
        """
        try:
            return own_folder(self.root / name)
        except OSError as refusal:
            reason = str(refusal.strerror)
            raise StoreError(
                reason if isinstance(refusal, NotRegular) else f"the store cannot be used: {reason}",
                given=str(self.root / name),
                allowed="a folder; the store itself may be a link, or be named by BERTSPEC_STORE or --store",
            ) from refusal

    @contextlib.contextmanager
    def _reading(self, what: str) -> Iterator[None]:
        """Report an error of the machine; what shows that no file is there stays as it is."""
        try:
            yield
        except NO_FILE:
            raise
        except OSError as refusal:
            raise StoreError(
                f"{what} cannot be read: {refusal.strerror or refusal}",
                given=refusal.filename,
                allowed="files that this user may read, on a disk that works; they are left as they are",
                where=self.root,
            ) from refusal

    def _reserve(self, fingerprint: str) -> Path:
        return self._own("locks") / f"{fingerprint}.reserve"

    @contextlib.contextmanager
    def _writing(self, problem: str) -> Iterator[None]:
        try:
            yield
        except OSError as refusal:
            raise StoreError.unwritable(problem, refusal, where=self.root) from refusal

    def _set_aside(self, folder: Path, damage: Exception) -> None:
        reason = brief(damage)
        try:
            aside = Path(tempfile.mkdtemp(prefix="damaged-", dir=self.root)) / folder.name
            folder.rename(aside)
        except FileNotFoundError:  # another process was first
            return
        except OSError as refusal:
            _log.warning("the stored run %s is damaged (%s), and cannot be set aside: %s", folder, reason, refusal)
            return
        _log.warning("the stored run %s is damaged (%s); it is set aside in %s", folder.name, reason, aside.parent)


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
    others = list[int]()
    for file in (root / "runs").glob("[!.]*/run.json"):
        with contextlib.suppress(OSError):
            layout = layout_in(file.parent)
            others += [layout] if layout not in (LAYOUT, None) else []
    if not others:  # removed since
        return
    _log.warning(
        "the store %s holds %s in %s layout of bertspec's store (layout %s); left alone and not used",
        root,
        counted(len(others), "run"),
        "an earlier" if max(others) < LAYOUT else "another",
        ", ".join(map(str, sorted(set(others)))),
    )


def _fingerprint(folder: Path) -> str:
    """The fingerprint that a folder of a finished run is named by."""
    return folder.name.removesuffix(f".{LAYOUT}")


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
    """The files of a model that do not have the hash that was written; and links, pipes and devices."""
    planted = [file.name for file in folder.iterdir() if file.is_symlink() or not (file.is_file() or file.is_dir())]
    if planted:
        return sorted(planted)
    try:
        lines = read_regular(folder / _SUMS, limit=_LARGEST_SUMS, follow=False).decode().splitlines()
        promised = {name: digest for digest, name in (line.split("  ", 1) for line in lines)}
        actual = {file.name: sha256(file) for file in _files(folder) if file.name != _SUMS}
    except (*NO_FILE, ValueError):
        return [_SUMS]
    return sorted(name for name in promised.keys() | actual.keys() if promised.get(name) != actual.get(name))
