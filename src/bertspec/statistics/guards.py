"""Rules that hold whatever the mean is: collapsed seeds, contamination, and scores above the ceiling."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bertspec.statistics.verdicts import Claim, Verdict, percent

__all__ = [
    "CEILING_P",
    "Contamination",
    "collapse_problem",
    "collapses_allowed",
    "contamination",
    "contamination_problem",
    "judge_collapse",
    "leak_p",
    "refuse_collapse",
    "refuse_contamination",
    "refuse_leak",
]

CEILING_P = 0.001
"""A score above the ceiling is a leak if chance gives it more rarely than this."""

_LENIENT_FROM = 10
_SOURCE = "our rule: none of up to nine seeds, one of ten"
_WORD = re.compile(r"\w+")

Array = NDArray[np.float64]


def collapses_allowed(runs: int) -> int:
    """How many of these runs may collapse: none of up to nine, one of every ten."""
    return runs // _LENIENT_FROM


def judge_collapse(collapses: Sequence[bool], rule: str) -> Verdict:
    """Judge the claim that no seed collapses.

    Args:
        collapses: for each seed, whether it collapsed.
        rule: what a collapse is, in the words of the task's head.
    """
    from scipy import stats  # late: it takes a second

    runs, count, allowed = len(collapses), sum(collapses), collapses_allowed(len(collapses))
    claim = Claim("number of collapsed seeds", "at most", allowed, source=_SOURCE, words="no seed collapses")
    half, tenth, hundredth = (percent(float(stats.binom.cdf(allowed, runs, rate))) for rate in (0.5, 0.1, 0.01))
    refused = float(stats.beta.ppf(0.95, allowed + 1, runs - allowed))
    return Verdict(
        "PASS" if count <= allowed else "FAIL",
        claim,
        count,
        "collapse",
        detectable_drop=f"a collapse of more than {percent(refused)} of all seeds is refused 95 % of the time",
        pass_rates=f"passes {hundredth} of the time if one seed in a hundred collapses, "
        f"{tenth} if one in ten does, {half} if half of them do",
        reason=None if count <= allowed else _collapse_reason(count, runs, rule),
    )


def refuse_collapse(verdict: Verdict, collapses: Sequence[bool], rule: str) -> Verdict:
    """FAIL if more seeds collapsed than allowed; else the verdict itself. Arguments as in :func:`judge_collapse`."""
    problem = collapse_problem(collapses, rule)
    return verdict if problem is None else verdict.overruled("collapse", problem)


def collapse_problem(collapses: Sequence[bool], rule: str) -> str | None:
    """That more seeds collapsed than allowed, in words; or None. Arguments as in :func:`judge_collapse`."""
    count = sum(collapses)
    return None if count <= collapses_allowed(len(collapses)) else _collapse_reason(count, len(collapses), rule)


def leak_p(predictions: Array, references: Array, clean: Array, noise: float) -> float:
    """The probability that chance alone predicts at least as many of the flipped labels.

    Where a prediction differs from the label before noise, it agrees with the noisy label only if that label was
    flipped, and nothing in the text shows that. The count is binomial, and its tail exact.

    Args:
        predictions: class numbers, shape (examples,).
        references: the noisy labels, shape (examples,).
        clean: the labels before noise, shape (examples,).
        noise: the probability with which a label was flipped.
    """
    from scipy import stats  # late: it takes a second

    against = predictions != clean
    agreeing = int((against & (predictions == references)).sum())
    return float(stats.binom.sf(agreeing - 1, int(against.sum()), noise))


def refuse_leak(
    verdict: Verdict,
    *,
    ceiling: float,
    p_values: Sequence[float],
    better: Literal["higher", "lower"] = "higher",
    mean: float | None = None,
) -> Verdict:
    """FAIL if the mean is beyond the ceiling and chance does not explain it; else the verdict itself.

    Args:
        verdict: the verdict on the mean, or on a difference of means.
        ceiling: the score of the labels before noise against the noisy labels of this split.
        p_values: :func:`leak_p` of each run; the smallest counts, times their number (Bonferroni).
        better: the direction in which the metric improves; an error rate must not be below its ceiling.
        mean: the mean over the seeds, if that is not the verdict's own value.
    """
    p_value = min(1.0, min(p_values) * len(p_values))
    score = verdict.value if mean is None else mean
    beyond = score > ceiling if better == "higher" else score < ceiling
    if not beyond or p_value >= CEILING_P:
        return verdict
    side = "above the ceiling" if better == "higher" else "below the floor"
    return verdict.overruled("ceiling", f"{side} of {ceiling:.4f}, the best possible score (p = {p_value:.1g}): a leak")


@dataclass(frozen=True, slots=True)
class Contamination:
    """How many of the scored rows were also trained on."""

    exact: int
    """Rows with exactly the same texts."""
    normalized: int
    """Rows with the same texts but for case, spaces and punctuation."""
    rows: int
    """All scored rows."""


def contamination(evaluation: Iterable[tuple[str, ...]], training: Iterable[tuple[str, ...]]) -> Contamination:
    """Count the scored rows that were also trained on.

    Args:
        evaluation: the texts of each scored row.
        training: the texts of each training row.
    """
    rows = list(evaluation)
    normal = {row: _normalized(row) for row in rows}
    wanted = set(normal.values())
    seen, seen_normal = set[tuple[str, ...]](), set[tuple[str, ...]]()
    for row in training:  # of perhaps millions; only those that are scored, too, are kept
        if row in normal:
            seen.add(row)
        if (same := _normalized(row)) in wanted:
            seen_normal.add(same)
    return Contamination(sum(row in seen for row in rows), sum(normal[row] in seen_normal for row in rows), len(rows))


def refuse_contamination(verdict: Verdict, counts: Contamination, *, allowed: float) -> Verdict:
    """FAIL if more of the scored rows were trained on than the task allows; else the verdict itself.

    Args:
        verdict: the verdict on the mean.
        counts: see :func:`contamination`.
        allowed: the share of the scored rows that may have been trained on.
    """
    problem = contamination_problem(counts, allowed=allowed)
    return verdict if problem is None else verdict.overruled("contamination", problem)


def contamination_problem(counts: Contamination, *, allowed: float) -> str | None:
    """That more of the scored rows were trained on than allowed, in words; or None.

    Arguments as in :func:`refuse_contamination`.
    """
    if counts.normalized <= allowed * counts.rows:
        return None
    return (
        f"{counts.normalized} of {counts.rows} scored rows were trained on ({counts.exact} letter by letter); "
        f"{allowed:.1%} may be"
    )


def _collapse_reason(count: int, runs: int, rule: str) -> str:
    return f"{count} of {runs} seeds collapsed: {rule}"


def _normalized(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(" ".join(_WORD.findall(text.casefold())) for text in texts)
