"""Two builds, quantity by quantity: what became worse, over all comparisons together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bertspec import metrics
from bertspec.baselines.records import Reached, Timed
from bertspec.results import Compared
from bertspec.statistics import FEWEST_COMPARED, holm, relative_change

__all__ = ["MEMORY_MARGIN", "SPEED_MARGIN", "compare"]

MEMORY_MARGIN = 0.05
"""A peak may grow by so much, of itself, before anybody is told."""
SPEED_MARGIN = 0.10
"""A ratio of speeds may fall by so much: the same code measures that on a machine which others use, too."""

_TWO_SIDED_95 = 1.96
_MIB = 2**20

Baselined = Reached | Timed


@dataclass(frozen=True, slots=True)
class _Question:
    """Whether one quantity became worse."""

    answer: Compared
    """The answer where it did not, or where nothing can be said."""
    chance: float | None = None
    """How often a build that is no worse looks as bad as this; none where nothing can be said."""


def compare(before: Sequence[Baselined], after: Sequence[Baselined], *, level: float = 0.05) -> tuple[Compared, ...]:
    """Whether studies became worse in quality or in memory, or encoders slower beside one another.

    Quality: one-sided normal test of the means over seeds, by the larger seed spread of the two sides. Memory: only
    where both sides ran on the same named accelerator, which counts the tensors of one run alone. Speed: only ratios
    that were measured in turns, on the same machine. Both of the latter by Welch's t-test beyond a margin.

    Args:
        before: the baseline.
        after: the same things now; what the baseline does not know is left out.
        level: how often a build that is no worse may be called a regression, over all quantities together.
    """
    now = {(type(each), each.key): each for each in after}
    asked = [question for old in before for question in _questions(old, now.get((type(old), old.key)))]
    p_values = [question.chance for question in asked if question.chance is not None]
    worse = iter(holm(p_values, level=level))
    return tuple(
        question.answer.model_copy(update={"outcome": "FAIL"})
        if question.chance is not None and next(worse)
        else question.answer
        for question in asked
    )


def _questions(old: Baselined, new: Baselined | None) -> Iterator[_Question]:
    if isinstance(old, Reached) and isinstance(new, Reached):
        yield _quality(old, new)
        if old.accelerator is not None:
            yield _memory(old, new)
    elif isinstance(old, Timed) and isinstance(new, Timed):
        yield _speed(old, new)
    else:
        quantity, then = (old.metric, _mean(old.scores)) if isinstance(old, Reached) else _ratio_of(old)
        yield _Question(
            Compared(outcome="UNDECIDED", title=old.title, quantity=quantity, then=then, reason="it was not run")
        )


def _quality(old: Reached, new: Reached) -> _Question:
    then, now = _mean(old.scores), _mean(new.scores)
    known = Compared(outcome="UNDECIDED", title=new.title, quantity=new.metric, then=then, now=now)
    if set(old.runs) == set(new.runs):
        same = {"outcome": "PASS", "reason": "the same runs as then: nothing has changed that could change them"}
        return _Question(known.model_copy(update=same))
    if few := _too_few("seeds", len(old.scores), len(new.scores)):
        return _Question(known.model_copy(update={"reason": few}))
    worse = -1.0 if metrics.find(new.metric).better == "higher" else 1.0
    error = max(old.spread, new.spread) * math.sqrt(1 / len(old.scores) + 1 / len(new.scores))
    found = {
        "outcome": "PASS",
        "interval": (now - then - _TWO_SIDED_95 * error, now - then + _TWO_SIDED_95 * error),
        "detectable_drop": (1.645 + 1.645) * error,
        "reason": f"seed spread: {new.spread_source}",
    }
    return _Question(
        known.model_copy(update=found), chance=0.5 * math.erfc(worse * (now - then) / error / math.sqrt(2))
    )


def _memory(old: Reached, new: Reached) -> _Question:
    then, now = _mean(old.peaks) / _MIB, _mean(new.peaks) / _MIB if new.peaks else None
    known = Compared(outcome="UNDECIDED", title=new.title, quantity="peak memory, MiB", then=then, now=now)
    if old.accelerator != new.accelerator:
        reason = f"measured on {old.accelerator} then, on {new.accelerator or 'a CPU'} now"
        return _Question(known.model_copy(update={"reason": reason}))
    if few := _too_few("seeds", len(old.peaks), len(new.peaks)):
        return _Question(known.model_copy(update={"reason": few}))
    return _moved(known, old.peaks, new.peaks, MEMORY_MARGIN)


def _speed(old: Timed, new: Timed) -> _Question:
    quantity, then = _ratio_of(old)
    known = Compared(outcome="UNDECIDED", title=new.title, quantity=quantity, then=then, now=_ratio_of(new)[1])
    if old.machine != new.machine:
        reason = f"measured on {old.machine} then, on {new.machine} now"
        return _Question(known.model_copy(update={"reason": reason}))
    if few := _too_few("rounds", len(old.ratios), len(new.ratios)):
        return _Question(known.model_copy(update={"reason": few}))
    return _moved(known, old.ratios, new.ratios, -SPEED_MARGIN)


def _moved(known: Compared, then: Sequence[float], now: Sequence[float], margin: float) -> _Question:
    """Whether measurements moved by more than the margin, in its direction."""
    chance, (low, high) = relative_change(then, now, beyond=margin)
    scale = known.then or 0.0
    found = {
        "outcome": "PASS",
        "interval": (scale * low, scale * high),
        "reason": f"worse means beyond {margin:+.0%}",
    }
    return _Question(known.model_copy(update=found), chance)


def _ratio_of(timed: Timed) -> tuple[str, float]:
    return timed.quantity, float(np.exp(np.log(timed.ratios).mean()))


def _too_few(what: str, then: int, now: int) -> str | None:
    enough = min(then, now) >= FEWEST_COMPARED
    return None if enough else f"{then} {what} then, {now} now; at least {FEWEST_COMPARED} a side are needed"


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
