"""The claim that one contender is among the best: that no other is ahead of it by more than a tolerance.

It passes where it is shown of every other, one by one: for each of them the upper limit of its lead lies below the
tolerance. Since all of them must, no correction is needed (intersection and union; Berger, 1982). It fails where some
lead is shown to exceed the tolerance, with Holm's correction over the others. Each limit holds 97.5 % of the time, so
that two looks, at five and at ten seeds, are wrong at most 5 % of the time.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bertspec.errors import UnknownName
from bertspec.statistics.comparison import FEWEST_COMPARED
from bertspec.statistics.pass_rates import PassRates
from bertspec.statistics.ranking import Means, Scores
from bertspec.statistics.verdicts import Claim, Outcome, Verdict

__all__ = ["BEST_LOOKS", "BEST_TOLERANCE", "judge_best", "leads_by"]

BEST_LOOKS = (5, 10)
"""The numbers of seeds at which it is looked at."""
BEST_TOLERANCE = 0.01
"""How far another may be ahead of one of the best, where nobody says: a point."""

Array = NDArray[np.float64]

_LEVEL = 0.025
_DRAWS = 20_000
_MOST_SEEDS = 1_000
"""Nobody waits for more."""


def judge_best(
    name: str,
    contenders: Sequence[Scores],
    *,
    quantity: str,
    rows: Array | None = None,
    less_is_better: bool = False,
    tolerance: float = BEST_TOLERANCE,
    allowance: int | None = None,
) -> Verdict:
    """Judge that no other contender is ahead of this one by more than the tolerance. The value is the largest lead.

    Args:
        name: the contender that the claim is of.
        contenders: all of them, at least two.
        quantity: what is measured, such as ``accuracy``.
        rows: the covariance of the means that comes from the evaluation rows, shape (contenders, contenders).
        less_is_better: whether a small mean is a good one.
        tolerance: how far another may be ahead.
        allowance: how many seeds of each may be used; none means these.

    Raises:
        UnknownName: no contender is called so.
        InvalidConfig: fewer than two contenders, or a name that stands twice.
    """
    words = f'"{name}" is within {tolerance:g} of the best in {quantity}'
    claim = Claim(f"lead of another in {quantity}", "at most", tolerance, words=words)
    names = [contender.name for contender in contenders]
    others = leads_by(name, names, Means.of(contenders, rows=rows, less_is_better=less_is_better))
    fewest = min(len(contender.values) for contender in contenders)
    more = next((look for look in BEST_LOOKS if fewest < look <= (allowance or fewest)), None)
    sign = -1.0 if less_is_better else 1.0
    ahead = next(each for each in contenders if each.name == others.names[int(np.argmax(others.leads))])
    own = next(each for each in contenders if each.name == name)
    paired = zip(ahead.values, own.values, strict=True) if len(ahead.values) == len(own.values) else ()
    known = Verdict(
        "UNDECIDED",
        claim,
        float(others.leads.max()),
        "best",
        values=tuple(sign * (theirs - ours) for theirs, ours in paired),
        more=more,
    )
    if fewest < FEWEST_COMPARED:
        return replace(known, reason=f"a ranking needs at least {FEWEST_COMPARED} seeds of each, not {fewest}")
    spread = max(contender.deviation for contender in contenders)
    return replace(_by_limits(known, others, tolerance, fewest), pass_rates=str(_odds(others, spread)))


@dataclass(frozen=True, slots=True)
class Leads:
    """How far every other contender is ahead of one; arrays of shape (…, others), with studies as leading axes."""

    names: tuple[str, ...]
    leads: Array
    errors: Array
    """Their standard errors."""
    degrees_of_freedom: Array
    """The degrees of freedom of those."""

    def limits(self, level: float) -> Array:
        """How far from the lead the limit lies that a true lead passes that often."""
        from scipy import stats  # late: it takes a second

        times = np.where(
            np.isinf(self.degrees_of_freedom), stats.norm.isf(level), stats.t.isf(level, self.degrees_of_freedom)
        )
        return np.asarray(times * self.errors, dtype=np.float64)

    @property
    def upper(self) -> Array:
        """The upper limit of each lead by itself."""
        return np.asarray(self.leads + self.limits(_LEVEL))

    @property
    def lower(self) -> Array:
        """The lower limits of all leads together, by the first step of Holm's procedure."""
        return np.asarray(self.leads - self.limits(_LEVEL / len(self.names)))


def leads_by(name: str, names: Sequence[str], means: Means) -> Leads:
    """How far the others are ahead of the contender of that name.

    Args:
        name: the contender.
        names: those of all contenders, in the order of their means.
        means: their means.

    Raises:
        UnknownName: no contender is called so.
    """
    if name not in names:
        raise UnknownName("contender", name, names, where="the comparison")
    own, (errors, degrees_of_freedom) = names.index(name), means.errors()
    others = [place for place in range(len(names)) if place != own]
    return Leads(
        tuple(names[place] for place in others),
        means.leads()[..., others, own],
        errors[..., others, own],
        degrees_of_freedom[..., others, own],
    )


def _by_limits(known: Verdict, others: Leads, tolerance: float, seeds: int) -> Verdict:
    low, high = float(others.lower.max()), float(others.upper.max())
    outcome: Outcome = "PASS" if high < tolerance else "FAIL" if low > tolerance else "UNDECIDED"
    ahead = [name for name, limit in zip(others.names, others.lower, strict=True) if limit > tolerance]
    reason = {
        "PASS": None,
        "FAIL": f"{' and '.join(ahead)} {'is' if len(ahead) == 1 else 'are'} ahead by more than {tolerance:g}",
        "UNDECIDED": _settling(others, tolerance, seeds),
    }
    refused = tolerance - _one_sided() * float(others.errors.min())
    return replace(
        known,
        outcome=outcome,
        interval=(low, high),
        reason=reason[outcome],
        more=known.more if outcome == "UNDECIDED" else None,
        detectable_drop=f"a true lead of another above {refused:.3f} is refused 95 % of the time "
        "(by the seeds' own spread)",
    )


def _one_sided() -> float:
    """How many standard errors a truth lies from the bound that passes 5 % of the time."""
    from scipy import stats

    return float(stats.norm.isf(_LEVEL) - stats.norm.isf(0.05))


def _settling(others: Leads, tolerance: float, seeds: int) -> str:
    """Why the claim is open: who may be ahead, and what would settle it."""
    place = int(np.argmax(others.upper))
    lead, high = float(others.leads[place]), float(others.upper[place])
    left = f"{seeds} seeds leave room for a lead of {others.names[place]} of up to {high:.4f}"
    distance = abs(tolerance - lead)
    half = float(others.limits(_LEVEL)[place])
    enough = math.ceil(seeds * (half / distance) ** 2) if distance > 0 else _MOST_SEEDS
    more = f"about {enough} seeds would settle it at this lead" if enough < _MOST_SEEDS else "more seeds hardly help"
    return f"{left}; {more}, or a tolerance of {math.ceil(high * 1000) / 1000:.3f} would pass now"


def _odds(others: Leads, spread: float) -> PassRates:
    """How often the claim passes where one other leads by the tolerance or two spreads more, or all by two less."""
    from scipy import stats

    away = 2 * spread / others.errors
    limit = float(stats.norm.isf(_LEVEL))
    below = float(stats.norm.sf(limit + away).max())
    return PassRates(below, _LEVEL, _all_pass(tuple(np.round(away, 2).tolist()), limit), _one_sided())


@functools.lru_cache(maxsize=128)
def _all_pass(away: tuple[float, ...], limit: float) -> float:
    """How often every other is shown to lie below, where each truly lies so many errors below: half of it is shared."""
    rng = np.random.default_rng(0)
    own, each = rng.standard_normal((_DRAWS, 1)), rng.standard_normal((_DRAWS, len(away)))
    return float(((own + each) / math.sqrt(2) + limit < np.array(away)).all(axis=1).mean())
