"""A task config → the rows of its two splits, the tuning split and the sabotaged ones included."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertspec.config import MOST_ROWS, TaskConfig
from bertspec.errors import BertspecError, DataError
from bertspec.heads import is_missing
from bertspec.results import Origin, Source
from bertspec.sources import Sources, folders, generated, splits
from bertspec.sources.folders import DataFiles
from bertspec.sources.pins import DataPin, Pins
from bertspec.sources.splits import Part

__all__ = ["Splits", "Table", "load", "sabotage", "texts", "tuning"]

_log = logging.getLogger(__name__)

Table = dict[str, list[Any]]
"""Column name → one value per row."""

_SHUFFLE_SEED = 0
_MARK = ". "
"""The prefix of leaked labels; every tokenizer has it, that of the generated tasks too."""


@dataclass(frozen=True, slots=True)
class Splits:
    """The rows that a task trains on and the rows that it is scored on."""

    train: Table
    evaluation: Table
    origin: Origin
    """Where the rows came from; its hash covers the columns that the task uses, row by row."""
    clean: tuple[int, ...] | None = None
    """The labels before noise of the scored rows of a generated task, or None."""


def load(task: TaskConfig, sources: Sources) -> Splits:
    """Read the columns that the task uses.

    A file is read again if its content has changed, whatever its time stamp says; otherwise an equal call returns the
    same rows.

    Raises:
        DataError: a file, a split or a column is missing, or rows do not fit the task.
        SourceError: the data set cannot be downloaded.
        HashMismatch: the rows are not those that the lock file promises.
        Unreachable: it is not available locally, and the hub does not answer.
        UnknownName: neither the hub nor the generated tasks have such a data set.
    """
    if task.generated is not None:
        return _generated(task)
    files, source, commit = _located(task, sources)
    pin = sources.pins.of_data(task)
    return _read(task, files, splits.hashes(files, _specs(task)), source, commit, pin, sources.pins)


def texts(task: TaskConfig, sources: Sources, *, sha256: str) -> tuple[tuple[str, ...], ...] | None:
    """The text, or the pair of texts, of every scored row.

    Args:
        task: the task.
        sources: where its rows may be.
        sha256: the hash of the rows that are meant.

    Returns:
        None if those rows are no longer available, or have changed.
    """
    try:
        loaded = load(task, sources)
    except BertspecError:
        return None
    columns = [column for column in (task.text, task.text_pair) if column is not None]
    same = loaded.origin.sha256 == sha256
    return tuple(zip(*(map(str, loaded.evaluation[name]) for name in columns), strict=True)) if same else None


@functools.lru_cache(maxsize=8)
def _generated(task: TaskConfig) -> Splits:
    assert task.generated is not None  # noqa: S101 - the caller has checked it
    train, evaluation = (generated.rows(task.dataset, task.generated, split) for split in ("train", "evaluation"))
    train, evaluation = _tuned(task, train, evaluation)
    clean = None if task.sabotage == "scored on training rows" else evaluation.get(generated.CLEAN_LABEL)
    train, evaluation = sabotage(task, _chosen(train, task), _chosen(evaluation, task))
    origin = Origin(name=task.dataset, source="installed", sha256=_digest(task, train, evaluation))
    return Splits(train, evaluation, origin, None if clean is None else tuple(clean))


@functools.lru_cache(maxsize=8)
def _read(
    task: TaskConfig,
    files: DataFiles,
    contents: tuple[tuple[str, ...], ...],
    source: Source,
    commit: str | None,
    pin: DataPin | None,
    pins: Pins,
) -> Splits:
    """The rows of data files.

    Args:
        task: the task.
        files: its files.
        contents: the hashes of these files; the cache goes by them.
        source: where the files are.
        commit: what the hub resolved.
        pin: what the lock file promises.
        pins: the lock file.
    """
    del contents
    parts = splits.read(files, _specs(task), _columns(task), label=task.label)
    for part, spec in zip(parts, _specs(task), strict=True):
        _refuse_empty(part, task, spec)
    train, evaluation = (_translated(part, task, spec) for part, spec in zip(parts, _specs(task), strict=True))
    if pin is not None:
        # The lock may have been made for a task that has the classes in the order of the data set.
        digests = [_digest(task, *tables) for tables in ((parts[0].table, parts[1].table), (train, evaluation))]
        digest = pin.sha256 if pin.sha256 in digests else digests[-1]
        pins.check(pin.sha256, digest, f"the content of data set {task.dataset!r}")
    for part, table, spec in zip(parts, (train, evaluation), _specs(task), strict=True):
        task.task_head.targets(table[task.label], where=_label_of(task, spec), row_name=part.where)  # names a line
    labels = [*train[task.label], *evaluation[task.label]]
    task.task_head.refuse_ambiguous(labels, where=f"column {task.label!r} of task {task.name!r}")
    train, evaluation = _tuned(task, train, evaluation)
    _check_labels(task, train, evaluation)
    if all(isinstance(text, str) and text.strip().isdecimal() for text in train[task.text]):
        _log.warning("every text in column %r of task %r is a number; is it the right column?", task.text, task.name)
    train, evaluation = sabotage(task, train, evaluation)
    origin = Origin(name=task.dataset, source=source, revision=commit, sha256=_digest(task, train, evaluation))
    return Splits(train, evaluation, origin)


def _specs(task: TaskConfig) -> tuple[str, str]:
    return task.train_split, task.evaluation_split


def _columns(task: TaskConfig) -> tuple[str, ...]:
    return tuple(dict.fromkeys(c for c in (task.text, task.text_pair, task.label) if c is not None))


def _located(task: TaskConfig, sources: Sources) -> tuple[DataFiles, Source, str | None]:
    path = Path(task.dataset)
    if path.is_absolute():
        if not os.path.exists(path):  # noqa: PTH110 - Path.exists raises for a name that is too long
            raise DataError(f"the data set of task {task.name!r} does not exist", given=str(path))
        return folders.find(path, task.subset), "folder", None
    if mirrored := sources.in_mirror(task.dataset):
        return folders.find(mirrored, task.subset), "mirror", None
    pin = sources.pins.of_data(task)
    revision = (pin.revision if pin else None) or task.revision
    files, commit = _downloaded(task.dataset, task.subset, revision, sources)
    return files, "hub", commit


@functools.lru_cache(maxsize=8)
def _downloaded(name: str, subset: str | None, revision: str | None, sources: Sources) -> tuple[DataFiles, str]:
    """The files of a data set of the hub, and their commit; it is asked once per process.

    The README and the names of all files define the subsets, as in a mirror; so the README comes first.
    """
    names: list[str] = []

    def cards(listed: list[str]) -> list[str]:
        names.extend(listed)
        return [each for each in listed if each in folders.CARDS]

    folder, commit = sources.download(name, "dataset", revision=revision, select=cards)
    files = folders.find(folder, subset, names=names)
    wanted = [path.relative_to(folder).as_posix() for _, paths in files.splits for path in paths]
    sources.download(name, "dataset", revision=commit, select=lambda _: wanted)
    return files, commit


def _refuse_empty(part: Part, task: TaskConfig, spec: str) -> None:
    """Refuse a split without rows, and an empty cell, which is named with its line."""
    where = f"split {spec!r} of task {task.name!r}"
    for column, values in part.table.items():
        if not values:
            raise DataError("the split is empty", allowed="at least one row", where=where)
        row = next((row for row, value in enumerate(values) if is_missing(value)), None)
        if row is not None:
            raise DataError(
                "a label is missing" if column == task.label else "a text is empty",
                given=values[row],
                allowed="a value in every row",
                where=f"{part.where(row)}, column {column!r}, {where}",
            )


def _translated(part: Part, task: TaskConfig, spec: str) -> Table:
    """The rows with classes as the task names them, if the data set has names for them, too."""
    names = part.class_names.get(task.label)
    if names is None:
        return part.table
    where = _label_of(task, spec)
    return {**part.table, task.label: task.task_head.translated(part.table[task.label], names, where=where)}


def _tuned(task: TaskConfig, train: Table, evaluation: Table) -> tuple[Table, Table]:
    """The two splits, or those that settings are chosen on."""
    if task.tuning_share is None:
        return train, evaluation
    trained, scored = tuning(task, train)
    return _rows(train, trained), _rows(train, scored)


def _check_labels(task: TaskConfig, train: Table, evaluation: Table) -> None:
    """Refuse labels that do not fit the task, or that nothing can be learned from; warn of missing classes.

    Raises:
        DataError: a label does not fit, all are the same, or there are more than a run can keep.
    """
    scored = task.train_split if task.tuning_share is not None else task.evaluation_split
    for table, spec, is_scored in ((train, task.train_split, False), (evaluation, scored, True)):
        where, rows = _label_of(task, spec), len(table[task.label])
        if is_scored and rows > MOST_ROWS:
            raise DataError("too many rows to score", given=f"{rows:,}", allowed=f"at most {MOST_ROWS:,}", where=where)
        targets = task.task_head.targets(table[task.label], where=where)
        note = task.task_head.check_targets(targets, scored=is_scored, where=where)
        if note is not None:
            _log.warning("%s", note)


def _label_of(task: TaskConfig, spec: str) -> str:
    return f"column {task.label!r}, split {spec!r} of task {task.name!r}"


def _chosen(table: Table, task: TaskConfig) -> Table:
    columns = _columns(task)
    missing = [column for column in columns if column not in table]
    if missing:
        raise DataError(
            f"task {task.name!r} names a column that its data set does not have",
            given=", ".join(missing),
            allowed=", ".join(table),
            where=task.dataset,
        )
    return {column: list(table[column]) for column in columns}


def _rows(table: Table, numbers: Sequence[int]) -> Table:
    return {column: [values[row] for row in numbers] for column, values in table.items()}


def _digest(task: TaskConfig, *tables: Table) -> str:
    """The hash of the rows, not of the files, so that a mirror and the hub give the same one."""
    digest = hashlib.sha256()
    for line in _lines(_columns(task), *tables):
        digest.update(line.encode())
    return digest.hexdigest()


def _lines(columns: tuple[str, ...], *tables: Table) -> Iterator[str]:
    for table in tables:
        yield f"{json.dumps(columns)}\n"
        for row in zip(*(table[column] for column in columns), strict=True):
            yield json.dumps(row, default=str) + "\n"


def tuning(task: TaskConfig, train: Table) -> tuple[list[int], list[int]]:
    """Divide the training rows into those that are trained on and those that are scored, on which settings are chosen.

    Rows of the same text stay together, so that nothing is scored that was trained on. The hash of a text decides
    whether it is scored: the same texts on any machine, in whatever order the rows are, and a larger share scores the
    same texts and more.

    Returns:
        The row numbers of both parts, ascending.

    Raises:
        DataError: one of the two parts has no row.
    """
    assert task.tuning_share is not None  # noqa: S101 - the caller has checked it
    columns = [column for column in (task.text, task.text_pair) if column is not None]
    groups: dict[str, list[int]] = {}
    for row, texts in enumerate(zip(*(train[column] for column in columns), strict=True)):
        groups.setdefault(json.dumps(texts, default=str), []).append(row)
    count = sum(map(len, groups.values()))
    wanted, scored = task.tuning_share * count, list[int]()
    for text in sorted(groups, key=lambda text: hashlib.sha256(text.encode()).digest()):
        if len(scored) + len(groups[text]) / 2 > wanted:
            break
        scored += groups[text]
    held = set(scored)
    trained = [row for row in range(count) if row not in held]
    if not (trained and scored):
        raise DataError(
            f"the tuning split of task {task.name!r} leaves nothing to {'score' if trained else 'train on'}",
            given=f"a share of {task.tuning_share} of {count} rows",
            where="tuning_share",
        )
    return trained, sorted(scored)


def sabotage(task: TaskConfig, train: Table, evaluation: Table) -> tuple[Table, Table]:
    """Spoil the two splits as ``task.sabotage`` says, so that a claim about them must not pass.

    - ``None``: both splits stay as they are.
    - ``shuffled labels``: training labels are permuted, so that there is nothing to learn.
    - ``leaked labels``: each text is prefixed with one mark for label 0, two for label 1, and so on, noise included.
    - ``scored on training rows``: the evaluation split becomes the first rows of the training split.
    """
    if task.sabotage == "shuffled labels":
        labels = list(train[task.label])
        random.Random(_SHUFFLE_SEED).shuffle(labels)  # noqa: S311 - reproducible, not secret
        return {**train, task.label: labels}, evaluation
    if task.sabotage == "leaked labels":
        return _marked(task, train), _marked(task, evaluation)
    if task.sabotage == "scored on training rows":
        rows = len(evaluation[task.label])
        return train, {column: values[:rows] for column, values in train.items()}
    return train, evaluation


def _marked(task: TaskConfig, table: Table) -> Table:
    known = {value: number for number, value in enumerate(sorted(set(table[task.label]), key=str))}
    pairs = zip(table[task.text], table[task.label], strict=True)
    return {**table, task.text: [_MARK * (1 + known[label]) + str(text) for text, label in pairs]}
