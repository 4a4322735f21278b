"""A grammar of three remarks, of which most praise or most blame: words alone decide, and the loss falls at once.

It is the easy one: a bag of words solves it, and an encoder learns from the first step on, so that a few dozen steps
tell optimizers apart.
"""

from __future__ import annotations

import random

__all__ = ["row"]

_PRAISE = ["wonderful", "brilliant", "charming", "delightful", "superb", "gripping"]
_BLAME = ["dreadful", "tedious", "clumsy", "dull", "awful", "hollow"]
_ASPECTS = [
    "plot", "acting", "music", "script", "ending", "pacing",
    "dialogue", "cast", "setting", "humour", "lighting", "editing",
]  # fmt: skip
_REMARKS = 3


def row(rng: random.Random) -> dict[str, str | int]:
    """One review: ``text``, and ``label`` 1 where most of its remarks are praise, else 0."""
    praises = [rng.random() < 0.5 for _ in range(_REMARKS)]
    remarks = [
        f"{rng.choice(_PRAISE if praise else _BLAME)} {aspect}"
        for praise, aspect in zip(praises, rng.sample(_ASPECTS, _REMARKS), strict=True)
    ]
    return {"text": " , ".join(remarks) + " .", "label": int(sum(praises) > _REMARKS / 2)}
