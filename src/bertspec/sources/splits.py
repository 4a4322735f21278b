"""The files of a data set → the rows of a split, or of a part of one such as ``train[:80%]``."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from bertspec.errors import DataError
from bertspec.files import sha256
from bertspec.sources import rows
from bertspec.sources.folders import DataFiles
from bertspec.sources.rows import Rows

__all__ = ["Part", "hashes", "read"]

_log = logging.getLogger(__name__)

_NAME = re.compile(r"\s*(\w+(?:\.\w+)*)")


class _RowRange(NamedTuple):
    """Successive rows of one file."""

    file: Path
    rows: Rows
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of a split or of a part of it."""

    table: dict[str, list[Any]]
    """Column name → one value per row."""
    class_names: Mapping[str, tuple[str, ...]]
    """Column name → the names of its classes, in the order of their numbers, where the data set has them."""
    stretches: Sequence[_RowRange] = field(repr=False)

    def where(self, row: int) -> str:
        """A row of this part, with its file, and its line if the file has lines."""
        at = row
        for file, content, first, end in self.stretches:
            if at < end - first:
                line = "" if content.lines is None else f"line {content.lines[first + at]} of "
                return f"row {row} ({line}{file})"
            at -= end - first
        return f"row {row}"


def hashes(files: DataFiles, specs: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """The splits that are named, each with the SHA-256 of its files.

    Raises:
        DataError: there is no such split, or a file cannot be read.
    """
    names = sorted({name for spec in specs for name in _names(spec)})
    return tuple((name, *map(_hash, files.of(name))) for name in names)


def read(files: DataFiles, specs: Sequence[str], columns: Sequence[str], *, label: str) -> list[Part]:
    """Read one part for each spec; every file is read once.

    Args:
        files: the data set.
        specs: splits or parts of them, in the notation of the datasets library.
        columns: the names of the columns.
        label: the one that holds the labels.

    Raises:
        DataError: there is no such split, a spec is not understood, or a file does not fit.
    """
    read_file = functools.partial(
        rows.read, columns=columns, label=label, separator=files.separator, quoted=files.quoted
    )
    splits = {
        name: [(file, read_file(file)) for file in files.of(name)]
        for name in dict.fromkeys(name for spec in specs for name in _names(spec))
    }
    for name, number in files.rows:
        count = sum(len(content) for _, content in splits.get(name, ()))
        if name in splits and count != number:
            message = "%s: the README says that split %r has %d rows, and its files have %d"
            _log.warning(message, files.root, name, number, count)
    names = _class_names(files, splits)
    parts = []
    for spec in specs:
        stretches = [each for name, first, end in _ranges(spec, splits) for each in _cut(splits[name], first, end)]
        table = {name: [v for s in stretches for v in s.rows.columns[name][s.first : s.end]] for name in columns}
        parts.append(Part(table, names, stretches))
    return parts


def _hash(file: Path) -> str:
    try:
        return sha256(file)
    except OSError as cause:
        raise DataError(f"the file cannot be read: {cause.strerror or cause}", where=file) from cause


def _names(spec: str) -> list[str]:
    """The splits that a spec names."""
    return [match[1] for one in spec.split("+") if (match := _NAME.match(one))]


def _ranges(spec: str, splits: Mapping[str, Sequence[tuple[Path, Rows]]]) -> list[tuple[str, int, int]]:
    """The splits of a spec, each with its first row and the row after its last."""
    lengths = {name: sum(len(content) for _, content in files) for name, files in splits.items()}
    if spec in lengths:
        return [(spec, 0, lengths[spec])]
    from datasets import ReadInstruction  # late: it takes a second, and a whole split never needs it

    try:
        ranges = ReadInstruction.from_spec(spec).to_absolute(lengths)
    except ValueError as refusal:
        allowed = "a split, such as train, or a part of one, such as train[:80%] or train[100:]"
        raise DataError("the split is not understood", given=spec, allowed=allowed) from refusal
    return [(each.splitname, each.from_, each.to) for each in ranges]


def _cut(files: Iterable[tuple[Path, Rows]], first: int, end: int) -> list[_RowRange]:
    """The rows from ``first`` to before ``end`` of several files one after the other."""
    stretches, offset = [], 0
    for file, content in files:
        start, stop = max(first - offset, 0), min(end - offset, len(content))
        if start < stop:
            stretches.append(_RowRange(file, content, start, stop))
        offset += len(content)
    return stretches


def _class_names(files: DataFiles, splits: Mapping[str, Sequence[tuple[Path, Rows]]]) -> Mapping[str, tuple[str, ...]]:
    """The names of the classes of each column, from the README and from all files.

    Raises:
        DataError: two of them differ.
    """
    known = dict(files.class_names)
    for file, content in (each for split in splits.values() for each in split):
        for column, names in content.class_names.items():
            if known.setdefault(column, names) != names:
                raise DataError(
                    f"the data set has two lists of names for the classes of column {column!r}",
                    given=f"{', '.join(known[column])}; and {', '.join(names)}",
                    allowed="one list of names, in one order",
                    where=file,
                )
    return known
