"""Runs that learned nothing: counted, and never averaged away."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bertspec.verdict.claims import Claim, Verdict

__all__ = ["collapsed", "collapses_allowed", "judge_collapse", "refuse_collapse"]

_LENIENT_FROM = 10


def collapsed(predictions: NDArray[np.float64], references: NDArray[np.float64]) -> bool:
    """Whether a classifier learned nothing: one class only, or no better than the majority class.

    A run that diverged has zeros for outputs, and so one class only.

    Args:
        predictions: class numbers, shape (examples,).
        references: the same.
    """
    majority = np.unique(references, return_counts=True)[1].max() / len(references)
    return len(np.unique(predictions)) == 1 or bool((predictions == references).mean() <= majority)


def collapses_allowed(runs: int) -> int:
    """None of three or five runs, one of ten."""
    return runs // _LENIENT_FROM


def judge_collapse(collapses: Sequence[bool]) -> Verdict:
    """Judge that no seed collapses.

    Args:
        collapses: for each seed, whether it collapsed.
    """
    count, allowed = sum(collapses), collapses_allowed(len(collapses))
    claim = Claim("number of collapsed seeds", "at most", allowed, words="no seed collapses")
    return Verdict("PASS" if count <= allowed else "FAIL", claim, count, "collapse")


def refuse_collapse(verdict: Verdict, collapses: Sequence[bool]) -> Verdict:
    """FAIL, whatever the mean, where more seeds collapsed than may; else the verdict itself."""
    count, allowed = sum(collapses), collapses_allowed(len(collapses))
    if count <= allowed:
        return verdict
    seeds = f"{count} of {len(collapses)} seeds collapsed"
    return verdict.overruled("collapse", f"{seeds}: one class only, or no better than the majority")
