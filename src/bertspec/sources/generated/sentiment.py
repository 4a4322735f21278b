"""A grammar of reviews in which order, negation and contrast decide the label, and words alone do not.

A review has two clauses that disagree. A contrast word says which of them counts: *A but B* is about
B, *although A, B* is about B, *B although A* is about B again. Each clause may be negated. Every
review therefore holds praise and blame, and a bag of words stays near chance.
"""

from __future__ import annotations

import random

__all__ = ["row"]

_PRAISE = [
    "wonderful", "brilliant", "charming", "delightful", "superb", "gripping",
    "elegant", "touching", "clever", "vivid",
]  # fmt: skip
_BLAME = ["dreadful", "tedious", "clumsy", "dull", "awful", "hollow", "sloppy", "bland", "shallow", "lifeless"]
_ASPECTS = [
    "plot", "acting", "music", "script", "ending", "pacing",
    "dialogue", "cast", "setting", "humour", "lighting", "editing",
]  # fmt: skip
_VERBS = ["is", "was", "seems"]
_NEGATIONS = ["not", "never", "hardly"]
_FIRST_YIELDS = ("but", "yet")
_SECOND_YIELDS = ("although", "even though")
_NEGATED = 0.4


def row(rng: random.Random) -> dict[str, str | int]:
    """One review: ``text``, and ``label`` 1 where the clause that counts is praise, else 0."""
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
    negated = rng.random() < _NEGATED
    adjective = rng.choice(_PRAISE if praise != negated else _BLAME)
    negation = f"{rng.choice(_NEGATIONS)} " if negated else ""
    return f"the {rng.choice(_ASPECTS)} {rng.choice(_VERBS)} {negation}{adjective}"
