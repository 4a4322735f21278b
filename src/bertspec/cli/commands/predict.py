"""Predict with the fine-tuned encoder of a run. A model that was not kept is trained again, to the same bits."""

from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

A .csv or .tsv file has the columns that the task reads. Any other file, and standard input, has one text per line
(for a task of pairs: two texts with a tab between them).

Each line of the result: the label (or the number), its probability, the text; separated by tabs.
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
            console.show_lines(*(_line(row, each, as_json=arguments.json) for row, each in predictions))
            part = list(islice(texts, _CHUNK))
    return 0


def rows(arguments: argparse.Namespace, task: TaskConfig) -> Iterator[Row]:
    """The texts that a command line gives, with the second of each pair.

    Raises:
        DataError: a line or a column is missing.
        InvalidConfig: texts and a file are given.
    """
    from bertspec.errors import DataError, InvalidConfig

    if arguments.text and arguments.file:
        raise InvalidConfig("texts come from the command line or from a file", given="both", allowed="one of them")
    if arguments.text:
        yield from _given(arguments.text, task)
    elif arguments.file is None:
        if sys.stdin.isatty():
            sys.stderr.write("reading texts, one per line, until Ctrl-D\n")
        yield from _lines(sys.stdin, task, "standard input")
    else:
        try:
            with arguments.file.open(encoding="utf-8-sig", newline="") as stream:
                of_columns = arguments.file.suffix in (".csv", ".tsv")
                yield from (_columns if of_columns else _lines)(stream, task, arguments.file)
        except (OSError, UnicodeDecodeError, csv.Error) as refusal:
            raise DataError(f"the file cannot be read: {refusal}", where=arguments.file) from refusal


def _given(texts: Sequence[str], task: TaskConfig) -> Iterator[Row]:
    from bertspec.errors import InvalidConfig

    if task.text_pair is None:
        yield from ((text, None) for text in texts)
    elif len(texts) % 2:
        raise InvalidConfig(
            f"task {task.name!r} reads pairs of texts", given=f"{len(texts)} texts", allowed="two per pair"
        )
    else:
        yield from zip(texts[::2], texts[1::2], strict=True)


def _lines(stream: Any, task: TaskConfig, where: object) -> Iterator[Row]:
    from bertspec.errors import DataError

    for number, line in enumerate(stream, start=1):
        text, tab, pair = line.rstrip("\r\n").partition("\t")
        if not text.strip():
            continue
        if task.text_pair is not None and not tab:
            raise DataError(
                f"task {task.name!r} reads pairs of texts", given=text, allowed="two texts with a tab between them",
                where=f"{where}, line {number}",
            )  # fmt: skip
        yield (text, pair) if task.text_pair is not None else (line.rstrip("\r\n"), None)


def _columns(stream: Any, task: TaskConfig, where: Path) -> Iterator[Row]:
    from bertspec.errors import DataError

    reader = csv.DictReader(stream, delimiter="\t" if where.suffix == ".tsv" else ",")
    wanted = [column for column in (task.text, task.text_pair) if column is not None]
    missing = [column for column in wanted if column not in (reader.fieldnames or ())]
    if missing:
        raise DataError(
            f"the file lacks a column that task {task.name!r} reads",
            given=", ".join(missing),
            allowed=", ".join(reader.fieldnames or ()),
            where=where,
        )
    for row in reader:
        yield row[task.text] or "", row[task.text_pair] if task.text_pair else None


def _line(row: Row, prediction: Prediction, *, as_json: bool) -> str:
    import json

    text, pair = row
    if as_json:
        return json.dumps({"text": text, "text_pair": pair, **prediction.as_json()}, ensure_ascii=False)
    words = " ".join(part for part in (text, pair) if part).replace("\t", " ").replace("\n", " ")
    return "\t".join((*prediction.columns(), words))
