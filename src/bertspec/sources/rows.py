"""One file of rows → its columns: CSV, TSV, JSON, JSON lines or Parquet.

Nothing is cached. A cell of CSV is text, whatever it looks like; a value of JSON or Parquet keeps its type. Rows that
do not fit the header, open quotation marks, other encodings and damaged files are refused with their line.
"""

from __future__ import annotations

import bz2
import codecs
import contextlib
import csv
import functools
import gzip
import io
import logging
import lzma
import re
import zlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, BinaryIO, NamedTuple, TextIO

from bertspec import documents
from bertspec.errors import DataError, cut_short
from bertspec.files import is_lfs_pointer, open_regular
from bertspec.printing import brief, counted

__all__ = ["COMPRESSIONS", "SUFFIXES", "Rows", "bounded_lines", "read", "suffix_of"]

_log = logging.getLogger(__name__)

SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet")
"""The suffixes of the files that are read, in lower case; they may also be compressed."""

COMPRESSIONS = (".bz2", ".gz", ".xz", ".zst")
"""The suffixes of compressed files, in lower case."""

_ALLOWED = f"{', '.join(SUFFIXES)}; also compressed, with {', '.join(COMPRESSIONS)}"
_LONGEST_LINE = 2**24
"""The characters that no line has: a file without line ends must not fill the memory."""
_LARGEST_UNPACKED = 2**32
"""The most bytes of a compressed file or of the columns of a Parquet file: a small file may unpack to any size."""
_LARGEST_JSON = 2**29
"""The most characters of a JSON file, which is read whole; JSON lines have no such limit."""
_MOST_ROWS = 50_000_000
"""The most rows of a file, and the most lines of a CSV: in lists, they take several GB."""
_LONGEST_CELL = 2**24
"""The most characters of a cell: a quotation mark that is never closed must not fill the memory."""
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_MANY = 20
"""Labels that are more different numbers are measurements, not classes."""
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
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    return suffixes[-1] if suffixes and suffixes[-1] in SUFFIXES else None


def read(
    path: Path,
    columns: Sequence[str],
    *,
    label: str | None = None,
    separator: str | None = None,
    quoted: bool | None = None,
) -> Rows:
    """Read some columns of a file.

    Args:
        path: a file with one of :data:`SUFFIXES`.
        columns: the names of the columns.
        label: the one that holds the labels, if any; it shows whether a quotation mark swallowed rows.
        separator: what separates the cells of CSV; None takes what the suffix says.
        quoted: whether quotation marks enclose cells of CSV; None: they do, unless they do not fit in a TSV.

    Raises:
        DataError: there is no such file or no reader for it, it lacks a column, or a row does not fit.
    """
    suffix = suffix_of(path)
    if suffix is None:
        raise DataError("no reader for this kind of file", given=path.name, allowed=_ALLOWED)
    readers = {".parquet": _parquet, ".json": _json, ".jsonl": _json_lines, ".ndjson": _json_lines}
    try:
        if suffix in readers:
            return readers[suffix](path, columns)
        read_cells = functools.partial(_cells, path, columns, label, separator or {".csv": ",", ".tsv": "\t"}[suffix])
        if suffix == ".tsv" and quoted is None:
            return _tabbed(path, read_cells)
        return read_cells(quoted=quoted is not False).checked(path)
    except UnicodeDecodeError as cause:
        raise _not_utf8(path) from cause
    except (gzip.BadGzipFile, EOFError, zlib.error, lzma.LZMAError) as cause:
        raise DataError(f"the compressed file is damaged: {cause}", where=path) from cause
    except OSError as cause:
        raise DataError(f"the file cannot be read: {cause.strerror or cause}", where=path) from cause


def bounded_lines(stream: TextIO, where: object) -> Iterator[str]:
    """The lines of a text with their ends.

    Args:
        stream: the text.
        where: what holds it, for messages.

    Raises:
        DataError: a line is longer than 16 million characters, as that of a file without line ends may be.
    """
    for number, line in enumerate(iter(lambda: stream.readline(_LONGEST_LINE), ""), start=1):
        if len(line) == _LONGEST_LINE:
            problem = f"a line has {_LONGEST_LINE:,} characters or more; is the file text?"
            raise DataError(problem, where=f"{where}, line {number}")
        yield line


@contextlib.contextmanager
def _bytes(path: Path) -> Iterator[BinaryIO]:
    """The content of a file, without its compression."""
    with open_regular(path) as stored:
        if is_lfs_pointer(stored):
            raise DataError(
                "the file is a pointer of Git LFS, not the data", allowed="its content: git lfs pull", where=path
            )
        if path.suffix.lower() not in COMPRESSIONS:
            yield stored
        else:
            with _unpacked(stored, path.suffix.lower()) as content:
                yield io.BufferedReader(_Limited(content, path), 2**20)


def _unpacked(stored: BinaryIO, compression: str) -> Any:
    if compression == ".zst":
        import pyarrow

        return pyarrow.CompressedInputStream(pyarrow.PythonFile(stored, "r"), "zstd")
    opened: Mapping[str, Callable[[BinaryIO], Any]] = {".bz2": bz2.open, ".gz": gzip.open, ".xz": lzma.open}
    return opened[compression](stored)


class _Limited(io.RawIOBase):
    """The content of a compressed file, up to a limit."""

    def __init__(self, content: Any, path: Path) -> None:
        super().__init__()
        self._content, self._path, self._left = content, path, _LARGEST_UNPACKED

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = self._content.read(len(buffer))
        self._left -= len(part)
        if self._left < 0:
            raise DataError(f"the compressed file has more than {_LARGEST_UNPACKED:,} bytes", where=self._path)
        buffer[: len(part)] = part
        return len(part)


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
        lines = iter(lambda: content.readline(_LONGEST_LINE), b"")
        bytes_of_lines = ((number, line, _bad_byte(line)) for number, line in enumerate(lines, start=1))
        number, line, byte = next(each for each in bytes_of_lines if each[2] is not None)
    wide = number == 1 and line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return DataError(
        "the file is not UTF-8",
        given=f"the byte 0x{byte:02x}" + (", as in UTF-16" if wide else ""),
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
        allowed = ", ".join(name if name == name.strip() else repr(name) for name in header)
        if len(header) == 1 and any(mark in header[0] for mark in ",;|\t"):
            allowed += " (one column; a .csv file has commas between its cells, a .tsv file tabs)"
        raise DataError(f"{what} lacks a column", given=", ".join(missing), allowed=allowed, where=where)
    twice = [column for column in columns if header.count(column) > 1]
    if twice:
        raise DataError(f"{what} names a column twice", given=", ".join(twice), where=where)


# CSV and TSV. The csv module is the one reader that, with strict=True, refuses a quotation mark inside of a quoted cell
# and one that is never closed; pyarrow and pandas read on, and swallow rows.


class _Misquoted(DataError):
    """Quotation marks do not enclose the cells of a row."""


class _Cells(NamedTuple):
    """The columns of a CSV file, and what its quotation marks join."""

    rows: Rows
    joined: Sequence[_MultilineRecord]
    labels: Iterable[str] | None
    """All labels; None if there is no column of them."""
    width: int
    """The cells of each row."""
    separator: str

    def checked(self, path: Path) -> Rows:
        """The rows.

        Raises:
            DataError: stray quotation marks joined some of them.
        """
        _refuse_swallowed(self, path)
        return self.rows


def _tabbed(path: Path, read_cells: functools.partial[_Cells]) -> Rows:
    """Read a TSV, the quotation marks of which may be letters, as in those of GLUE.

    They are letters where they do not enclose cells, or join lines, and every line has as many cells as the header.
    """
    refusal: DataError | None = None
    try:
        content = read_cells(quoted=True)
        if not content.joined or content.width == 1:
            return content.checked(path)
        reason = f"they join lines {content.joined[0].first} to {content.joined[0].last}"
    except _Misquoted as misfit:
        refusal, reason = misfit, f"{misfit.problem}, {str(misfit.where).removeprefix(f'{path}, ')}"
    with contextlib.suppress(DataError):
        rows = read_cells(quoted=False).rows
        _log.warning("%s: its quotation marks are read as letters: %s", path, reason)
        return rows
    if refusal is not None:
        raise refusal
    return content.checked(path)


def _cells(path: Path, columns: Sequence[str], label: str | None, separator: str, *, quoted: bool) -> _Cells:
    with _text(path) as stream, _long_cells():
        lines = _Lines(bounded_lines(stream, path), path)
        records = _records(lines, separator, quoted=quoted)
        first, header = next(records, (0, []))
        if not header:
            raise DataError("the file is empty", allowed="a header, and a row on each line below it", where=path)
        _check_header(header, columns, f"{path}, line {first}")
        labelled = header.index(label) if label in header else None
        names = dict.fromkeys([*columns, *(() if labelled is None else [header[labelled]])])
        values: dict[str, list[str]] = {name: [] for name in names}
        cells_of = [(values[name].append, header.index(name)) for name in names]
        numbers, joined = array("Q"), list[_MultilineRecord]()
        known: dict[str, str] = {}
        for first, cells in records:
            if len(cells) != len(header):
                raise _ragged(cells, len(header), first, lines)
            if cells == header and len(header) > 1:  # without labels, nothing else would show it
                raise DataError("a row repeats the header: two files in one?", where=f"{path}, line {first}")
            for append, at in cells_of:  # equal labels are one object
                append(known.setdefault(cells[at], cells[at]) if at == labelled else cells[at])
            numbers.append(first)
            if lines.count > first:
                joined.append(_MultilineRecord.of(lines, first, separator, len(header), labelled))
    content = Rows({column: values[column] for column in columns}, numbers)
    return _Cells(content, joined, None if labelled is None else known, len(header), separator)


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
        if self.count > _MOST_ROWS:
            raise DataError(f"the file has more than {_MOST_ROWS:,} lines", where=self.path)
        if "\0" in line:
            raise DataError(
                "the file has a NUL character: it is damaged, or is UTF-16",
                allowed="text that is saved as UTF-8",
                where=f"{self.path}, line {self.count}",
            )
        self.record.append(line)
        return line

    @property
    def first_line(self) -> str:
        """The first line of the record, for messages."""
        return cut_short(self.record[0].rstrip("\r\n"))

    def check_end(self, first: int) -> None:
        """Refuse a record that ends at a carriage return, unless the header does, as in files of old Macs."""
        lone = self.record[-1].endswith("\r")
        if self._carriage_returns is None:
            self._carriage_returns = lone
        if lone and not self._carriage_returns:
            raise DataError(
                "a cell has a carriage return, which would end the row",
                given=self.first_line,
                allowed=_QUOTED,
                where=f"{self.path}, line {first}",
            )


def _records(lines: _Lines, separator: str, *, quoted: bool = True) -> Iterator[tuple[int, list[str]]]:
    """Each record with its first line; empty lines are left out."""
    reader = csv.reader(
        lines, delimiter=separator, strict=True, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    )
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
    return _Misquoted(problem, given=lines.first_line, allowed=_QUOTED, where=f"{lines.path}, {where}")


def _ragged(cells: Sequence[str], width: int, first: int, lines: _Lines) -> DataError:
    error = _Misquoted if any('"' in line for line in lines.record) else DataError
    return error(
        f"a row has {counted(len(cells), 'cell')}, and the header has {width}",
        given=lines.first_line,
        allowed=f"{width} cells; a text that holds the separator stands in quotation marks",
        where=f"{lines.path}, line {first}",
    )


@dataclass(frozen=True, slots=True)
class _MultilineRecord:
    """A record of several lines, which quotation marks join."""

    first: int
    last: int
    rows: tuple[tuple[str, ...], ...]
    """The cells of those lines that, without the quotation mark that joins them, are rows."""
    label: int | None
    """The number of the column of labels."""

    @classmethod
    def of(cls, lines: _Lines, first: int, separator: str, width: int, label: int | None) -> _MultilineRecord:
        readings = (_alone(line.rstrip("\r\n"), separator, width) for line in lines.record)
        return cls(first, lines.count, tuple(cells for cells in readings if cells is not None), label)


def _alone(line: str, separator: str, width: int) -> tuple[str, ...] | None:
    """The cells of one line without the quotation mark that joins it to another; None if it is no row."""
    marks = (line.index('"'), line.rindex('"')) if line.count('"') % 2 else ()
    forms = [line[:at] + line[at + 1 :] for at in marks] or [line]
    readings = (next(csv.reader([form], delimiter=separator), []) for form in forms)
    return next((tuple(cells) for cells in readings if len(cells) == width), None)


def _refuse_swallowed(content: _Cells, path: Path) -> None:
    """Refuse lines that a pair of stray quotation marks joined: two or more of them are rows by themselves.

    The label shows what is a row, or the columns of numbers where there is no label. In a file of one column nothing
    does, and a warning says which lines are one row.
    """
    if content.width == 1 and content.joined:
        first, last = content.joined[0].first, content.joined[0].last
        _log.warning("%s, lines %d to %d are read as one row: quotation marks join them", path, first, last)
        return
    suspects = [joined for joined in content.joined if len(joined.rows) > 1]
    if not suspects:
        return
    known = set(content.labels or ())
    measured = all(map(_NUMBER.fullmatch, known)) and (
        len(known) > _MANY or not all(float(label).is_integer() for label in known)
    )
    numeric = _columns_of_numbers(path, content.separator) if content.labels is None else set[int]()
    for joined in suspects:
        if joined.label is None:
            fits = [all(_NUMBER.fullmatch(cells[at].strip()) for at in numeric) for cells in joined.rows]
        else:
            labels = (cells[joined.label] for cells in joined.rows)
            fits = [label in known or bool(measured and _NUMBER.fullmatch(label)) for label in labels]
        if sum(fits) > 1:
            raise DataError(
                "quotation marks join lines that are rows of their own",
                allowed=f"{_QUOTED}; or JSON lines, if these lines are one text",
                where=f"{path}, lines {joined.first} to {joined.last}",
            )


def _columns_of_numbers(path: Path, separator: str) -> set[int]:
    """The columns that have a number in each row of one line."""
    numeric: set[int] | None = None
    with _text(path) as stream, _long_cells():
        lines = _Lines(bounded_lines(stream, path), path)
        records = _records(lines, separator)
        next(records)
        for first, cells in records:
            if lines.count == first:
                candidates = range(len(cells)) if numeric is None else numeric
                numeric = {at for at in candidates if _NUMBER.fullmatch(cells[at].strip())}
    return numeric or set()


# JSON and JSON lines.


def _json(path: Path, columns: Sequence[str]) -> Rows:
    with _text(path) as stream:
        text = stream.read(_LARGEST_JSON + 1)
    if len(text) > _LARGEST_JSON:
        raise DataError(f"the file has more than {_LARGEST_JSON:,} characters", allowed="JSON lines", where=path)
    first, _, more = text.lstrip().partition("\n")
    if more.strip() and first.startswith("{") and _is_json(first):
        return _rows_of_lines(io.StringIO(text), columns, path)
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


def _json_lines(path: Path, columns: Sequence[str]) -> Rows:
    with _text(path) as stream:
        return _rows_of_lines(bounded_lines(stream, path), columns, path)


def _rows_of_lines(stream: Iterable[str], columns: Sequence[str], path: Path) -> Rows:
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
            raise DataError("a row is not an object", given=cut_short(str(row)), allowed=_FORMS, where=where)
        _check_header(list(row), columns, where, what="the row")
        for column, cells in values.items():
            cells.append(row[column])
    return values


def _of_columns(value: dict[str, Any], columns: Sequence[str], path: Path) -> dict[str, list[Any]]:
    """Read columns of values, as lists or, as pandas writes them, by the names of the rows."""
    if not any(column in value for column in columns):
        raise DataError("the file is not a table", given=cut_short(", ".join(value)), allowed=_FORMS, where=path)
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
            file = parquet.ParquetFile(content if content.seekable() else io.BytesIO(content.read()))
            schema = file.schema_arrow
            _check_header(schema.names, columns, path)
            _check_size(file.metadata, columns, path)
            table = file.read(columns=list(columns))
            values = {column: _plain(table.column(column)).to_pylist() for column in columns}
        except (pyarrow.ArrowException, UnicodeDecodeError) as broken:
            raise DataError(f"the file is not Parquet, or is damaged: {brief(broken)}", where=path) from broken
    return Rows(values, None, _class_names(schema.metadata or {}, columns, path))


def _check_size(metadata: Any, columns: Sequence[str], path: Path) -> None:
    """Refuse more rows, or columns of more bytes, than the memory should take."""
    groups = (metadata.row_group(number) for number in range(metadata.num_row_groups))
    chunks = (group.column(number) for group in groups for number in range(group.num_columns))
    size = sum(chunk.total_uncompressed_size for chunk in chunks if chunk.path_in_schema in columns)
    if metadata.num_rows > _MOST_ROWS or size > _LARGEST_UNPACKED:
        raise DataError(
            "the file is too large",
            given=f"{metadata.num_rows:,} rows, {size:,} bytes",
            allowed=f"{_MOST_ROWS:,} rows, {_LARGEST_UNPACKED:,} bytes in the columns of the task",
            where=path,
        )


def _plain(column: Any) -> Any:
    """The column with decimal numbers as floating-point numbers."""
    import pyarrow

    return column.cast(pyarrow.float64()) if pyarrow.types.is_decimal(column.type) else column


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
