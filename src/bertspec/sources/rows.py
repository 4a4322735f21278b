"""One file of rows → its columns: CSV, TSV, JSON, JSON lines or Parquet.

Nothing is cached, and nothing is guessed. A cell of CSV is text, whatever it looks like; a value of JSON or Parquet
keeps its type. Rows that do not fit the header, open quotation marks, other encodings and damaged files are refused
with their line.
"""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import logging
import re
import zlib
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, BinaryIO

from bertspec import documents
from bertspec.errors import DataError
from bertspec.files import open_regular

__all__ = ["SUFFIXES", "Rows", "read", "suffix_of"]

_log = logging.getLogger(__name__)

SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet")
"""The suffixes of the files that are read, in lower case; text may also be compressed with gzip."""

_COMPRESSED = ".gz"
_LONGEST_CELL = 2**24
"""The most characters of a cell: a quotation mark that is never closed must not fill the memory."""
_POINTER = b"version https://git-lfs.github.com/spec/"
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_QUOTED = 'a text in quotation marks, with each quotation mark inside it doubled ("")'
_FORMS = 'a list of rows, [{"text": "…", "label": "…"}, …], or a row on each line'


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one file."""

    columns: dict[str, list[Any]]
    """Column name → one value per row."""
    lines: Sequence[int] | None = None
    """The line on which each row begins, from 1; None where a file has no lines."""
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Column name → the names of its classes, in the order of their numbers, where the file has them."""

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))


def suffix_of(name: str | PurePath) -> str | None:
    """The suffix of a data file, in lower case and without a compression; None if no reader is for it."""
    suffixes = [suffix.lower() for suffix in PurePath(name).suffixes]
    if suffixes and suffixes[-1] == _COMPRESSED:
        suffixes.pop()
    return suffixes[-1] if suffixes and suffixes[-1] in SUFFIXES else None


def read(path: Path, columns: Sequence[str], *, label: str | None = None, separator: str | None = None) -> Rows:
    """Read some columns of a file.

    Args:
        path: a file with one of :data:`SUFFIXES`.
        columns: the names of the columns.
        label: the one that holds the labels, if any; it shows whether a quotation mark swallowed rows.
        separator: what separates the cells of CSV; None takes what the suffix says.

    Raises:
        DataError: there is no such file or no reader for it, it lacks a column, or a row does not fit.
    """
    suffix = suffix_of(path)
    if suffix is None:
        raise DataError("no reader for this kind of file", given=path.name, allowed=", ".join(SUFFIXES))
    try:
        if suffix == ".parquet":
            return _parquet(path, columns)
        if suffix == ".json":
            return _json(path, columns)
        if suffix in (".jsonl", ".ndjson"):
            with _text(path) as stream:
                return _json_lines(stream, columns, path)
        return _delimited(path, columns, label, separator or {".csv": ",", ".tsv": "\t"}[suffix])
    except UnicodeDecodeError as cause:
        raise _not_utf8(path) from cause
    except (gzip.BadGzipFile, EOFError, zlib.error) as cause:
        raise DataError(f"the compressed file is damaged: {cause}", where=path) from cause
    except OSError as cause:
        raise DataError(f"the file cannot be read: {cause.strerror or cause}", where=path) from cause


@contextlib.contextmanager
def _bytes(path: Path) -> Iterator[BinaryIO | gzip.GzipFile]:
    """The content of a file, without its compression."""
    with open_regular(path) as stored:
        if stored.read(len(_POINTER)) == _POINTER:
            raise DataError(
                "the file is a pointer of Git LFS, not the data", allowed="its content: git lfs pull", where=path
            )
        stored.seek(0)
        if path.suffix.lower() != _COMPRESSED:
            yield stored
        else:
            with gzip.open(stored) as content:
                yield content


@contextlib.contextmanager
def _text(path: Path) -> Iterator[io.TextIOWrapper]:
    """The text of a file, with its line ends as they are."""
    with _bytes(path) as content:
        text = io.TextIOWrapper(content, encoding="utf-8-sig", newline="")
        try:
            yield text
        finally:
            text.detach()


def _not_utf8(path: Path) -> DataError:
    """The error that names the first line which is not UTF-8."""
    with _bytes(path) as content:
        bytes_of_lines = ((number, _bad_byte(line)) for number, line in enumerate(content, start=1))
        number, byte = next(each for each in bytes_of_lines if each[1] is not None)
    return DataError(
        "the file is not UTF-8",
        given=f"the byte 0x{byte:02x}",
        allowed="a file saved as UTF-8; spreadsheets offer it as “CSV UTF-8”",
        where=f"{path}, line {number}",
    )


def _bad_byte(line: bytes) -> int | None:
    """The first byte that is not UTF-8, or None."""
    try:
        line.decode("utf-8")
    except UnicodeDecodeError as broken:
        return line[broken.start]
    return None


def _check_header(header: Sequence[str], columns: Sequence[str], where: object, *, what: str = "the file") -> None:
    """Refuse a header that lacks a column, or names it twice."""
    missing = [column for column in columns if column not in header]
    if missing:
        allowed = ", ".join(header)
        if len(header) == 1 and any(mark in header[0] for mark in ",;|\t"):
            allowed += " (one column; a .csv file has commas between its cells, a .tsv file tabs)"
        raise DataError(f"{what} lacks a column", given=", ".join(missing), allowed=allowed, where=where)
    twice = [column for column in columns if header.count(column) > 1]
    if twice:
        raise DataError(f"{what} names a column twice", given=", ".join(twice), where=where)


# CSV and TSV. The csv module is the one reader that, with strict=True, refuses a quotation mark inside of a quoted cell
# and one that is never closed; pyarrow and pandas read on, and swallow rows.


def _delimited(path: Path, columns: Sequence[str], label: str | None, separator: str) -> Rows:
    with _text(path) as stream, _long_cells():
        lines = _Lines(stream, path)
        records = _records(lines, separator)
        first, header = next(records, (0, []))
        if not header:
            raise DataError("the file is empty", allowed="a header, and a row on each line below it", where=path)
        _check_header(header, columns, f"{path}, line {first}")
        labelled = header.index(label) if label in header else None
        names = dict.fromkeys([*columns, *(() if labelled is None else [header[labelled]])])
        values: dict[str, list[str]] = {name: [] for name in names}
        cells_of = [(values[name].append, header.index(name)) for name in names]
        numbers, joined = array("Q"), list[_Joined]()
        known: dict[str, str] = {}
        for first, cells in records:
            if len(cells) != len(header):
                raise _ragged(cells, len(header), first, lines)
            for append, at in cells_of:  # equal labels are one object
                append(known.setdefault(cells[at], cells[at]) if at == labelled else cells[at])
            numbers.append(first)
            if lines.count > first:
                joined.append(_Joined.of(lines, first, separator, len(header), labelled))
    _refuse_swallowed(joined, None if labelled is None else known, path)
    return Rows({column: values[column] for column in columns}, numbers)


@contextlib.contextmanager
def _long_cells() -> Iterator[None]:
    """Let the csv module read cells of more than 131,072 characters."""
    before = csv.field_size_limit(_LONGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)


class _Lines:
    """The lines of a text, counted; those of the current record are kept."""

    def __init__(self, stream: Iterable[str], path: Path) -> None:
        self.path, self.count, self.record = path, 0, list[str]()
        self._carriage_returns: bool | None = None
        self._stream = iter(stream)

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._stream)
        self.count += 1
        if "\0" in line:
            raise DataError(
                "the file has a NUL character: it is damaged, or is UTF-16",
                allowed="text that is saved as UTF-8",
                where=f"{self.path}, line {self.count}",
            )
        self.record.append(line)
        return line

    def check_end(self, first: int) -> None:
        """Refuse a record that ends at a carriage return, unless the header does, as in files of old Macs."""
        lone = self.record[-1].endswith("\r")
        if self._carriage_returns is None:
            self._carriage_returns = lone
        if lone and not self._carriage_returns:
            raise DataError(
                "a cell has a carriage return, which would end the row",
                given=_shortened(self.record[0]),
                allowed=_QUOTED,
                where=f"{self.path}, line {first}",
            )


def _records(lines: _Lines, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Each record with its first line; empty lines are left out."""
    reader = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        lines.record.clear()
        first = lines.count + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as broken:
            raise _badly_quoted(broken, first, lines) from broken
        lines.check_end(first)
        if len(cells) > 1 or (cells and (cells[0].strip() or '"' in lines.record[0])):
            yield first, cells


def _badly_quoted(broken: csv.Error, first: int, lines: _Lines) -> DataError:
    reason, last = str(broken), lines.count
    if "unexpected end" in reason:
        problem, where = "a quotation mark is never closed", f"in the row that begins on line {first}"
    elif "field limit" in reason:
        problem = f"a cell has more than {_LONGEST_CELL:,} characters; is a quotation mark not closed?"
        where = f"line {first}"
    elif "expected after" in reason:
        problem = "a quotation mark does not end its cell"
        where = f"line {last}" if last == first else f"line {last}, in the row that begins on line {first}"
    else:
        problem, where = f"the row is not understood: {reason}", f"line {last}"
    return DataError(problem, given=_shortened(lines.record[0]), allowed=_QUOTED, where=f"{lines.path}, {where}")


def _ragged(cells: Sequence[str], width: int, first: int, lines: _Lines) -> DataError:
    return DataError(
        f"a row has {len(cells)} {'cell' if len(cells) == 1 else 'cells'}, and the header has {width}",
        given=_shortened(lines.record[0]),
        allowed=f"{width} cells; a text that holds the separator stands in quotation marks",
        where=f"{lines.path}, line {first}",
    )


@dataclass(frozen=True, slots=True)
class _Joined:
    """A record of several lines, which quotation marks join."""

    first: int
    last: int
    labels: tuple[str, ...]
    """The labels of those lines that, read alone, are rows."""

    @classmethod
    def of(cls, lines: _Lines, first: int, separator: str, width: int, label: int | None) -> _Joined:
        readings = ((_alone(line, separator), _alone(line.replace('"', ""), separator)) for line in lines.record)
        rows = (next((cells for cells in each if len(cells) == width), None) for each in readings)
        return cls(first, lines.count, tuple(cells[label or 0].strip('" ') for cells in rows if cells is not None))


def _alone(line: str, separator: str) -> list[str]:
    """The cells of one line, whatever its quotation marks join."""
    return next(csv.reader([line.rstrip("\r\n")], delimiter=separator), [])


def _refuse_swallowed(joined: Sequence[_Joined], labels: Iterable[str] | None, path: Path) -> None:
    """Refuse lines that a pair of stray quotation marks joined: two or more of them are rows by their labels.

    Without labels nothing can be decided, and a warning says which lines are one row.
    """
    known = set(labels or ())
    numeric = all(_NUMBER.fullmatch(label.strip()) for label in known)
    for record in joined:
        rows = [label for label in record.labels if label in known or (numeric and _NUMBER.fullmatch(label))]
        if len(record.labels) > 1 and (labels is None or len(rows) > 1):
            where = f"{path}, lines {record.first} to {record.last}"
            if labels is not None:
                raise DataError("quotation marks join lines that are rows of their own", allowed=_QUOTED, where=where)
            _log.warning("%s are read as one row: quotation marks join them", where)
            return


# JSON and JSON lines.


def _json(path: Path, columns: Sequence[str]) -> Rows:
    with _text(path) as stream:
        text = stream.read()
    first, _, more = text.lstrip().partition("\n")
    if more.strip() and first.startswith("{") and _is_json(first):
        return _json_lines(io.StringIO(text), columns, path)
    value = documents.parse_json(text, what="the file", where=path, error=DataError)
    if isinstance(value, list):
        return Rows(_by_column(((row, f"{path}, row {at}") for at, row in enumerate(value)), columns))
    if isinstance(value, dict) and all(isinstance(cell, list | dict) for cell in value.values()):
        return Rows(_of_columns(value, columns, path))
    return Rows(_by_column([(value, f"{path}, row 0")], columns))


def _is_json(text: str) -> bool:
    try:
        documents.parse_json(text, error=DataError)
    except DataError:
        return False
    return True


def _json_lines(stream: Iterable[str], columns: Sequence[str], path: Path) -> Rows:
    numbers = array("Q")

    def rows() -> Iterator[tuple[Any, str]]:
        for number, line in enumerate(stream, start=1):
            if line.strip():
                numbers.append(number)
                where = f"{path}, line {number}"
                yield _json_row(line, where), where

    return Rows(_by_column(rows(), columns), numbers)


def _json_row(line: str, where: str) -> Any:
    try:
        return documents.parse_json(line, what="the row", error=DataError)
    except DataError as refusal:
        raise DataError(refusal.problem, given=refusal.given, allowed=refusal.allowed, where=where) from refusal


def _by_column(rows: Iterable[tuple[Any, str]], columns: Sequence[str]) -> dict[str, list[Any]]:
    values: dict[str, list[Any]] = {column: [] for column in columns}
    for row, where in rows:
        if not isinstance(row, dict):
            raise DataError("a row is not an object", given=_shortened(str(row)), allowed=_FORMS, where=where)
        _check_header(list(row), columns, where, what="the row")
        for column, cells in values.items():
            cells.append(row[column])
    return values


def _of_columns(value: dict[str, Any], columns: Sequence[str], path: Path) -> dict[str, list[Any]]:
    """Read columns of values, as lists or, as pandas writes them, by the names of the rows."""
    if not any(column in value for column in columns):
        raise DataError("the file is not a table", given=_shortened(", ".join(value)), allowed=_FORMS, where=path)
    _check_header(list(value), columns, path)
    chosen = {column: value[column] for column in columns}
    shapes = {tuple(cells) if isinstance(cells, dict) else len(cells) for cells in chosen.values()}
    if len(shapes) > 1:
        raise DataError("the columns have different rows", given=", ".join(columns), allowed=_FORMS, where=path)
    return {name: list(cells.values() if isinstance(cells, dict) else cells) for name, cells in chosen.items()}


def _parquet(path: Path, columns: Sequence[str]) -> Rows:
    import pyarrow
    from pyarrow import parquet

    with _bytes(path) as content:
        try:
            file = parquet.ParquetFile(content)
            schema = file.schema_arrow
            _check_header(schema.names, columns, path)
            table = file.read(columns=list(columns))
            values = {column: table.column(column).to_pylist() for column in columns}
        except (pyarrow.ArrowException, UnicodeDecodeError) as broken:
            raise DataError(f"the file is not Parquet, or is damaged: {_first_line(broken)}", where=path) from broken
    return Rows(values, None, _class_names(schema.metadata or {}, columns, path))


def _class_names(metadata: Mapping[bytes, bytes], columns: Sequence[str], path: Path) -> dict[str, tuple[str, ...]]:
    """The names that the datasets library wrote beside the numbers of a column of classes."""
    if b"huggingface" not in metadata:
        return {}
    value = documents.parse_json(metadata[b"huggingface"], what="the schema", where=path, error=DataError)
    for key in ("info", "features"):
        value = value.get(key) if isinstance(value, dict) else None
    features = value if isinstance(value, dict) else {}
    described = {column: features[column] for column in columns if isinstance(features.get(column), dict)}
    return {
        column: tuple(map(str, kind["names"]))
        for column, kind in described.items()
        if kind.get("_type") == "ClassLabel" and isinstance(kind.get("names"), list)
    }


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _shortened(text: str) -> str:
    line = text.rstrip("\r\n")
    return line if len(line) <= 80 else f"{line[:79]}…"
