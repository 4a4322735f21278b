"""Several contenders, each with its seeds: which are apart, which are tied, and what ranks that leaves.

Every pair is compared by Welch's t-test of the means, with the chance of the shared evaluation rows added, and Holm's
correction over all pairs: the chance that any two equal contenders are called apart is 5 % at most, and so the ranges
of ranks hold the true order 95 % of the time, all of them at once. The tests simulate it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from bertspec.errors import InvalidConfig
from bertspec.statistics.comparison import FEWEST_COMPARED
from bertspec.statistics.verdicts import LEAST_SPREAD, Spread

__all__ = ["Means", "Ranking", "Scores", "Standing", "apart", "rank", "ranks"]

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Scores:
    """One of the things that are compared."""

    name: str
    values: tuple[float, ...]
    """One value for each seed, at least one."""
    spread: Spread | None = None
    """What the spread over seeds is known to be; none leaves it to the values themselves, by Student's t."""

    @property
    def mean(self) -> float:
        """The mean over the seeds."""
        return float(np.mean(self.values))

    @property
    def deviation(self) -> float:
        """What one seed is taken to deviate by; infinite where nothing shows it."""
        if self.spread is not None:
            return self.spread.limit
        return max(float(np.std(self.values, ddof=1)), LEAST_SPREAD) if len(self.values) > 1 else np.inf

    @property
    def degrees_of_freedom(self) -> float:
        """The degrees of freedom of that deviation."""
        return np.inf if self.spread is not None else len(self.values) - 1


@dataclass(frozen=True, slots=True)
class Means:
    """The means of all contenders and what they are uncertain by: arrays that may have studies as leading axes."""

    values: Array
    """Shape (…, contenders); more is better."""
    variances: Array
    """Of each mean, by its seeds alone; the same shape."""
    degrees_of_freedom: Array
    """The degrees of freedom of each variance; broadcasts to the same shape."""
    rows: Array
    """The covariance of the means that comes from the evaluation rows, which all share: (contenders, contenders)."""

    @classmethod
    def of(cls, contenders: Sequence[Scores], *, rows: Array | None = None, less_is_better: bool = False) -> Means:
        """The means of some contenders.

        Args:
            contenders: at least two, each name once.
            rows: the covariance that the evaluation rows leave, shape (contenders, contenders); none leaves none.
            less_is_better: whether a small mean is a good one.

        Raises:
            InvalidConfig: fewer than two contenders, or a name that stands twice.
        """
        names = [contender.name for contender in contenders]
        if len(names) < 2 or len(set(names)) < len(names):
            raise InvalidConfig("a ranking needs two contenders of different names", given=", ".join(names) or "none")
        sign = -1.0 if less_is_better else 1.0
        return cls(
            sign * np.array([contender.mean for contender in contenders]),
            np.array([contender.deviation**2 / len(contender.values) for contender in contenders]),
            np.array([contender.degrees_of_freedom for contender in contenders]),
            np.zeros((len(names), len(names))) if rows is None else rows,
        )

    def leads(self) -> Array:
        """How far the first of a pair is ahead of the second: shape (…, contenders, contenders)."""
        return np.asarray(self.values[..., :, None] - self.values[..., None, :])

    def errors(self) -> tuple[Array, Array]:
        """The standard error of each lead and its degrees of freedom (Welch and Satterthwaite), in that shape."""
        own, other = self.variances[..., :, None], self.variances[..., None, :]
        diagonal = np.diagonal(self.rows)
        shared = np.maximum(diagonal[:, None] + diagonal[None, :] - 2 * self.rows, 0.0)
        total = own + other + shared
        degrees_of_freedom = np.broadcast_to(self.degrees_of_freedom, self.variances.shape)
        with np.errstate(divide="ignore", invalid="ignore"):
            parts = (own / total) ** 2 / degrees_of_freedom[..., :, None] + (other / total) ** 2 / degrees_of_freedom[
                ..., None, :
            ]
            return np.sqrt(total), np.asarray(np.where(parts > 0, 1 / parts, np.inf))


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a contender stands."""

    name: str
    mean: float
    interval: tuple[float, float] | None
    """The 95 % interval of the mean over training seeds; none for one seed of unknown spread."""
    ranks: tuple[int, int]
    """The best and the worst place that is left open, from 1."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """The contenders by their means, the best first, and what of that order may be chance."""

    standings: tuple[Standing, ...]
    ties: tuple[tuple[str, str], ...]
    """The pairs that are not apart, the one with the better mean first."""
    reason: str | None = None
    """Why everything is a tie, where too few seeds decide that."""


def rank(
    contenders: Sequence[Scores], *, rows: Array | None = None, less_is_better: bool = False, level: float = LEVEL
) -> Ranking:
    """Rank contenders by their means. With fewer than five seeds anywhere, everything is a tie.

    Args:
        contenders: at least two, each name once.
        rows: the covariance of the means that comes from the evaluation rows, shape (contenders, contenders).
        less_is_better: whether a small mean is a good one.
        level: how often any two equal contenders may be called apart; where it is looked at twice, half of it.

    Raises:
        InvalidConfig: fewer than two contenders, or a name that stands twice.
    """
    means = Means.of(contenders, rows=rows, less_is_better=less_is_better)
    fewest = min(len(contender.values) for contender in contenders)
    few = fewest < FEWEST_COMPARED
    better = np.zeros((len(contenders), len(contenders)), dtype=bool) if few else apart(means, level=level)
    best, worst = ranks(better)
    order = [int(place) for place in np.argsort(-means.values, kind="stable")]
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
    """Whether the first of a pair is better than the second, Holm's correction over all pairs; shape (…, k, k)."""
    from scipy import stats  # late: it takes a second

    leads, (errors, degrees_of_freedom) = means.leads(), means.errors()
    first, second = np.triu_indices(means.values.shape[-1], 1)
    lead, error, degrees_of_freedom = (each[..., first, second] for each in (leads, errors, degrees_of_freedom))
    distance = np.abs(lead) / error
    p_values = 2 * np.where(
        np.isinf(degrees_of_freedom), stats.norm.sf(distance), stats.t.sf(distance, degrees_of_freedom)
    )
    rejected = _stepped_down(np.asarray(p_values), level)
    better = np.zeros(leads.shape, dtype=bool)
    better[..., first, second] = rejected & (lead > 0)
    better[..., second, first] = rejected & (lead < 0)
    return better


def ranks(better: Flags) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The best and the worst place that each contender may have, from 1; shape (…, contenders).

    Args:
        better: whether the first of a pair is better than the second, shape (…, contenders, contenders).
    """
    return 1 + better.sum(axis=-2), better.shape[-1] - better.sum(axis=-1)


def _stepped_down(p_values: Array, level: float = LEVEL) -> Flags:
    """Holm's procedure along the last axis, as :func:`bertspec.statistics.holm` does it for one family."""
    count = p_values.shape[-1]
    order = np.argsort(p_values, axis=-1, kind="stable")
    small = np.take_along_axis(p_values, order, axis=-1) <= level / np.arange(count, 0, -1)
    rejected = np.zeros(p_values.shape, dtype=bool)
    np.put_along_axis(rejected, order, np.logical_and.accumulate(small, axis=-1), axis=-1)
    return rejected


def _interval(contender: Scores) -> tuple[float, float] | None:
    from scipy import stats

    if not np.isfinite(contender.deviation):
        return None
    known = contender.spread is not None
    times = float(stats.norm.ppf(0.975) if known else stats.t.ppf(0.975, contender.degrees_of_freedom))
    half = times * contender.deviation / float(np.sqrt(len(contender.values)))
    return contender.mean - half, contender.mean + half
