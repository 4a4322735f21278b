"""Predict with the fine-tuned encoder of a run. A model that was not kept is trained again, to the same bits."""

from __future__ import annotations

import argparse
import io
import itertools
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from bertspec.cli import console, options

if TYPE_CHECKING:
    from bertspec.config import TaskConfig
    from bertspec.heads import Prediction

__all__ = ["EPILOG", "HELP", "NAME", "add_arguments", "execute", "rows"]

NAME = "predict"
HELP = "predict with the model of a run"
EPILOG = """\
examples:
  bertspec predict latest "the film was good ."
  bertspec predict 3f9a --file new-reviews.csv > predictions.tsv
  cat new-reviews.txt | bertspec predict 3f9a
  bertspec predict 3f9a --json "the film was good ."

A table (.csv, .tsv, .json, .jsonl, .parquet) has the columns that the task reads. Any other file, and standard input,
has one text per line (for a task of pairs: two texts with a tab between them). Text is UTF-8; empty lines are skipped.

Each line of the result: the label (or the number), its probability, the text; separated by tabs. A tab, a line break
or a control character inside of them is written as \\t, \\n or \\x1b.
--json writes one object per line: text, text_pair, label, value, probabilities.
"""

_CHUNK = 1024
Row = tuple[str, str | None]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run and the texts."""
    option = parser.add_argument("run", metavar="RUN", help="the beginning of its fingerprint, or: latest")
    options.complete_runs(option)
    parser.add_argument("text", nargs="*", metavar="TEXT", help="a text; two per pair for a task of pairs")
    parser.add_argument(
        "--file", type=Path, metavar="PATH", help="read the texts from a file (default: standard input)"
    )
    options.add_device(parser)
    options.add_store(parser)
    parser.add_argument("--json", action="store_true", help="write one JSON object per line")


def execute(arguments: argparse.Namespace) -> int:
    """Read, predict and write in parts, so that a file may have any size."""
    from bertspec import api

    with options.session(arguments) as work:
        run = work.store.find(arguments.run)
        texts = rows(arguments, run.config.task)
        part = list(islice(texts, _CHUNK))  # before the model is loaded: a missing file is an error at once
        if not part:
            return 0
        predictor = api.load_predictor(run, work)
        while part:
            pairs = [pair or "" for _, pair in part] if run.config.task.text_pair else None
            predictions = zip(part, predictor.predict([text for text, _ in part], pairs), strict=True)
            console.show_lines(*(_line(row, each, as_json=arguments.json) for row, each in predictions), keep="\t")
            part = list(islice(texts, _CHUNK))
    return 0


def rows(arguments: argparse.Namespace, task: TaskConfig) -> Iterator[Row]:
    """The texts that a command line gives, with the second of each pair.

    Raises:
        DataError: a line or a column is missing.
        InvalidConfig: texts and a file are given.
    """
    from bertspec.errors import DataError, InvalidConfig
    from bertspec.sources.rows import suffix_of

    if arguments.text and arguments.file:
        raise InvalidConfig("texts come from the command line or from a file", given="both", allowed="one of them")
    if arguments.text:
        yield from _given(arguments.text, task)
    elif arguments.file is None:
        if sys.stdin.isatty():
            sys.stderr.write("reading texts, one per line, until Ctrl-D\n")
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin.reconfigure(encoding="utf-8-sig", errors="surrogateescape")
        yield from _lines(sys.stdin, task, "standard input")
    elif suffix_of(arguments.file) is not None:
        yield from _table(arguments.file, task)
    else:
        try:
            with _opened(arguments.file) as stream:
                yield from _lines(stream, task, arguments.file)
        except OSError as refusal:
            raise DataError(
                f"the file cannot be read: {refusal.strerror or refusal}", where=arguments.file
            ) from refusal


def _given(texts: Sequence[str], task: TaskConfig) -> Iterator[Row]:
    from bertspec.data.tokens import check_text
    from bertspec.errors import InvalidConfig

    if task.text_pair is not None and len(texts) % 2:
        raise InvalidConfig(
            f"task {task.name!r} reads pairs of texts", given=f"{len(texts)} texts", allowed="two per pair"
        )
    checked = [check_text(text, where=f"text {number}") for number, text in enumerate(texts, start=1)]
    if task.text_pair is None:
        yield from ((text, None) for text in checked)
    else:
        yield from zip(checked[::2], checked[1::2], strict=True)


def _opened(file: Path) -> io.TextIOWrapper:
    """The lines of a regular file, or of what the shell passes as a file, such as ``<(…)``."""
    from bertspec.files import open_regular

    content = file.open("rb") if file.is_relative_to("/dev") else open_regular(file)
    return io.TextIOWrapper(content, encoding="utf-8-sig", errors="surrogateescape", newline="")


def _lines(stream: TextIO, task: TaskConfig, where: object) -> Iterator[Row]:
    from bertspec.data.tokens import check_text
    from bertspec.errors import DataError
    from bertspec.sources.rows import bounded_lines

    for number, line in enumerate(bounded_lines(stream, where), start=1):
        here = f"{where}, line {number}"
        if "\0" in line:
            raise DataError("a line has a NUL character", allowed="text that is saved as UTF-8", where=here)
        text, tab, pair = line.rstrip("\r\n").partition("\t")
        if not line.strip():
            continue
        if task.text_pair is None:
            yield check_text(line.rstrip("\r\n"), where=here), None
        elif tab:
            yield check_text(text, where=here), check_text(pair, where=here)
        else:
            allowed = "two texts with a tab between them"
            raise DataError(f"task {task.name!r} reads pairs of texts", given=text, allowed=allowed, where=here)


def _table(file: Path, task: TaskConfig) -> list[Row]:
    """The texts of a table; all of them are checked before the first prediction."""
    from bertspec.data.tokens import check_text
    from bertspec.sources import rows

    columns = [column for column in (task.text, task.text_pair) if column is not None]
    content = rows.read(file, columns, label=task.label)

    def checked(column: str) -> Iterator[str]:
        for row, value in enumerate(content.columns[column]):
            at = f"row {row}" if content.lines is None else f"line {content.lines[row]}"
            yield check_text(value, where=f"{file}, {at}, column {column!r}")

    texts, *pairs = (checked(column) for column in columns)
    return list(zip(texts, pairs[0] if pairs else itertools.repeat(None), strict=False))


def _line(row: Row, prediction: Prediction, *, as_json: bool) -> str:
    import json

    from bertspec.printing import printable, printable_json

    text, pair = row
    if as_json:
        value = {"text": text, "text_pair": pair, **prediction.as_json()}
        return printable_json(json.dumps(value, ensure_ascii=False))
    words = " ".join(part for part in (text, pair) if part)
    return "\t".join(map(printable, (*prediction.columns(), words)))
