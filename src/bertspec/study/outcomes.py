"""What the runs of studies say together: which of them collapsed, and how their means vary with the rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bertspec import metrics
from bertspec.results import Outcomes
from bertspec.store import StoredRun

__all__ = ["collapses", "row_covariance"]

_RESAMPLES = 200
_SHOWING = 3
"""The rows are what varies when they are resampled, and three seeds show it."""


def collapses(runs: Sequence[StoredRun]) -> list[bool]:
    """For each run, whether it learned nothing; never where the task's head has no rule for that."""
    return [run.result.outcomes.collapsed for run in runs]


def row_covariance(sides: Sequence[Sequence[StoredRun]], metric: str) -> NDArray[np.float64]:
    """The covariance of the means of several studies that comes from the choice of the rows, which all share.

    Args:
        sides: the runs of each study, all scored on the same rows.
        metric: the metric, by its name.

    Returns:
        The covariance, shape (studies, studies); the same for equal runs.
    """
    outcomes = [[run.result.outcomes for run in side] for side in sides]
    rows = len(outcomes[0][0].references)
    if metric in ("accuracy", "error_rate"):
        return np.atleast_2d(np.cov([_right(side) for side in outcomes], ddof=0)) / rows
    rng, function = np.random.default_rng(0), metrics.find(metric).function
    draws = [rng.integers(rows, size=rows) for _ in range(_RESAMPLES)]

    def mean(side: Sequence[Outcomes], chosen: NDArray[np.int64]) -> float:
        few = side[:_SHOWING]
        return float(np.mean([function(one.references[chosen], one.predictions[chosen]) for one in few]))

    return np.atleast_2d(np.cov([[mean(side, chosen) for chosen in draws] for side in outcomes], ddof=0))


def _right(side: Sequence[Outcomes]) -> NDArray[np.float64]:
    """How often each row was predicted right, over the seeds; shape (examples,)."""
    return np.asarray(np.mean([one.predictions == one.references for one in side], axis=0), dtype=np.float64)
