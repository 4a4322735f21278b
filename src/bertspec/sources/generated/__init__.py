"""Generated tasks: seeded grammars whose label noise, and so whose best attainable score, is known.

``sentiment``: order, negation and contrast decide the label of a review, and words alone do not. A review has two
clauses that disagree, and a contrast word decides which of them counts: *A but B* is about B, *although A, B* is about
B, *B although A* is about B. Each clause may be negated. Every review holds praise and blame, so that a bag of words
stays near chance.

``paraphrase``: pairs of sentences that agree or disagree. Both judge one aspect, under two names, and either may be
negated. Whether they agree cannot be read from one sentence alone, nor from their words together, but only from how
the two judgements relate.

``majority``: three remarks, most of which praise or blame. Words alone decide. It is the easy one: a bag of words
solves it, and an encoder learns from the first step, so that a few dozen steps tell optimizers apart.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from bertspec.config import GeneratedConfig
from bertspec.errors import UnknownName

__all__ = ["CLEAN_LABEL", "NAMES", "TOKENIZER_FILE", "rows", "texts"]

Row = dict[str, Any]
Split = Literal["train", "evaluation"]

CLEAN_LABEL = "clean_label"
"""The column that holds the label before noise."""

TOKENIZER_FILE = Path(__file__).parent / "tokenizer.json"
"""The tokenizer whose words are those of the generated tasks; :mod:`bertspec.sources.generated.tokenizer` writes it."""

_EVALUATION_SHARE = 5
"""One text in 5 belongs to the evaluation split, whatever sizes are requested."""

_VERBS = ["is", "was", "seems"]
_NEGATIONS = ["not", "never", "hardly"]
_ASPECTS = [
    "plot", "acting", "music", "script", "ending", "pacing",
    "dialogue", "cast", "setting", "humour", "lighting", "editing",
]  # fmt: skip
_MAJORITY_PRAISE = ["wonderful", "brilliant", "charming", "delightful", "superb", "gripping"]
_MAJORITY_BLAME = ["dreadful", "tedious", "clumsy", "dull", "awful", "hollow"]
_SENTIMENT_PRAISE = [*_MAJORITY_PRAISE, "elegant", "touching", "clever", "vivid"]
_SENTIMENT_BLAME = [*_MAJORITY_BLAME, "sloppy", "bland", "shallow", "lifeless"]
_FIRST_YIELDS = ("but", "yet")
_SECOND_YIELDS = ("although", "even though")
_PARAPHRASE_PRAISE = ["excellent", "lovely", "witty"]
_PARAPHRASE_BLAME = ["terrible", "ugly", "boring"]
_SYNONYMS = (
    ("story", "narrative"),
    ("cast", "ensemble"),
    ("music", "soundtrack"),
    ("script", "screenplay"),
    ("ending", "finale"),
    ("pacing", "rhythm"),
    ("humour", "comedy"),
    ("setting", "scenery"),
)
_REMARKS = 3


def rows(dataset: str, sizes: GeneratedConfig, split: Split) -> dict[str, list[Any]]:
    """Generate one split; equal arguments give equal rows, on any machine.

    No text of the evaluation split is in the training split. A larger split begins with the rows of a smaller one.

    Returns:
        Column name → one value per row. ``label`` has noise, ``clean_label`` has none.

    Raises:
        UnknownName: no grammar has this name.
    """
    if dataset not in _GRAMMARS:
        raise UnknownName("generated task", dataset, NAMES)
    count = sizes.train_rows if split == "train" else sizes.evaluation_rows
    stream = _rows(_GRAMMARS[dataset], split, sizes)
    table = [next(stream) for _ in range(count)]
    return {column: [row[column] for row in table] for column in table[0]}


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


def _sentiment(rng: random.Random) -> Row:
    """One review: ``text``, and ``label`` 1 if the clause that counts is praise, else 0."""
    praise = rng.random() < 0.5
    counts, yields = _clause(rng, praise=praise), _clause(rng, praise=not praise)
    word = rng.choice(_FIRST_YIELDS + _SECOND_YIELDS)
    if word in _FIRST_YIELDS:
        text = f"{yields} {word} {counts} ."
    elif rng.random() < 0.5:
        text = f"{word} {yields} , {counts} ."
    else:
        text = f"{counts} {word} {yields} ."
    return {"text": text, "label": int(praise)}


def _clause(rng: random.Random, *, praise: bool) -> str:
    negated = rng.random() < 0.4
    adjective = rng.choice(_SENTIMENT_PRAISE if praise != negated else _SENTIMENT_BLAME)
    negation = f"{rng.choice(_NEGATIONS)} " if negated else ""
    return f"the {rng.choice(_ASPECTS)} {rng.choice(_VERBS)} {negation}{adjective}"


def _paraphrase(rng: random.Random) -> Row:
    """One pair: ``sentence1``, ``sentence2``, and ``label`` 1 if they agree, else 0."""
    agree, praise = rng.random() < 0.5, rng.random() < 0.5
    first, second = rng.sample(rng.choice(_SYNONYMS), 2)
    return {
        "sentence1": _sentence(rng, first, praise=praise),
        "sentence2": _sentence(rng, second, praise=praise == agree),
        "label": int(agree),
    }


def _sentence(rng: random.Random, aspect: str, *, praise: bool) -> str:
    negated = rng.random() < 0.1
    adjective = rng.choice(_PARAPHRASE_PRAISE if praise != negated else _PARAPHRASE_BLAME)
    negation = f"{rng.choice(_NEGATIONS)} " if negated else ""
    return f"the {aspect} {rng.choice(_VERBS)} {negation}{adjective} ."


def _majority(rng: random.Random) -> Row:
    """One review: ``text``, and ``label`` 1 if most of its remarks are praise, else 0."""
    praises = [rng.random() < 0.5 for _ in range(_REMARKS)]
    remarks = [
        f"{rng.choice(_MAJORITY_PRAISE if praise else _MAJORITY_BLAME)} {aspect}"
        for praise, aspect in zip(praises, rng.sample(_ASPECTS, _REMARKS), strict=True)
    ]
    return {"text": " , ".join(remarks) + " .", "label": int(sum(praises) > _REMARKS / 2)}


_GRAMMARS: dict[str, Callable[[random.Random], Row]] = {
    "bundled/majority": _majority,
    "bundled/paraphrase": _paraphrase,
    "bundled/sentiment": _sentiment,
}

NAMES = tuple(_GRAMMARS)
"""The data sets that can be generated."""
