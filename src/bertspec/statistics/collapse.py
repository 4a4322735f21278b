"""Runs that learned nothing: counted, and never averaged away."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bertspec.statistics.pass_rates import percent
from bertspec.statistics.verdicts import Claim, Verdict

__all__ = ["collapsed", "collapses_allowed", "judge_collapse", "refuse_collapse"]

_LENIENT_FROM = 10
_SOURCE = "our rule: none of up to nine seeds, one of ten"


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
    from scipy import stats  # late: it takes a second

    claim = Claim("number of collapsed seeds", "at most", allowed, source=_SOURCE, words="no seed collapses")
    often, rare, seldom = (float(stats.binom.cdf(allowed, len(collapses), rate)) for rate in (0.5, 0.1, 0.01))
    refused = float(stats.beta.ppf(0.95, allowed + 1, len(collapses) - allowed))
    return Verdict(
        "PASS" if count <= allowed else "FAIL",
        claim,
        count,
        "collapse",
        detectable_drop=f"a collapse of more than {percent(refused)} of all seeds is refused 95 % of the time",
        pass_rates=f"passes {percent(seldom)} of the time where one seed in a hundred collapses, "
        f"{percent(rare)} where one in ten does, {percent(often)} where half of them do",
        reason=None if count <= allowed else _told(count, len(collapses)),
    )


def refuse_collapse(verdict: Verdict, collapses: Sequence[bool]) -> Verdict:
    """FAIL, whatever the mean, where more seeds collapsed than may; else the verdict itself."""
    count, allowed = sum(collapses), collapses_allowed(len(collapses))
    if count <= allowed:
        return verdict
    return verdict.overruled("collapse", _told(count, len(collapses)))


def _told(count: int, runs: int) -> str:
    return f"{count} of {runs} seeds collapsed: one class only, or no better than the majority"
