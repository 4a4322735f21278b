"""A grammar of sentence pairs that say the same of the same thing, or the opposite of it.

Both sentences are about one aspect, under two names, and both judge it; either may be negated. Whether
they agree cannot be seen in either sentence alone, nor in their words together: only in how the two
judgements relate.
"""

from __future__ import annotations

import random

__all__ = ["row"]

_PRAISE = ["excellent", "lovely", "witty"]
_BLAME = ["terrible", "ugly", "boring"]
_ASPECTS = (
    ("story", "narrative"),
    ("cast", "ensemble"),
    ("music", "soundtrack"),
    ("script", "screenplay"),
    ("ending", "finale"),
    ("pacing", "rhythm"),
    ("humour", "comedy"),
    ("setting", "scenery"),
)
_VERBS = ["is", "was", "seems"]
_NEGATIONS = ["not", "never", "hardly"]
_NEGATED = 0.1


def row(rng: random.Random) -> dict[str, str | int]:
    """One pair: ``sentence1``, ``sentence2``, and ``label`` 1 where they agree, else 0."""
    agree, praise = rng.random() < 0.5, rng.random() < 0.5
    first, second = rng.sample(rng.choice(_ASPECTS), 2)
    return {
        "sentence1": _sentence(rng, first, praise=praise),
        "sentence2": _sentence(rng, second, praise=praise == agree),
        "label": int(agree),
    }


def _sentence(rng: random.Random, aspect: str, *, praise: bool) -> str:
    negated = rng.random() < _NEGATED
    adjective = rng.choice(_PRAISE if praise != negated else _BLAME)
    negation = f"{rng.choice(_NEGATIONS)} " if negated else ""
    return f"the {aspect} {rng.choice(_VERBS)} {negation}{adjective} ."
