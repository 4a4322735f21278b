"""How sensitive a contender is to its learning rate: the width of the rates that are nearly as good as the best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bertspec.statistics.verdicts import Claim, Spread, Verdict

__all__ = ["judge_sensitivity", "sensitivity"]

Trial = tuple[float, float | None]
"""A learning rate and its score; None if it could not be trained."""

_DRAWS = 2_000


def sensitivity(trials: Sequence[Trial], *, tolerance: float, less_is_better: bool = False) -> float | None:
    """The decades of the learning rate, around the best trial, over which the score stays within the tolerance of it.

    Between two trials the score is interpolated along the logarithm of the rate; beyond the outermost trials it counts
    as bad. Of several trials with one rate the best counts. Next to a trial that could not be trained, nothing counts
    as good.

    Args:
        trials: the trials, in any order; rates above zero.
        tolerance: how far below the best a score may lie, in its own units.
        less_is_better: whether a small score is a good one.

    Returns:
        The width in powers of ten; None with fewer than two rates, which show no width.
    """
    rates, scores = _curve(trials, less_is_better=less_is_better)
    if len(rates) < 2 or not np.isfinite(scores).any():
        return None
    return float(_widths(rates, scores[None, :], tolerance)[0])


def judge_sensitivity(
    claim: Claim, trials: Sequence[Trial], *, tolerance: float, error: float, less_is_better: bool = False
) -> Verdict:
    """Judge a claim on that width. Its interval comes from 2,000 draws of the scores with their error.

    Args:
        claim: the claim on the decades.
        trials: see :func:`sensitivity`.
        tolerance: see :func:`sensitivity`.
        error: the standard error of one trial's score, which is the mean over its seeds.
        less_is_better: whether a small score is a good one.
    """
    rates, scores = _curve(trials, less_is_better=less_is_better)
    width = sensitivity(trials, tolerance=tolerance, less_is_better=less_is_better)
    known = Verdict("UNDECIDED", claim, width or 0.0, "sensitivity", spread=Spread(error, "error of a trial's score"))
    if width is None:
        return replace(known, reason="fewer than two learning rates could be trained, which show no width")
    rng = np.random.default_rng(0)
    drawn = _widths(rates, scores + error * rng.standard_normal((_DRAWS, len(rates))), tolerance)
    low, high = min(width, float(np.quantile(drawn, 0.025))), max(width, float(np.quantile(drawn, 0.975)))
    outcome = claim.outcome(low, high)
    swept = float(rates[-1] - rates[0])
    reason = None if outcome == "PASS" else f"the trials leave {low:.2f} to {high:.2f} decades, of {swept:.2f} swept"
    if outcome != "PASS" and claim.direction == "at least" and swept < claim.bound:
        outcome, reason = "UNDECIDED", f"the trials span {swept:.2f} decades, and cannot show {claim.bound:g}"
    return replace(
        known,
        outcome=outcome,
        interval=(low, high),
        reason=reason,
        detectable_drop=f"each trial's score has an error of ± {1.96 * error:.4f}",
    )


def _curve(trials: Sequence[Trial], *, less_is_better: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The logarithms of the rates, rising, and the best score at each, where more is better and -infinity is worst."""
    sign, best = -1.0 if less_is_better else 1.0, dict[float, float]()
    for rate, score in trials:
        logarithm = math.log10(rate)
        best[logarithm] = max(best.get(logarithm, -math.inf), -math.inf if score is None else sign * score)
    rates = np.array(sorted(best))
    return rates, np.array([best[rate] for rate in rates.tolist()])


def _widths(rates: NDArray[np.float64], scores: NDArray[np.float64], tolerance: float) -> NDArray[np.float64]:
    """For each row of scores, the width around its best; shape (rows,)."""
    top = scores.argmax(axis=1)
    limits = scores.max(axis=1) - tolerance
    return np.array(
        [
            _reach(rates, row, index, limit, 1) + _reach(rates, row, index, limit, -1)
            for row, index, limit in zip(scores, top.tolist(), limits.tolist(), strict=True)
        ]
    )


def _reach(rates: NDArray[np.float64], scores: NDArray[np.float64], index: int, limit: float, step: int) -> float:
    """How far from the best trial the score stays above the limit, in one direction."""
    reach = 0.0
    while 0 <= index + step < len(rates):
        here, there, length = scores[index], scores[index + step], abs(float(rates[index + step] - rates[index]))
        if there < limit:
            return reach + (length * float((here - limit) / (here - there)) if np.isfinite(there) else 0.0)
        reach, index = reach + length, index + step
    return reach
