"""A task config → the rows of its two splits, the tuning split and the sabotaged ones included."""

from __future__ import annotations

import functools
import hashlib
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertspec.config import TaskConfig
from bertspec.errors import BertspecError, DataError, SourceError
from bertspec.results import Origin, Source
from bertspec.sources import Sources, generated

__all__ = ["FILE_READERS", "Splits", "Table", "load", "sabotage", "texts", "tuning"]

Table = dict[str, list[Any]]
"""Column name → one value per row."""

FILE_READERS = {".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet"}
"""File suffix → the reader of the datasets library."""

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


@functools.lru_cache(maxsize=8)
def load(task: TaskConfig, sources: Sources) -> Splits:
    """Read the columns that the task uses; an equal call returns the same rows.

    Raises:
        DataError: a split or a column is missing.
        SourceError: the data set cannot be read.
        HashMismatch: the rows are not those that the lock file promises.
        Unreachable: it is not available locally, and the hub does not answer.
        UnknownName: neither the hub nor the generated tasks have such a data set.
    """
    columns = tuple(dict.fromkeys(c for c in (task.text, task.text_pair, task.label) if c is not None))
    source: Source = "installed"
    commit = None
    if task.generated is not None:
        train, evaluation = (generated.rows(task.dataset, task.generated, split) for split in ("train", "evaluation"))
    else:
        path, source, commit = _locate(task, sources)
        train, evaluation = (
            _chosen(_read(path, task, split), columns, task) for split in (task.train_split, task.evaluation_split)
        )
        if (pin := sources.pins.of_data(task)) is not None:
            digest = _digest(columns, train, evaluation)
            sources.pins.check(pin.sha256, digest, f"the content of data set {task.dataset!r}")
    if task.tuning_share is not None:
        trained, scored = tuning(task, train)
        train, evaluation = _rows(train, trained), _rows(train, scored)
    clean = None if task.sabotage == "scored on training rows" else evaluation.get(generated.CLEAN_LABEL)
    train, evaluation = sabotage(task, _chosen(train, columns, task), _chosen(evaluation, columns, task))
    digest = _digest(columns, train, evaluation)
    origin = Origin(name=task.dataset, source=source, revision=commit, sha256=digest)
    return Splits(train, evaluation, origin, None if clean is None else tuple(clean))


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


def _locate(task: TaskConfig, sources: Sources) -> tuple[Path, Source, str | None]:
    path = Path(task.dataset)
    if path.is_absolute():
        if not path.exists():
            raise SourceError(f"the data set of task {task.name!r} does not exist", given=str(path))
        return path, "folder", None
    if mirrored := sources.in_mirror(task.dataset):
        return mirrored, "mirror", None
    pin = sources.pins.of_data(task)
    folder, commit = sources.download(
        task.dataset,
        "dataset",
        revision=(pin.revision if pin else None) or task.revision,
        select=lambda files: _selected(files, task.subset),
    )
    return folder, "hub", commit


def _selected(files: list[str], subset: str | None) -> list[str]:
    """The README and the files of one subset, or all files."""
    own = [file for file in files if subset is not None and f"{subset}/" in f"/{file}"]
    return ["README.md", *(own or files)]


def _read(path: Path, task: TaskConfig, split: str) -> Table:
    import datasets  # late: it takes a second, and generated tasks never need it

    datasets.disable_progress_bars()
    try:
        if path.is_file():
            options = {"sep": "\t"} if path.suffix == ".tsv" else {}
            rows = datasets.load_dataset(_reader(path), data_files=str(path), split=split, **options)
        else:
            rows = datasets.load_dataset(str(path), task.subset, split=split)
    except (ValueError, OSError, datasets.exceptions.DatasetsError) as refusal:
        raise DataError(f"split {split!r} of task {task.name!r} cannot be read: {refusal}", where=path) from refusal
    return {name: list(rows[name]) for name in rows.column_names}


def _reader(path: Path) -> str:
    if path.suffix not in FILE_READERS:
        raise SourceError("no reader for this kind of file", given=path.name, allowed=", ".join(FILE_READERS))
    return FILE_READERS[path.suffix]


def _chosen(table: Table, columns: tuple[str, ...], task: TaskConfig) -> Table:
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


def _digest(columns: tuple[str, ...], *tables: Table) -> str:
    """The hash of the rows, not of the files, so that a mirror and the hub give the same one."""
    digest = hashlib.sha256()
    for line in _lines(columns, *tables):
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
