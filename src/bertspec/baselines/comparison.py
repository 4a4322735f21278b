"""Two builds, quantity by quantity: what became worse, over all comparisons together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bertspec import metrics
from bertspec.baselines.records import BaselineStudy, BaselineTiming
from bertspec.results import Compared
from bertspec.statistics import FEWEST_COMPARED, holm, relative_change

__all__ = ["MEMORY_MARGIN", "SPEED_MARGIN", "compare"]

MEMORY_MARGIN = 0.05
"""The relative growth of a peak that is still allowed."""
SPEED_MARGIN = 0.10
"""The relative fall of a ratio of speeds that is still allowed: the same code varies as much on a shared machine."""

_TWO_SIDED_95, _ONE_SIDED_95 = 1.96, 1.645
_MIB = 2**20

Baselined = BaselineStudy | BaselineTiming


@dataclass(frozen=True, slots=True)
class _Test:
    """The test of whether one quantity became worse."""

    result: Compared
    """The result, unless the correction over all tests finds a regression."""
    p_value: float | None = None
    """The p-value of the hypothesis that it is no worse; None if that cannot be tested."""


def compare(before: Sequence[Baselined], after: Sequence[Baselined], *, level: float = 0.05) -> tuple[Compared, ...]:
    """Whether studies became worse in quality or memory, or encoders slower beside one another.

    Quality: a one-sided normal test of the means over seeds, by the larger seed spread of the two sides. Memory: only
    if both sides ran on the same named accelerator, which counts the tensors of one run alone. Speed: only ratios that
    were measured in turns, on the same machine. Memory and speed by Welch's t-test beyond a margin.

    Args:
        before: the baseline.
        after: the same quantities now; what the baseline does not have is left out.
        level: how often a build that is no worse may be called a regression, over all quantities together.
    """
    now = {(type(each), each.key): each for each in after}
    tests = [test for old in before for test in _tests(old, now.get((type(old), old.key)))]
    worse = iter(holm([test.p_value for test in tests if test.p_value is not None], level=level).tolist())
    return tuple(
        test.result.model_copy(update={"outcome": "FAIL"}) if test.p_value is not None and next(worse) else test.result
        for test in tests
    )


def _tests(old: Baselined, new: Baselined | None) -> Iterator[_Test]:
    if isinstance(old, BaselineStudy) and isinstance(new, BaselineStudy):
        yield _quality(old, new)
        if old.accelerator is not None:
            yield _memory(old, new)
    elif isinstance(old, BaselineTiming) and isinstance(new, BaselineTiming):
        yield _speed(old, new)
    else:
        quantity, then = (old.metric, _mean(old.scores)) if isinstance(old, BaselineStudy) else _ratio_of(old)
        yield _Test(
            Compared(outcome="UNDECIDED", title=old.title, quantity=quantity, then=then, reason="it was not run")
        )


def _quality(old: BaselineStudy, new: BaselineStudy) -> _Test:
    from scipy import stats  # late: it takes a second

    then, now = _mean(old.scores), _mean(new.scores)
    known = Compared(outcome="UNDECIDED", title=new.title, quantity=new.metric, then=then, now=now)
    if set(old.runs) == set(new.runs):
        same = {"outcome": "PASS", "reason": "the same runs as then: nothing has changed that could change them"}
        return _Test(known.model_copy(update=same))
    if few := _too_few("seeds", len(old.scores), len(new.scores)):
        return _Test(known.model_copy(update={"reason": few}))
    worse = -1.0 if metrics.find(new.metric).better == "higher" else 1.0
    error = max(old.spread, new.spread) * math.sqrt(1 / len(old.scores) + 1 / len(new.scores))
    tested = {
        "outcome": "PASS",
        "interval": (now - then - _TWO_SIDED_95 * error, now - then + _TWO_SIDED_95 * error),
        "detectable_drop": 2 * _ONE_SIDED_95 * error,
        "reason": f"seed spread: {new.spread_source}",
    }
    return _Test(known.model_copy(update=tested), float(stats.norm.sf(worse * (now - then) / error)))


def _memory(old: BaselineStudy, new: BaselineStudy) -> _Test:
    then, now = _mean(old.peaks) / _MIB, _mean(new.peaks) / _MIB if new.peaks else None
    known = Compared(outcome="UNDECIDED", title=new.title, quantity="peak memory, MiB", then=then, now=now)
    if old.accelerator != new.accelerator:
        reason = f"measured on {old.accelerator} then, on {new.accelerator or 'a CPU'} now"
        return _Test(known.model_copy(update={"reason": reason}))
    if few := _too_few("seeds", len(old.peaks), len(new.peaks)):
        return _Test(known.model_copy(update={"reason": few}))
    return _beyond_margin(known, old.peaks, new.peaks, MEMORY_MARGIN)


def _speed(old: BaselineTiming, new: BaselineTiming) -> _Test:
    quantity, then = _ratio_of(old)
    known = Compared(outcome="UNDECIDED", title=new.title, quantity=quantity, then=then, now=_ratio_of(new)[1])
    if old.machine != new.machine:
        reason = f"measured on {old.machine} then, on {new.machine} now"
        return _Test(known.model_copy(update={"reason": reason}))
    if few := _too_few("rounds", len(old.ratios), len(new.ratios)):
        return _Test(known.model_copy(update={"reason": few}))
    return _beyond_margin(known, old.ratios, new.ratios, -SPEED_MARGIN)


def _beyond_margin(known: Compared, then: Sequence[float], now: Sequence[float], margin: float) -> _Test:
    p_value, (low, high) = relative_change(then, now, beyond=margin)
    scale = known.then or 0.0
    tested = {
        "outcome": "PASS",
        "interval": (scale * low, scale * high),
        "reason": f"worse means beyond {margin:+.0%}",
    }
    return _Test(known.model_copy(update=tested), p_value)


def _ratio_of(timing: BaselineTiming) -> tuple[str, float]:
    return timing.quantity, float(np.exp(np.log(timing.ratios).mean()))


def _too_few(unit: str, then: int, now: int) -> str | None:
    enough = min(then, now) >= FEWEST_COMPARED
    return None if enough else f"{then} {unit} then, {now} now; at least {FEWEST_COMPARED} a side are needed"


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values))
