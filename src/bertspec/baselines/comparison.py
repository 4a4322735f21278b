"""Two builds, study by study: which of them is worse, over all comparisons together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bertspec.baselines.records import Reached
from bertspec.verdict import FEWEST_COMPARED, holm

__all__ = ["Compared", "compare"]

_TWO_SIDED_95 = 1.96


@dataclass(frozen=True, slots=True)
class Compared:
    """What became of one study."""

    outcome: Literal["PASS", "FAIL", "UNDECIDED"]
    """FAIL is a regression; PASS means that none was found; UNDECIDED, that the seeds are too few to find one."""
    title: str
    metric: str
    then: float | None
    """The mean of the baseline."""
    now: float | None
    """The mean of this session."""
    interval: tuple[float, float] | None = None
    """The 95 % interval of the change, by itself."""
    smallest: float | None = None
    """The smallest drop that would have been found with 95 % probability, had it been the only study."""
    reason: str | None = None


def compare(before: Sequence[Reached], after: Sequence[Reached], *, level: float = 0.05) -> tuple[Compared, ...]:
    """Whether studies became worse.

    Both are scored on the same rows by assumption of the question, so that only the seeds' spread counts. The larger
    spread of the two sides is taken.

    Args:
        before: the baseline.
        after: the same studies now; one that the baseline does not know is left out.
        level: how often a build that is no worse may be called a regression, over all studies together.
    """
    known = {each.key: each for each in before}
    pairs = [(known[each.key], each) for each in after if each.key in known]
    enough = [pair for pair in pairs if min(len(side.scores) for side in pair) >= FEWEST_COMPARED]
    worse = dict(
        zip((old.key for old, _ in enough), holm([_chance(*pair) for pair in enough], level=level), strict=True)
    )
    found = [_compared(old, new, worse=worse.get(old.key)) for old, new in pairs]
    missing = [each for each in before if each.key not in {new.key for _, new in pairs}]
    return (*found, *(_missing(each) for each in missing))


def _chance(old: Reached, new: Reached) -> float:
    """How often so low a mean comes from a build that is no worse: a one-sided normal test."""
    return 0.5 * math.erfc(-(_change(old, new) / _error(old, new)) / math.sqrt(2.0))


def _compared(old: Reached, new: Reached, *, worse: bool | None) -> Compared:
    then, now = float(np.mean(old.scores)), float(np.mean(new.scores))
    if worse is None:
        few = f"{len(old.scores)} seeds then, {len(new.scores)} now; at least {FEWEST_COMPARED} a side are needed"
        return Compared("UNDECIDED", new.title, new.metric, then, now, reason=few)
    half = _TWO_SIDED_95 * _error(old, new)
    return Compared(
        "FAIL" if worse else "PASS",
        new.title,
        new.metric,
        then,
        now,
        interval=(now - then - half, now - then + half),
        smallest=(1.645 + 1.645) * _error(old, new),
        reason=f"seed spread: {new.spread_source}",
    )


def _missing(old: Reached) -> Compared:
    return Compared("UNDECIDED", old.title, old.metric, float(np.mean(old.scores)), None, reason="it was not run")


def _change(old: Reached, new: Reached) -> float:
    return float(np.mean(new.scores) - np.mean(old.scores))


def _error(old: Reached, new: Reached) -> float:
    return max(old.spread, new.spread) * math.sqrt(1 / len(old.scores) + 1 / len(new.scores))
