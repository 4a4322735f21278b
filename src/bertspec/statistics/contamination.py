"""Scores that are too good: above what can be known, or on rows that were trained on."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bertspec.statistics.verdicts import Verdict

__all__ = ["CEILING_P", "leak_p", "overlap", "refuse_leak", "refuse_overlap"]

CEILING_P = 0.001
"""A score above the ceiling that chance gives more rarely than this is a leak."""

_WORD = re.compile(r"\w+")


def leak_p(
    predictions: NDArray[np.float64], references: NDArray[np.float64], clean: NDArray[np.float64], noise: float
) -> float:
    """How often chance alone would find so many of the flipped labels.

    Where a prediction differs from the label before noise, it agrees with the noisy label only if that one was
    flipped, which nothing in the text tells: a binomial count, whose tail is exact.

    Args:
        predictions: class numbers, shape (examples,).
        references: the noisy labels, shape (examples,).
        clean: the labels before noise, shape (examples,).
        noise: the probability with which a label was flipped.
    """
    from scipy import stats  # late: it takes a second

    against = predictions != clean
    found = int((against & (predictions == references)).sum())
    return float(stats.binom.sf(found - 1, int(against.sum()), noise))


def refuse_leak(
    verdict: Verdict,
    *,
    ceiling: float,
    p_values: Sequence[float],
    better: Literal["higher", "lower"] = "higher",
    mean: float | None = None,
) -> Verdict:
    """FAIL where the mean is beyond the ceiling and chance does not explain it; else the verdict itself.

    Args:
        verdict: the verdict on the mean, or on how far it exceeds another.
        ceiling: what the labels before noise score against those of this split.
        p_values: :func:`leak_p` of each run; the smallest counts, times their number (Bonferroni).
        better: the way in which the metric improves: what is beyond an error rate's ceiling lies below it.
        mean: the mean over the seeds, where that is not the verdict's own value.
    """
    chance = min(1.0, min(p_values) * len(p_values))
    reached = verdict.value if mean is None else mean
    beyond = reached > ceiling if better == "higher" else reached < ceiling
    if not beyond or chance >= CEILING_P:
        return verdict
    side = "above the ceiling" if better == "higher" else "below the floor"
    return verdict.overruled(
        "ceiling", f"{side} of {ceiling:.4f}, the best that can be known (p = {chance:.1g}): a leak"
    )


def overlap(evaluation: Iterable[tuple[str, ...]], training: Iterable[tuple[str, ...]]) -> tuple[int, int, int]:
    """How many rows to be scored were also trained on.

    Args:
        evaluation: the texts of each row.
        training: the same.

    Returns:
        Rows whose texts are the same; rows that are the same but for case, spaces and punctuation; all rows.
    """
    rows, seen = list(evaluation), set(training)
    normal = {_normal(row) for row in seen}
    return sum(row in seen for row in rows), sum(_normal(row) in normal for row in rows), len(rows)


def refuse_overlap(verdict: Verdict, counts: tuple[int, int, int], *, allowed: float) -> Verdict:
    """FAIL where more of the scored rows were trained on than the task allows; else the verdict itself.

    Args:
        verdict: the verdict on the mean.
        counts: see :func:`overlap`.
        allowed: the share of rows that may.
    """
    exact, normal, rows = counts
    if normal <= allowed * rows:
        return verdict
    return verdict.overruled(
        "overlap",
        f"{normal} of {rows} scored rows were trained on ({exact} letter by letter); {allowed:.1%} may be",
    )


def _normal(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(" ".join(_WORD.findall(text.casefold())) for text in texts)
