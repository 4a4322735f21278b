"""The texts that a command line, a file or standard input gives, and how predictions of them are written."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
import time
from pathlib import Path

import pytest

from bertspec.cli.commands import predict
from bertspec.config import TaskConfig
from bertspec.errors import BertspecError
from bertspec.heads import Prediction


@pytest.fixture
def pair(task: TaskConfig) -> TaskConfig:
    return task.model_copy(update={"text_pair": "other"})


def rows(task: TaskConfig, *texts: str, file: Path | None = None) -> list[predict.Row]:
    return list(predict.rows(argparse.Namespace(text=list(texts), file=file), task))


def given(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), encoding="ascii"))


def written(tmp_path: Path, name: str, content: str | bytes) -> Path:
    file = tmp_path / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def test_texts_and_pairs_of_a_command_line(task: TaskConfig, pair: TaskConfig) -> None:
    assert rows(task, "a", "b") == [("a", None), ("b", None)]
    assert rows(pair, "a", "b", "c", "d") == [("a", "b"), ("c", "d")]


@pytest.mark.parametrize("text", ["caf\udce9", "", " "])
def test_a_text_that_is_empty_or_not_utf8_is_refused(task: TaskConfig, text: str) -> None:
    with pytest.raises(BertspecError, match="a text is .*where: text 2"):
        rows(task, "a", text)


def test_standard_input_is_utf8_whatever_the_locale_says(task: TaskConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, "\ufeffcafé\r\n\n naïve\tx\n".encode())
    assert rows(task) == [("café", None), (" naïve\tx", None)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"fine\ncaf\xe9\n", "a text is not UTF-8.*where: standard input, line 2"),
        (b"fi\0ne\n", "a line has a NUL character.*standard input, line 1"),
    ],
)
def test_other_bytes_of_standard_input_are_refused_with_their_line(
    task: TaskConfig, monkeypatch: pytest.MonkeyPatch, content: bytes, message: str
) -> None:
    given(monkeypatch, content)
    with pytest.raises(BertspecError, match=message):
        rows(task)


TABLES = [
    ("d.csv", 'id,text,other\n1,"a, b",x\n2,NA,y\n'),
    ("d.TSV", "text\tother\na, b\tx\nNA\ty\n"),
    ("d.jsonl", '{"text": "a, b", "other": "x"}\n{"text": "NA", "other": "y"}\n'),
    ("d.json", '[{"text": "a, b", "other": "x"}, {"text": "NA", "other": "y"}]'),
]


@pytest.mark.parametrize(("name", "content"), TABLES, ids=[name for name, _ in TABLES])
def test_a_table_is_read_by_its_columns(
    tmp_path: Path, task: TaskConfig, pair: TaskConfig, name: str, content: str
) -> None:
    file = written(tmp_path, name, content)
    assert rows(task, file=file) == [("a, b", None), ("NA", None)]
    assert rows(pair, file=file) == [("a, b", "x"), ("NA", "y")]


def test_another_file_has_a_text_or_a_pair_on_each_line(tmp_path: Path, task: TaskConfig, pair: TaskConfig) -> None:
    file = written(tmp_path, "d.txt", "a\tx\n\nb\ty\n")
    assert rows(task, file=file) == [("a\tx", None), ("b\ty", None)]
    assert rows(pair, file=file) == [("a", "x"), ("b", "y")]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("d.csv", 'text\n"a\nb\n', "a quotation mark is never closed.*line 2"),
        ("d.csv", "text,text\na,b\n", "names a column twice"),
        ("d.csv", 'text\na\n""\n', "a text is empty.*line 3, column 'text'"),
        ("d.csv", "text,label\na\n", "a row has 1 cell, and the header has 2.*line 2"),
        ("d.jsonl", '{"text": 5}\n', "a value of type int is no text.*line 1"),
        ("d.json", '{"data": [{"text": "a"}]}', "the file is not a table.*a row on each line"),
        ("d.txt", b"fine\ncaf\xe9\n", "not UTF-8.*d.txt, line 2"),
        ("d.xlsx", b"PK\3\4\0\0", "NUL character.*line 1"),
        ("d.csv", 'id,text\n1,"a\n2,b"\n', "rows of their own.*lines 2 to 3"),
    ],
)
def test_a_file_that_cannot_be_read_right_is_refused(
    tmp_path: Path, task: TaskConfig, name: str, content: str | bytes, message: str
) -> None:
    with pytest.raises(BertspecError, match=message):
        rows(task, file=written(tmp_path, name, content))


@pytest.mark.parametrize("name", ["no.txt", ".", "pipe", "pipe.csv", "loop", "x" * 300])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, task: TaskConfig, name: str) -> None:
    for pipe in ("pipe", "pipe.csv"):
        os.mkfifo(tmp_path / pipe)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(BertspecError, match="the file cannot be read"):
        rows(task, file=tmp_path / name)


def test_what_the_shell_passes_as_a_file_is_read(task: TaskConfig) -> None:
    reader, writer = os.pipe()
    os.write(writer, b"a\nb\n")
    os.close(writer)
    try:
        assert rows(task, file=Path(f"/dev/fd/{reader}")) == [("a", None), ("b", None)]
    finally:
        os.close(reader)


def test_a_line_of_the_result_stays_one_line_of_three_columns() -> None:
    prediction = Prediction("a\tb\n\x1b[31m", 0.75, {"a": 0.75})
    line = predict._line(("the\tfilm\r\n\x1b[2J\u202e", "x"), prediction, as_json=False)
    assert line == "a\\tb\\n\\x1b[31m\t0.7500\tthe\\tfilm\\r\\n\\x1b[2J\\u202e x"


def test_json_stands_for_the_same_text_without_a_character_that_acts() -> None:
    line = predict._line(("café \x1b\x9b\u202e\n", None), Prediction(None, 0.5), as_json=True)
    assert all(letter.isprintable() for letter in line)
    assert "café" in line
    assert json.loads(line)["text"] == "café \x1b\x9b\u202e\n"


def test_a_device_without_an_end_is_refused_at_once(task: TaskConfig) -> None:
    began = time.monotonic()
    with pytest.raises(BertspecError, match="a line has 16,777,216 characters or more; is the file text.*/dev/zero"):
        rows(task, file=Path("/dev/zero"))
    assert time.monotonic() - began < 5
