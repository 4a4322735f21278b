"""Generated tasks: seeded grammars whose label noise, and so whose best attainable score, is known."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Literal

from bertspec.config import GeneratedConfig
from bertspec.errors import UnknownName
from bertspec.sources.generated import majority, paraphrase, sentiment

__all__ = ["CLEAN_LABEL", "NAMES", "rows", "texts"]

Row = dict[str, Any]
Split = Literal["train", "evaluation"]

CLEAN_LABEL = "clean_label"
"""The column that holds the label before noise."""

_GRAMMARS: dict[str, Callable[[random.Random], Row]] = {
    "bundled/majority": majority.row,
    "bundled/paraphrase": paraphrase.row,
    "bundled/sentiment": sentiment.row,
}

NAMES = tuple(_GRAMMARS)
"""The data sets that can be generated."""

_EVALUATION_SHARE = 5
"""One text in this many belongs to the evaluation split, whatever the sizes asked for."""


def rows(dataset: str, sizes: GeneratedConfig, split: Split) -> dict[str, list[Any]]:
    """The columns of one split; equal arguments give equal rows, on any machine.

    No text of the evaluation split is ever in the training split, and a larger split begins with
    the rows of a smaller one.

    Returns:
        Column name → values. ``label`` carries noise, ``clean_label`` does not.

    Raises:
        UnknownName: no grammar has this name.
    """
    if dataset not in _GRAMMARS:
        raise UnknownName("generated task", dataset, NAMES)
    count = sizes.train_rows if split == "train" else sizes.evaluation_rows
    stream = _rows(_GRAMMARS[dataset], split, sizes)
    made = [next(stream) for _ in range(count)]
    return {column: [row[column] for row in made] for column in made[0]}


def texts(count: int) -> Iterator[str]:
    """Training texts of every grammar in turn, ``count`` rows of each, for a tokenizer."""
    sizes = GeneratedConfig(train_rows=count, evaluation_rows=1, label_noise=0)
    for name in NAMES:
        columns = rows(name, sizes, "train")
        for column, values in columns.items():
            if "label" not in column:
                yield from values


def _rows(grammar: Callable[[random.Random], Row], split: Split, sizes: GeneratedConfig) -> Iterator[Row]:
    sentences = random.Random(f"{sizes.seed} {split}")  # noqa: S311 - reproducible, not secret
    noise = random.Random(f"{sizes.seed} {split} noise")  # noqa: S311
    while True:
        row = grammar(sentences)
        text = " | ".join(str(value) for column, value in row.items() if column != "label")
        held_out = zlib.crc32(text.encode()) % _EVALUATION_SHARE == 0
        if held_out == (split == "evaluation"):
            flipped = noise.random() < sizes.label_noise
            yield {**row, "label": row["label"] ^ flipped, CLEAN_LABEL: row["label"]}
