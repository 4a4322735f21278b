from __future__ import annotations

import bz2
import csv
import gzip
import json
import lzma
import os
import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from bertspec.errors import DataError
from bertspec.sources import rows
from bertspec.sources.rows import Rows

COLUMNS = ("text", "label")


def written(tmp_path: Path, content: str | bytes, name: str = "d.csv") -> Path:
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def table(file: Path) -> list[tuple[Any, ...]]:
    """The rows of a file, text and label."""
    content = rows.read(file, COLUMNS, label="label")
    return list(zip(*content.columns.values(), strict=True))


GOOD = [
    ("comma", "d.csv", "text,label\nfine,1\npoor,0\n"),
    ("tab", "d.tsv", "text\tlabel\nfine\t1\npoor\t0\n"),
    ("upper case", "D.CSV", "text,label\nfine,1\npoor,0\n"),
    ("carriage returns and line feeds", "d.csv", "text,label\r\nfine,1\r\npoor,0\r\n"),
    ("carriage returns", "d.csv", "text,label\rfine,1\rpoor,0\r"),
    ("no last line end", "d.csv", "text,label\nfine,1\npoor,0"),
    ("empty lines", "d.csv", "\ntext,label\n\nfine,1\n \npoor,0\n\n\n"),
    ("byte order mark", "d.csv", "\ufefftext,label\nfine,1\npoor,0\n"),
    ("other columns", "d.csv", "id,label,text\n1,1,fine\n2,0,poor\n"),
    ("an unnamed index", "d.csv", ",text,label\n0,fine,1\n1,poor,0\n"),
    ("another column twice", "d.csv", "x,text,x,label\n,fine,,1\n,poor,,0\n"),
    ("everything quoted", "d.csv", '"text","label"\n"fine","1"\n"poor","0"\n'),
]


@pytest.mark.parametrize(("name", "content"), [case[1:] for case in GOOD], ids=[case[0] for case in GOOD])
def test_cells_are_text(tmp_path: Path, name: str, content: str) -> None:
    assert table(written(tmp_path, content, name)) == [("fine", "1"), ("poor", "0")]


def zstandard(content: bytes) -> bytes:
    return bytes(pyarrow.compress(content, codec="zstd", asbytes=True))


COMPRESSIONS = [
    ("D.CSV.GZ", gzip.compress),
    ("d.csv.bz2", bz2.compress),
    ("d.csv.xz", lzma.compress),
    ("d.csv.zst", zstandard),
]


@pytest.mark.parametrize(("name", "compress"), COMPRESSIONS, ids=[name for name, _ in COMPRESSIONS])
def test_compressed_text_is_read(tmp_path: Path, name: str, compress: Callable[[bytes], bytes]) -> None:
    file = written(tmp_path, compress(b"text,label\nfine,1\n"), name)
    assert table(file) == [("fine", "1")]
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(DataError, match="the compressed file is damaged|the file cannot be read"):
        table(file)
    file.write_bytes(b"text,label\nfine,1\n")
    with pytest.raises(DataError, match="the compressed file is damaged|the file cannot be read"):
        table(file)


def test_a_small_file_that_unpacks_to_any_size_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "_LARGEST_UNPACKED", 4096)
    content = b"text,label\n" + b"fine,1\n" * 1000
    assert len(table(written(tmp_path, content))) == 1000
    with pytest.raises(DataError, match="the compressed file has more than 4,096 bytes"):
        table(written(tmp_path, gzip.compress(content), "d.csv.gz"))
    monkeypatch.setattr(rows, "_LARGEST_UNPACKED", 50)
    with pytest.raises(DataError, match="the file is too large; given: '2 rows, .* bytes'"):
        table(stored(tmp_path, {"text": ["a" * 100, "b"], "label": [1, 0]}))


def test_more_rows_than_the_memory_should_take_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "_MOST_ROWS", 3)
    with pytest.raises(DataError, match="the file has more than 3 lines"):
        table(written(tmp_path, "text,label\n" + ROW * 3))
    with pytest.raises(DataError, match="the file is too large; given: '4 rows"):
        table(stored(tmp_path, {"text": list("abcd"), "label": [1, 0, 1, 0]}))


@pytest.mark.parametrize("name", ["d.csv", "d.tsv", "d.jsonl"])
def test_a_file_without_line_ends_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(rows, "_LONGEST_LINE", 100)
    with pytest.raises(DataError, match="a line has 100 characters or more; is the file text.*line 1"):
        table(written(tmp_path, "x" * 1000, name))


def test_a_json_file_that_is_too_large_is_answered_with_json_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "_LARGEST_JSON", 20)
    with pytest.raises(DataError, match="more than 20 characters; allowed: JSON lines"):
        table(written(tmp_path, '[{"text": "a", "label": 1}]', "d.json"))


@pytest.mark.parametrize("cell", ["NA", "null", "None", "nan", "true", "12345", "1.0", "1e5", "2020-01-01", " x "])
def test_no_cell_is_taken_for_something_else(tmp_path: Path, cell: str) -> None:
    assert table(written(tmp_path, f"text,label\n{cell},{cell}\n")) == [(cell, cell)]


def test_a_cell_may_have_separators_line_breaks_and_doubled_quotation_marks(tmp_path: Path) -> None:
    content = 'text,label\n"a, ""b""\nand c, good",good\n5" screen,bad\nx,good\n'
    assert table(written(tmp_path, content))[:2] == [('a, "b"\nand c, good', "good"), ('5" screen', "bad")]


def test_a_cell_may_have_a_million_characters(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    assert table(written(tmp_path, f"text,label\n{'x' * 1_000_000},1\n")) == [("x" * 1_000_000, "1")]
    assert csv.field_size_limit() == before


def test_equal_labels_are_one_object(tmp_path: Path) -> None:
    (_, one), (_, other) = table(written(tmp_path, "text,label\na,positive\nb,positive\n"))
    assert one is other


def test_the_line_of_each_row_is_known(tmp_path: Path) -> None:
    content = rows.read(written(tmp_path, 'text,label\n\n"a\nb",1\nc,0\n'), COLUMNS)
    assert list(content.lines or ()) == [3, 5]


ROW = "fine,good\n"
BAD = [
    ("more cells", f"text,label\n{ROW}a, b,good\n", r"a row has 3 cells, and the header has 2; given: 'a, b.*line 3"),
    ("fewer cells", f"text,label\n{ROW}a\n", "a row has 1 cell, and the header has 2.*line 3"),
    ("a separator at the end", "text,label\nfine,good,\n", "a row has 3 cells.*line 2"),
    ("open quote", f'text,label\n{ROW}"a,bad\n{ROW}', r"never closed.*row that begins on line 3"),
    ("two stray quotes", f'text,label\n{ROW}"a,bad\n{ROW}"b,bad\n', "does not end its cell.*line 5.*begins on line 3"),
    ("text after a quote", f'text,label\n{ROW}"a" b,bad\n', r"a quotation mark does not end its cell.*line 3$"),
    ("a swallowed row", f'text,label\n{ROW}"a,good\n{ROW}b",good\n', "rows of their own.*lines 3 to 5"),
    ("a swallowed row of numbers", 'text,label\nx,1.5\n"a,2.5\nb",3.5\n', "rows of their own.*lines 3 to 4"),
    ("labels first", 'label,text\ngood,x\nbad,"a\ngood,b"\nbad,c\n', "rows of their own.*lines 3 to 4"),
    (
        "a swallowed row in the label",
        f'text,label\n{ROW * 2}"a, b","good\nb,good"\n',
        "rows of their own.*lines 4 to 5",
    ),
    ("a carriage return", f"text,label\n{ROW}a\rb,good\n", "has a carriage return, which would end the row.*line 3"),
    ("null", "text,label\nfine,good\nfi\0ne,good\n", "NUL character.*line 3"),
    ("empty", "", "the file is empty"),
    ("no column", "a,b\n1,2\n", r"the file lacks a column; given: 'text, label'; allowed: a, b; where: .*line 1"),
    ("semicolons", "text;label\nfine;1\n", "lacks a column.*commas between its cells"),
    ("two files in one", f"text,label\n{ROW}text,label\n{ROW}", "a row repeats the header.*line 3"),
    ("twice", "text,label,text\na,1,b\n", "the file names a column twice; given: 'text'"),
    ("a pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "pointer of Git LFS"),
]


@pytest.mark.parametrize(("content", "message"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_rows_that_do_not_fit_are_refused_with_their_line(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        table(written(tmp_path, content))


def test_a_quotation_mark_that_swallows_the_rest_of_a_large_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows, "_LONGEST_CELL", 100)
    with pytest.raises(DataError, match="more than 100 characters; is a quotation mark not closed.*line 2"):
        table(written(tmp_path, 'text,label\n"a,good\n' + ROW * 50))


@pytest.mark.parametrize(
    "content",
    ['id,text\n1,"a\n2,b"\n3,c\n', 'text,other\n"a,x\nb,x\nc",x\n', 'id,text,x\n1,"a, b",x\n2,"a,x\n3,b,x\n4,c",x\n'],
)
def test_rows_that_quotation_marks_swallow_are_refused_without_labels(tmp_path: Path, content: str) -> None:
    with pytest.raises(DataError, match="join lines that are rows of their own.*or JSON lines.*lines "):
        rows.read(written(tmp_path, content), ["text"], label="label")


HONEST = [
    ("no label", 'id,text\n1,"a\nand b, c"\n2,d\n', ["a\nand b, c", "d"]),
    ("commas in each line", 'id,text\n1,"well, a\nand b, c"\n2,d\n', ["well, a\nand b, c", "d"]),
    ("numbers in the text", 'text,label\n"we paid, 5\nand got, 3\nfor 1,000",1\nb,0\n', None),
    ("words in the text", 'text,label\n"pros: nice, good\ncons: none, bad",good\nb,bad\n', None),
    ("measured labels", 'text,label\n"we paid, 5\nand got, 3",1.5\nb,2.5\n', None),
]


@pytest.mark.parametrize(("content", "texts"), [case[1:] for case in HONEST], ids=[case[0] for case in HONEST])
def test_texts_of_several_lines_are_read(tmp_path: Path, content: str, texts: list[str] | None) -> None:
    columns = rows.read(written(tmp_path, content), ["text"], label="label").columns
    assert columns["text"][-1] == (texts or ["b"])[-1]
    assert len(columns["text"]) == 2
    assert texts is None or columns["text"] == texts


def test_joined_lines_of_a_file_of_one_column_are_called_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert rows.read(written(tmp_path, 'text\na\n"b\nc"\n'), ["text"]).columns == {"text": ["a", "b\nc"]}
    assert "lines 3 to 4 are read as one row" in caplog.text


LETTERS = [
    ("an open quote", 'text\tlabel\n"a\t1\nb\t0\n', [('"a', "1"), ("b", "0")], "never closed"),
    ("a quote inside", 'text\tlabel\n"a" b\t1\nb\t0\n', [('"a" b', "1"), ("b", "0")], "does not end its cell, line 2"),
    ("a pair of rows", 'text\tlabel\n"a\t1\nb"\t0\n', [('"a', "1"), ('b"', "0")], "they join lines 2 to 3"),
    ("a tab between", 'x\ttext\tlabel\n"x\ta"\t1\ny\tb\t0\n', [('a"', "1"), ("b", "0")], "has 2 cells"),
]


@pytest.mark.parametrize(
    ("content", "cells", "reason"), [case[1:] for case in LETTERS], ids=[case[0] for case in LETTERS]
)
def test_quotation_marks_that_do_not_fit_a_tsv_are_letters_and_this_is_called_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: str, cells: list[tuple[str, str]], reason: str
) -> None:
    assert table(written(tmp_path, content, "d.tsv")) == cells
    assert re.search(f"d.tsv: its quotation marks are read as letters: .*{reason}", caplog.text)


@pytest.mark.parametrize("rest", ["", "b\t0\n"])
def test_quotation_marks_that_fit_a_tsv_enclose_cells(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, rest: str
) -> None:
    content = 'text\tlabel\n"a, ""b""\nc"\t1\n' + rest
    assert table(written(tmp_path, content, "d.tsv"))[0] == ('a, "b"\nc', "1")
    assert not caplog.text


def test_a_tsv_that_fits_in_neither_way_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a quotation mark does not end its cell.*line 2"):
        table(written(tmp_path, 'text\tlabel\n"a" b\t1\nb\t0\tx\n', "d.tsv"))


def test_what_quotation_marks_mean_can_be_said(tmp_path: Path) -> None:
    file = written(tmp_path, 'text,label\n"a" b,1\n"c",0\n')
    content = rows.read(file, COLUMNS, label="label", quoted=False)
    assert content.columns["text"] == ['"a" b', '"c"']
    with pytest.raises(DataError, match="does not end its cell"):
        rows.read(written(tmp_path, 'text\tlabel\n"a" b\t1\n', "d.tsv"), COLUMNS, quoted=True)


def test_blanks_around_the_name_of_a_column_are_shown(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="lacks a column; given: 'label'; allowed: text, ' label'"):
        table(written(tmp_path, "text, label\na, 1\n"))


@pytest.mark.parametrize(
    ("encoding", "line"),
    [("latin-1", 3), ("utf-16", 1), ("utf-16-le", 3), ("shift-jis", 3)],
)
def test_another_encoding_is_refused_with_its_line(tmp_path: Path, encoding: str, line: int) -> None:
    text = "text,label\nfine,good\nカフェ,good\n" if encoding == "shift-jis" else "text,label\nfine,good\ncafé,good\n"
    named = "(, as in UTF-16)?"
    with pytest.raises(
        DataError, match=rf"is not UTF-8; given: 'the byte 0x..{named}'.*line {line}|NUL character.*line 1"
    ):
        table(written(tmp_path, text.encode(encoding)))


@pytest.mark.parametrize("name", ["no.csv", "folder.csv", "pipe.csv", "loop.csv", "x" * 300 + ".csv"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.csv").mkdir()
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    with pytest.raises(DataError, match="the file cannot be read: .*where: "):
        table(tmp_path / name)


@pytest.mark.parametrize("name", ["d.xlsx", "d.csv.zip", "d", "csv"])
def test_another_kind_of_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=r"no reader for this kind of file.*allowed: \.csv, \.tsv"):
        table(written(tmp_path, "text,label\n", name))


DOCUMENTS = [
    ("rows", [{"text": "a", "label": 1}, {"label": None, "text": 5, "other": []}]),
    ("columns", {"text": ["a", 5], "label": [1, None]}),
    ("columns of pandas", {"text": {"0": "a", "7": 5}, "label": {"0": 1, "7": None}}),
]


@pytest.mark.parametrize("value", [case[1] for case in DOCUMENTS], ids=[case[0] for case in DOCUMENTS])
@pytest.mark.parametrize("indent", [None, 2])
def test_values_of_json_keep_their_types(tmp_path: Path, value: Any, indent: int | None) -> None:
    file = written(tmp_path, json.dumps(value, indent=indent) + "\n", "d.json")
    assert table(file) == [("a", 1), (5, None)]


@pytest.mark.parametrize("name", ["d.jsonl", "d.ndjson", "d.json", "D.JSONL"])
def test_json_lines_are_read(tmp_path: Path, name: str) -> None:
    file = written(tmp_path, '{"text": "a\u2028b", "label": 1}\n\n{"text": "NA", "label": true}\n', name)
    assert table(file) == [("a\u2028b", 1), ("NA", True)]
    assert list(rows.read(file, ["text"]).lines or ()) == [1, 3]


def test_one_object_is_one_row(tmp_path: Path) -> None:
    assert table(written(tmp_path, '{"text": "a", "label": 1}', "d.json")) == [("a", 1)]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("d.jsonl", '{"text": "a", "label": 1}\n{"text": "b", "label": 1\n', "the row is not JSON.*line 2$"),
        ("d.jsonl", '{"text": "a", "label": 1}\n{"text": "b"}\n', "the row lacks a column; given: 'label'.*line 2"),
        ("d.jsonl", '{"text": "a", "text": "b", "label": 1}\n', "repeats a key.*line 1"),
        ("d.jsonl", '["a", 1]\n', "a row is not an object.*line 1"),
        ("d.jsonl", "[" * 5000, "nested.*line 1"),
        ("d.jsonl", '{"text": "\\ud800", "label": 1}\n', "surrogate.*line 1"),
        ("d.json", '{"data": [{"text": "a", "label": 1}]}', "the file is not a table; given: 'data'; allowed: a list"),
        ("d.json", '{"0": {"text": "a", "label": 1}}', "the file is not a table"),
        ("d.json", '{"text": ["a"], "label": []}', "the columns have different rows"),
        ("d.json", '{"text": {"0": "a"}, "label": {"1": 1}}', "the columns have different rows"),
        ("d.json", '{"text": ["a"]}', "the file lacks a column; given: 'label'"),
        ("d.json", "[1]", "a row is not an object"),
        ("d.json", "3", "a row is not an object"),
        ("d.json", "", "is not JSON"),
        ("d.json", "[" * 5000, "nested"),
        ("d.json", b'[{"text": "caf\xe9"}]', "the file is not UTF-8.*0xe9.*line 1"),
    ],
)
def test_json_that_is_no_table_is_refused(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=message):
        table(written(tmp_path, content, name))


def stored(tmp_path: Path, columns: dict[str, Any], features: object = None) -> Path:
    content = pyarrow.table(columns)
    if features is not None:
        content = content.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    parquet.write_table(content, tmp_path / "d.parquet")
    return tmp_path / "d.parquet"


def test_values_of_parquet_keep_their_types(tmp_path: Path) -> None:
    file = stored(tmp_path, {"text": ["a", "NA"], "label": [1, None], "other": [[], [1]]})
    assert table(file) == [("a", 1), ("NA", None)]
    decimal = pyarrow.array([Decimal("1.50")])
    assert table(stored(tmp_path, {"text": ["a"], "label": decimal})) == [("a", 1.5)]
    assert table(stored(tmp_path, {"text": pyarrow.array(["a"]).dictionary_encode(), "label": [True]})) == [("a", True)]


def test_the_names_of_the_classes_are_read(tmp_path: Path) -> None:
    features = {"label": {"names": ["bad", "good"], "_type": "ClassLabel"}, "text": {"dtype": "string"}}
    file = stored(tmp_path, {"text": ["a"], "label": [1]}, features)
    assert rows.read(file, COLUMNS).class_names == {"label": ("bad", "good")}


@pytest.mark.parametrize("features", [None, [], {"label": 3}, {"label": {"_type": "ClassLabel", "names": None}}])
def test_a_schema_without_names_has_none(tmp_path: Path, features: object) -> None:
    assert rows.read(stored(tmp_path, {"text": ["a"], "label": [1]}, features), COLUMNS).class_names == {}


def test_parquet_that_is_damaged_or_lacks_a_column_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="lacks a column; given: 'label'; allowed: text"):
        table(stored(tmp_path, {"text": ["a"]}))
    with pytest.raises(DataError, match="is not Parquet, or is damaged"):
        table(written(tmp_path, "text,label\n", "e.parquet"))


# Any text may be in a cell, and one wrong character may be in any place.

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
VALUES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT
LABELS = ("good", "bad")


def as_csv(file: Path, cells: Sequence[Sequence[str]], **style: Any) -> Path:
    with file.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, **style).writerows([COLUMNS, *cells])
    return file


@settings(deadline=None, derandomize=True)
@given(
    cells=st.lists(st.tuples(TEXT, st.sampled_from(LABELS)), min_size=1, max_size=8),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    line_end=st.sampled_from(["\n", "\r\n"]),
    separator=st.sampled_from(",\t"),
)
def test_whatever_was_written_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory,
    cells: list[tuple[str, str]],
    quoting: Any,
    line_end: str,
    separator: str,
) -> None:
    file = tmp_path_factory.getbasetemp() / f"any.{'csv' if separator == ',' else 'tsv'}"
    as_csv(file, cells, quoting=quoting, lineterminator=line_end, delimiter=separator)
    try:
        assert table(file) == cells
    except DataError as refusal:  # a text may look like rows, and csv leaves a carriage return without quotation marks
        assert "rows of their own" in refusal.problem or "carriage return" in refusal.problem  # noqa: PT017


WORDS = st.text(st.sampled_from('ab ,"'), min_size=1, max_size=12).filter(str.strip)


@settings(deadline=None, derandomize=True)
@given(
    texts=st.lists(WORDS, min_size=8, max_size=12),
    at=st.lists(st.integers(11, 400), min_size=1, max_size=2),
    data=st.data(),
)
def test_stray_quotation_marks_never_cost_a_row(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], at: list[int], data: st.DataObject
) -> None:
    cells = [(text, LABELS[number % 2]) for number, text in enumerate(texts)]
    file = as_csv(tmp_path_factory.getbasetemp() / "stray.csv", cells, lineterminator="\n")
    content = file.read_text("utf-8")
    for place in at:
        cut = min(place, len(content))
        content = content[:cut] + data.draw(st.sampled_from(['"', ""])) + content[cut:]
    file.write_text(content, "utf-8")
    try:
        assert len(table(file)) == len(cells)
    except DataError as refusal:
        assert "line" in str(refusal.where)  # noqa: PT017 - a refusal is as good


@settings(deadline=None, derandomize=True)
@given(
    values=st.lists(
        st.tuples(TEXT, st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT), min_size=1
    )
)
def test_json_lines_come_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, values: list[tuple[str, Any]]
) -> None:
    file = tmp_path_factory.getbasetemp() / "any.jsonl"
    lines = [json.dumps(dict(zip(COLUMNS, row, strict=True)), ensure_ascii=False) for row in values]
    file.write_text("\n".join(lines), "utf-8", newline="")
    assert table(file) == values


@settings(deadline=None, derandomize=True)
@given(
    cells=st.lists(
        st.tuples(st.text(st.sampled_from('ab "'), min_size=1, max_size=8), st.sampled_from(LABELS)),
        min_size=1,
        max_size=6,
    )
)
def test_quotation_marks_never_cost_a_row_of_a_tsv(
    tmp_path_factory: pytest.TempPathFactory, cells: list[tuple[str, str]]
) -> None:
    file = tmp_path_factory.getbasetemp() / "any.tsv"
    file.write_text("".join("\t".join(row) + "\n" for row in [COLUMNS, *cells]), "utf-8")
    read = table(file)
    assert [label for _, label in read] == [label for _, label in cells]
    assert all(text == cell or cell.startswith('"') for (text, _), (cell, _) in zip(read, cells, strict=True))


def test_rows_know_their_number() -> None:
    assert (len(Rows({"text": ["a", "b"]})), len(Rows({}))) == (2, 0)
