"""How much the choice of the evaluation rows contributes to a mean."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from bertspec import metrics
from bertspec.results import Outcomes

__all__ = ["row_covariance", "row_variance"]

_RESAMPLES = 200
_SEEDS = 3
"""The bootstrap resamples rows, not seeds, and three seeds are enough to see their effect."""


def row_covariance(sides: Sequence[Sequence[Outcomes]], metric: str) -> NDArray[np.float64]:
    """The covariance of the means of several studies that comes from the choice of the rows, which all share.

    It is exact for accuracy and error rate, and a bootstrap over the rows for every other metric.

    Args:
        sides: the outcomes of each study's runs, all scored on the same rows.
        metric: the metric, by its name.

    Returns:
        The covariance, shape (studies, studies); equal runs give an equal covariance.
    """
    rows = len(sides[0][0].references)
    if metric in ("accuracy", "error_rate"):
        return np.atleast_2d(np.cov([_hits(side) for side in sides], ddof=0)) / rows
    rng, function = np.random.default_rng(0), metrics.find(metric).function
    draws = [rng.integers(rows, size=rows) for _ in range(_RESAMPLES)]

    def mean(side: Sequence[Outcomes], chosen: NDArray[np.int64]) -> float:
        few = side[:_SEEDS]
        return float(np.mean([function(one.references[chosen], one.predictions[chosen]) for one in few]))

    return np.atleast_2d(np.cov([[mean(side, chosen) for chosen in draws] for side in sides], ddof=0))


def row_variance(
    outcomes: Sequence[Outcomes], metric: str, *, others: Sequence[Outcomes] = (), factor: float = 1.0
) -> float:
    """The variance from the choice of the rows: of a mean, or of the mean less ``factor`` times the mean of others."""
    sides, weights = ([outcomes, others], [1.0, -factor]) if others else ([outcomes], [1.0])
    return max(0.0, float(np.array(weights) @ row_covariance(sides, metric) @ np.array(weights)))


def _hits(side: Sequence[Outcomes]) -> NDArray[np.float64]:
    """The share of seeds that predict each row right; shape (examples,)."""
    return np.asarray(np.mean([one.predictions == one.references for one in side], axis=0), dtype=np.float64)
