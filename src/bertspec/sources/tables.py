"""A task config → the rows of its two splits, from wherever the data set is."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bertspec.config import TaskConfig
from bertspec.errors import BertspecError, DataError, SourceError
from bertspec.results import Origin, Place
from bertspec.sources import generated, hub, sabotage, tuning
from bertspec.sources.locations import Locations

__all__ = ["FILE_READERS", "Splits", "Table", "load", "texts"]

Table = dict[str, list[Any]]
"""Column name → one value per row."""

FILE_READERS = {".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".parquet": "parquet"}
"""File suffix → the reader of the datasets library."""


@dataclass(frozen=True, slots=True)
class Splits:
    """The rows that a task trains on and the rows that it is scored on."""

    train: Table
    evaluation: Table
    origin: Origin
    """Where the rows came from; its hash covers the columns that the task uses, row by row."""
    clean: tuple[int, ...] | None = None
    """The labels before noise of the scored rows, of a generated task; none where nobody knows them."""


@functools.lru_cache(maxsize=8)
def load(task: TaskConfig, locations: Locations) -> Splits:
    """Read the columns that the task uses; an equal call returns the same rows.

    Raises:
        DataError: a split or a column is not there.
        SourceError: the data set cannot be read.
        HashMismatch: the rows are not those that the lock file promises.
        Unreachable: nothing local holds it and the hub does not answer.
        UnknownName: the hub, or the generated tasks, know no such data set.
    """
    columns = tuple(dict.fromkeys(c for c in (task.text, task.text_pair, task.label) if c is not None))
    place: Place
    clean_labels = None
    if task.generated is not None:
        place, revision = "installed", None
        made, held_out = (generated.rows(task.dataset, task.generated, split) for split in ("train", "evaluation"))
        train, evaluation = _chosen(made, columns, task), _chosen(held_out, columns, task)
        clean_labels = tuple(made[generated.CLEAN_LABEL]), tuple(held_out[generated.CLEAN_LABEL])
    else:
        path, place, revision = _locate(task, locations)
        train = _chosen(_read(path, task, task.train_split), columns, task)
        evaluation = _chosen(_read(path, task, task.evaluation_split), columns, task)
        pin = locations.pins.of_data(task)
        if pin is not None:
            locations.pins.check(
                pin.sha256, _digest(columns, train, evaluation), f"the content of data set {task.dataset!r}"
            )
    clean = None if clean_labels is None else clean_labels[1]
    if task.tuning_share is not None:
        trained, scored = tuning.parts(task, train)
        train, evaluation = _rows(train, trained), _rows(train, scored)
        clean = None if clean_labels is None else tuple(clean_labels[0][row] for row in scored)
    if task.sabotage == "scored on training rows":
        clean = None
    train, evaluation = sabotage.applied(task, train, evaluation)
    digest = _digest(columns, train, evaluation)
    return Splits(train, evaluation, Origin(name=task.dataset, place=place, revision=revision, sha256=digest), clean)


def texts(task: TaskConfig, locations: Locations, *, sha256: str) -> tuple[tuple[str, ...], ...] | None:
    """What an encoder read of every scored row: a text, or a pair of them.

    Args:
        task: the task.
        locations: where its rows may be.
        sha256: the hash of the rows that are meant.

    Returns:
        none where those rows cannot be had any more, or are others by now.
    """
    try:
        splits = load(task, locations)
    except BertspecError:
        return None
    columns = [column for column in (task.text, task.text_pair) if column is not None]
    same = splits.origin.sha256 == sha256
    return tuple(zip(*(map(str, splits.evaluation[name]) for name in columns), strict=True)) if same else None


def _locate(task: TaskConfig, locations: Locations) -> tuple[Path, Place, str | None]:
    path = Path(task.dataset)
    if path.is_absolute():
        if not path.exists():
            raise SourceError(f"the data set of task {task.name!r} is not there", given=str(path))
        return path, "folder", None
    if mirrored := locations.in_mirror(task.dataset):
        return mirrored, "mirror", None
    pin = locations.pins.of_data(task)
    folder, commit = hub.dataset(task.dataset, task.subset, (pin.revision if pin else None) or task.revision, locations)
    return folder, "hub", commit


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
    """Rows, not files, are hashed: a mirror and the hub give the same hash for the same rows."""
    digest = hashlib.sha256()
    for line in _lines(columns, *tables):
        digest.update(line.encode())
    return digest.hexdigest()


def _lines(columns: tuple[str, ...], *tables: Table) -> Iterator[str]:
    for table in tables:
        yield f"{json.dumps(columns)}\n"
        for row in zip(*(table[column] for column in columns), strict=True):
            yield json.dumps(row, default=str) + "\n"
