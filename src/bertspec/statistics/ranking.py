"""Several contenders with several seeds each: which are apart, which tie, and which are among the best.

Every pair is compared by Welch's t-test of the means, with the variance of the shared evaluation rows added, and
Holm's correction over all pairs. The probability that any two equal contenders are called apart is 5 % at most, so
the ranges of ranks hold the true order 95 % of the time, all of them at once. The tests simulate it.

A contender is among the best if no other leads it by more than a tolerance. The claim passes if the upper limit of
every other's lead is below the tolerance; since all must be, no correction is needed (intersection-union test; Berger,
1982). It fails if some lead is shown to exceed the tolerance, with Holm's correction over the others. Each limit holds
97.5 % of the time, so that two looks, at five and at ten seeds, are wrong at most 5 % of the time.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from bertspec.errors import InvalidConfig, UnknownName
from bertspec.statistics.comparison import FEWEST_COMPARED, holm, welch
from bertspec.statistics.sequential import PassRates
from bertspec.statistics.verdicts import LEAST_SPREAD, Claim, Spread, Verdict

__all__ = [
    "BEST_LOOKS",
    "BEST_TOLERANCE",
    "Leads",
    "Means",
    "Ranking",
    "Scores",
    "Standing",
    "apart",
    "judge_best",
    "leads_by",
    "rank",
    "ranks",
]

BEST_LOOKS = (5, 10)
"""The numbers of seeds at which a claim on the best is judged."""
BEST_TOLERANCE = 0.01
"""The default tolerance: one point."""
LEVEL = 0.05

_LIMIT_LEVEL = 0.025
_DRAWS = 20_000
_MOST_SEEDS = 1_000
"""More seeds than this are never suggested."""

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Scores:
    """The scores of one contender."""

    name: str
    values: tuple[float, ...]
    """One value per seed, at least one."""
    spread: Spread | None = None
    """The known spread over seeds; None estimates it from the values, by Student's t."""

    @property
    def mean(self) -> float:
        """The mean over the seeds."""
        return float(np.mean(self.values))

    @property
    def deviation(self) -> float:
        """The assumed standard deviation of one seed; infinite for a single value of unknown spread."""
        if self.spread is not None:
            return self.spread.std_upper
        return max(float(np.std(self.values, ddof=1)), LEAST_SPREAD) if len(self.values) > 1 else np.inf

    @property
    def degrees_of_freedom(self) -> float:
        """The degrees of freedom of that deviation."""
        return np.inf if self.spread is not None else len(self.values) - 1


@dataclass(frozen=True, slots=True)
class Means:
    """The means of all contenders and their variances; the arrays may have studies as leading axes."""

    values: Array
    """Shape (…, contenders); more is better."""
    variances: Array
    """The variance of each mean by its seeds alone; the same shape."""
    degrees_of_freedom: Array
    """The degrees of freedom of each variance; broadcasts to the same shape."""
    rows: Array
    """The covariance of the means from the shared evaluation rows: (contenders, contenders)."""

    @classmethod
    def of(cls, contenders: Sequence[Scores], *, rows: Array | None = None, less_is_better: bool = False) -> Means:
        """The means of some contenders.

        Args:
            contenders: at least two, with different names.
            rows: the covariance from the evaluation rows, shape (contenders, contenders); None means zero.
            less_is_better: whether a small mean is a good one.

        Raises:
            InvalidConfig: fewer than two contenders, or two of one name.
        """
        names = [contender.name for contender in contenders]
        if len(names) < 2 or len(set(names)) < len(names):
            raise InvalidConfig(
                "a ranking needs two contenders of different names", given=", ".join(names) or "no contender"
            )
        sign = -1.0 if less_is_better else 1.0
        return cls(
            sign * np.array([contender.mean for contender in contenders]),
            np.array([contender.deviation**2 / len(contender.values) for contender in contenders]),
            np.array([contender.degrees_of_freedom for contender in contenders]),
            np.zeros((len(names), len(names))) if rows is None else rows,
        )

    def leads(self) -> Array:
        """How far the first of a pair leads the second: shape (…, contenders, contenders)."""
        return np.asarray(self.values[..., :, None] - self.values[..., None, :])

    def errors(self) -> tuple[Array, Array]:
        """The standard error of each lead and its degrees of freedom, in the shape of the leads."""
        diagonal = np.diagonal(self.rows)
        shared = np.maximum(diagonal[:, None] + diagonal[None, :] - 2 * self.rows, 0.0)
        degrees = np.broadcast_to(self.degrees_of_freedom, self.variances.shape)
        return welch(
            self.variances[..., :, None],
            self.variances[..., None, :],
            (degrees[..., :, None], degrees[..., None, :]),
            shared,
        )


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a contender stands."""

    name: str
    mean: float
    interval: tuple[float, float] | None
    """The 95 % interval of the mean over training seeds; None for one seed of unknown spread."""
    ranks: tuple[int, int]
    """The best and the worst rank that it may have, from 1."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """The contenders by their means, the best first, and which of them tie."""

    standings: tuple[Standing, ...]
    ties: tuple[tuple[str, str], ...]
    """The pairs that are not apart, the one with the better mean first."""
    reason: str | None = None
    """Why every pair is a tie, if there are too few seeds."""


def rank(
    contenders: Sequence[Scores], *, rows: Array | None = None, less_is_better: bool = False, level: float = LEVEL
) -> Ranking:
    """Rank contenders by their means. If any has fewer than five seeds, every pair is a tie.

    Args:
        contenders: at least two, with different names.
        rows: the covariance of the means that comes from the evaluation rows, shape (contenders, contenders).
        less_is_better: whether a small mean is a good one.
        level: how often any two equal contenders may be called apart; halve it for a ranking that is judged twice.

    Raises:
        InvalidConfig: fewer than two contenders, or two of one name.
    """
    means = Means.of(contenders, rows=rows, less_is_better=less_is_better)
    fewest = min(len(contender.values) for contender in contenders)
    few = fewest < FEWEST_COMPARED
    better = np.zeros((len(contenders), len(contenders)), dtype=bool) if few else apart(means, level=level)
    best, worst = ranks(better)
    order = [int(index) for index in np.argsort(-means.values, kind="stable")]
    reason = f"{fewest} seeds separate nothing; at least {FEWEST_COMPARED} of each are needed" if few else None
    return Ranking(
        tuple(
            Standing(contenders[i].name, contenders[i].mean, _interval(contenders[i]), (int(best[i]), int(worst[i])))
            for i in order
        ),
        tuple(
            (contenders[i].name, contenders[j].name)
            for i, j in combinations(order, 2)
            if not (better[i, j] or better[j, i])
        ),
        reason,
    )


def apart(means: Means, *, level: float = LEVEL) -> Flags:
    """Whether the first of a pair is better than the second, with Holm's correction over all pairs; shape (…, k, k)."""
    from scipy import stats  # late: it takes a second

    leads, (errors, degrees_of_freedom) = means.leads(), means.errors()
    first, second = np.triu_indices(means.values.shape[-1], 1)
    lead, error, degrees_of_freedom = (each[..., first, second] for each in (leads, errors, degrees_of_freedom))
    distance = np.abs(lead) / error
    p_values = 2 * np.where(
        np.isinf(degrees_of_freedom), stats.norm.sf(distance), stats.t.sf(distance, degrees_of_freedom)
    )
    rejected = holm(p_values, level=level)
    better = np.zeros(leads.shape, dtype=bool)
    better[..., first, second] = rejected & (lead > 0)
    better[..., second, first] = rejected & (lead < 0)
    return better


def ranks(better: Flags) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The best and the worst rank that each contender may have, from 1; shape (…, contenders).

    Args:
        better: whether the first of a pair is better than the second, shape (…, contenders, contenders).
    """
    return 1 + better.sum(axis=-2), better.shape[-1] - better.sum(axis=-1)


def judge_best(
    name: str,
    contenders: Sequence[Scores],
    *,
    quantity: str,
    rows: Array | None = None,
    less_is_better: bool = False,
    tolerance: float = BEST_TOLERANCE,
    seed_limit: int | None = None,
) -> Verdict:
    """Judge that no other contender leads this one by more than the tolerance. The value is the largest lead.

    Args:
        name: the contender that the claim is about.
        contenders: all contenders, at least two.
        quantity: what is measured, such as ``accuracy``.
        rows: the covariance of the means that comes from the evaluation rows, shape (contenders, contenders).
        less_is_better: whether a small mean is a good one.
        tolerance: how far another may lead.
        seed_limit: how many seeds of each may be used; None means as many as there are.

    Raises:
        UnknownName: no contender has that name.
        InvalidConfig: fewer than two contenders, or two of one name.
    """
    words = f'"{name}" is within {tolerance:g} of the best in {quantity}'
    claim = Claim(f"lead of another in {quantity}", "at most", tolerance, words=words)
    names = [contender.name for contender in contenders]
    others = leads_by(name, names, Means.of(contenders, rows=rows, less_is_better=less_is_better))
    fewest = min(len(contender.values) for contender in contenders)
    more = next((look for look in BEST_LOOKS if fewest < look <= (seed_limit or fewest)), None)
    ahead = contenders[names.index(others.names[int(np.argmax(others.leads))])]
    own = contenders[names.index(name)]
    sign = -1.0 if less_is_better else 1.0
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
    return replace(_by_limits(known, others, fewest), pass_rates=str(_pass_rates(others, spread)))


@dataclass(frozen=True, slots=True)
class Leads:
    """How far every other contender leads one; arrays of shape (…, others), with studies as leading axes."""

    names: tuple[str, ...]
    leads: Array
    errors: Array
    """The standard error of each lead."""
    degrees_of_freedom: Array
    """The degrees of freedom of each error."""

    def limits(self, level: float) -> Array:
        """The distance from the lead to the limit that a true lead exceeds with this probability."""
        from scipy import stats  # late: it takes a second

        times = np.where(
            np.isinf(self.degrees_of_freedom), stats.norm.isf(level), stats.t.isf(level, self.degrees_of_freedom)
        )
        return np.asarray(times * self.errors, dtype=np.float64)

    @property
    def upper(self) -> Array:
        """The upper limit of each lead by itself."""
        return np.asarray(self.leads + self.limits(_LIMIT_LEVEL))

    @property
    def lower(self) -> Array:
        """The lower limits of all leads together, by the first step of Holm's procedure."""
        return np.asarray(self.leads - self.limits(_LIMIT_LEVEL / len(self.names)))


def leads_by(name: str, names: Sequence[str], means: Means) -> Leads:
    """How far the others lead the contender of that name.

    Args:
        name: the contender.
        names: the names of all contenders, in the order of their means.
        means: their means.

    Raises:
        UnknownName: no contender has that name.
    """
    if name not in names:
        raise UnknownName("contender", name, names, where="the comparison")
    own, (errors, degrees_of_freedom) = names.index(name), means.errors()
    others = [index for index in range(len(names)) if index != own]
    return Leads(
        tuple(names[index] for index in others),
        means.leads()[..., others, own],
        errors[..., others, own],
        degrees_of_freedom[..., others, own],
    )


def _interval(contender: Scores) -> tuple[float, float] | None:
    from scipy import stats

    if not np.isfinite(contender.deviation):
        return None
    known = contender.spread is not None
    times = float(stats.norm.ppf(0.975) if known else stats.t.ppf(0.975, contender.degrees_of_freedom))
    half = times * contender.deviation / float(np.sqrt(len(contender.values)))
    return contender.mean - half, contender.mean + half


def _by_limits(known: Verdict, others: Leads, seeds: int) -> Verdict:
    low, high, tolerance = float(others.lower.max()), float(others.upper.max()), known.claim.bound
    # Strictly below: a lead that may be the tolerance itself is not shown to be smaller.
    outcome = "UNDECIDED" if high == tolerance else known.claim.outcome(low, high)
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
    """How many standard errors beyond the bound a truth lies that passes 5 % of the time."""
    from scipy import stats

    return float(stats.norm.isf(_LIMIT_LEVEL) - stats.norm.isf(0.05))


def _settling(others: Leads, tolerance: float, seeds: int) -> str:
    """Why the claim is open: which contender may be ahead, and what would settle it."""
    ahead = int(np.argmax(others.upper))
    lead, high = float(others.leads[ahead]), float(others.upper[ahead])
    left = f"with {seeds} seeds, {others.names[ahead]} may lead by up to {high:.4f}"
    distance = abs(tolerance - lead)
    half = float(others.limits(_LIMIT_LEVEL)[ahead])
    enough = math.ceil(seeds * (half / distance) ** 2) if distance > 0 else _MOST_SEEDS
    more = f"about {enough} seeds would settle it at this lead" if enough < _MOST_SEEDS else "more seeds hardly help"
    return f"{left}; {more}, or a tolerance of {math.ceil(high * 1000) / 1000:.3f} would pass now"


def _pass_rates(others: Leads, spread: float) -> PassRates:
    """How often the claim passes if one other leads by the tolerance or by two spreads more, or all by two less."""
    from scipy import stats

    away = 2 * spread / others.errors
    limit = float(stats.norm.isf(_LIMIT_LEVEL))
    below = float(stats.norm.sf(limit + away).max())
    return PassRates(below, _LIMIT_LEVEL, _all_pass(tuple(np.round(away, 2).tolist()), limit), _one_sided())


@functools.lru_cache(maxsize=128)
def _all_pass(away: tuple[float, ...], limit: float) -> float:
    """How often every other is shown to be below, if its truth is that many errors below; half the error is shared."""
    rng = np.random.default_rng(0)
    own, each = rng.standard_normal((_DRAWS, 1)), rng.standard_normal((_DRAWS, len(away)))
    return float(((own + each) / math.sqrt(2) + limit < np.array(away)).all(axis=1).mean())
