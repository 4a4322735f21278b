from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from bertspec.errors import InvalidConfig
from bertspec.statistics import Scores, Spread, holm, rank
from bertspec.statistics.ranking import Means, apart, ranks

Array = NDArray[np.float64]

STUDIES = 40_000
SEEDS = 5


def contender(name: str, mean: float, *, seeds: int = SEEDS, spread: Spread | None = None) -> Scores:
    return Scores(name, tuple(mean + 0.01 * np.linspace(-1, 1, seeds)), spread)


def simulated(truth: Array, deviations: Array, *, rows: Array | None = None, known: bool = False) -> Array:
    """Whether each contender was called better than each other one: (studies, contenders, contenders)."""
    rng = np.random.default_rng(11)
    count = len(truth)
    shared = np.zeros((count, count)) if rows is None else rows
    seeds = truth + rng.standard_normal((STUDIES, SEEDS, count)) * deviations
    seeds = seeds + rng.multivariate_normal(np.zeros(count), shared, STUDIES)[:, None, :]
    variances = np.broadcast_to(deviations**2, (STUDIES, count)) if known else seeds.var(axis=1, ddof=1)
    degrees_of_freedom = np.full(count, np.inf if known else SEEDS - 1.0)
    return np.asarray(apart(Means(seeds.mean(axis=1), variances / SEEDS, degrees_of_freedom, shared)))


def test_contenders_are_ordered_by_their_means_and_those_apart_are_told_from_ties() -> None:
    found = rank([contender("sgd", 0.6), contender("adam", 0.90), contender("adamw", 0.901)])
    assert [(each.name, each.ranks) for each in found.standings] == [
        ("adamw", (1, 2)),
        ("adam", (1, 2)),
        ("sgd", (3, 3)),
    ]
    assert found.ties == (("adamw", "adam"),)
    assert found.reason is None


def test_where_less_is_better_the_least_mean_comes_first() -> None:
    found = rank([contender("a", 0.9), contender("b", 0.1)], less_is_better=True)
    assert [(each.name, each.mean, each.ranks) for each in found.standings] == [
        ("b", pytest.approx(0.1), (1, 1)),
        ("a", pytest.approx(0.9), (2, 2)),
    ]


def test_fewer_than_five_seeds_make_everything_a_tie_and_it_says_so() -> None:
    found = rank([contender("a", 0.9), contender("b", 0.1, seeds=4), contender("c", 0.5)])
    assert [each.ranks for each in found.standings] == [(1, 3)] * 3
    assert len(found.ties) == 3
    assert found.reason == "4 seeds separate nothing; at least 5 of each are needed"


def test_a_single_seed_has_no_interval() -> None:
    found = rank([contender("a", 0.9), Scores("b", (0.5,))])
    assert found.standings[1].interval is None


def test_the_interval_of_a_mean_is_students_where_its_spread_is_not_known() -> None:
    values = (0.90, 0.92, 0.94, 0.91, 0.93)
    [own, _] = rank([Scores("a", values), contender("b", 0.5)]).standings
    assert own.interval == pytest.approx((0.92 - 2.776 * 0.015811 / 5**0.5, 0.92 + 2.776 * 0.015811 / 5**0.5), abs=1e-5)
    [known, _] = rank([Scores("a", values, Spread(0.05, "known")), contender("b", 0.5)]).standings
    assert known.interval == pytest.approx((0.92 - 1.96 * 0.05 / 5**0.5, 0.92 + 1.96 * 0.05 / 5**0.5), abs=1e-5)


def test_five_seeds_that_agree_to_the_last_digit_are_not_certain() -> None:
    found = rank([Scores("a", (0.900,) * 5), Scores("b", (0.901,) * 5)])
    assert found.ties == (("b", "a"),)


def test_the_rows_that_all_share_make_a_small_lead_a_tie() -> None:
    pair = [contender("a", 0.92), contender("b", 0.90)]
    assert rank(pair).ties == ()
    assert rank(pair, rows=np.diag([0.01**2, 0.01**2])).ties == (("a", "b"),)
    assert rank(pair, rows=np.full((2, 2), 0.01**2)).ties == ()


@pytest.mark.parametrize("names", [("a",), ("a", "a")])
def test_a_ranking_needs_two_contenders_of_different_names(names: tuple[str, ...]) -> None:
    with pytest.raises(InvalidConfig, match="two contenders of different names"):
        rank([contender(name, 0.5) for name in names])


def test_the_correction_is_the_one_of_holm() -> None:
    rng = np.random.default_rng(5)
    from scipy import stats

    from bertspec.statistics.ranking import _stepped_down

    p_values = 10.0 ** -rng.uniform(0, 4, (500, 6))
    assert [tuple(row) for row in _stepped_down(p_values).tolist()] == [holm(row) for row in p_values.tolist()]
    means = Means(np.array([0.9, 0.89, 0.5]), np.full(3, 1e-4), np.full(3, 4.0), np.zeros((3, 3)))
    leads = np.array([0.01, 0.4, 0.39]) / np.sqrt(2e-4)
    first, second = np.triu_indices(3, 1)
    assert tuple((apart(means) | apart(means).T)[first, second]) == holm((2 * stats.t.sf(leads, 8)).tolist())


@pytest.mark.parametrize(
    ("deviations", "known"),
    [([1.0] * 3, False), ([1.0] * 6, False), ([0.1, 1.0, 5.0], False), ([1.0, 1.0, 1.0, 1.0, 1.0, 8.0], True)],
)
def test_equal_contenders_are_called_apart_in_5_percent_of_studies_at_most(
    deviations: list[float], known: bool
) -> None:
    count = len(deviations)
    rows = 0.2 * np.eye(count) + 0.3
    found = simulated(np.zeros(count), np.array(deviations), rows=rows, known=known)
    assert found.any(axis=(1, 2)).mean() <= 0.05 + 0.003


@pytest.mark.parametrize(("lead", "seen"), [(2.0, 0.21), (3.0, 0.71), (4.0, 0.96)])
def test_a_lead_of_so_many_spreads_over_all_three_others_is_seen_so_often(lead: float, seen: float) -> None:
    found = simulated(np.array([lead, 0.0, 0.0, 0.0]), np.ones(4))
    assert found[:, 0, 1:].all(axis=1).mean() == pytest.approx(seen, abs=0.01)
    assert found[:, 1:, 1:].any(axis=(1, 2)).mean() <= 0.05


@pytest.mark.parametrize("truth", [[0.0, 0.5, 1.0, 4.0], [0.0, 3.0, 3.0, 6.0], [0.0, 0.1, 0.2, 0.3]])
def test_the_places_hold_the_true_order_95_percent_of_the_time(truth: list[float]) -> None:
    """Contenders that are equal share every place that either may have."""
    values = np.array(truth)
    best, worst = ranks(simulated(values, np.array([0.5, 1.0, 1.0, 2.0])))
    ahead = (values[:, None] > values[None, :]).sum(axis=0)
    behind = (values[:, None] < values[None, :]).sum(axis=0)
    covered = (best <= 1 + ahead) & (worst >= len(values) - behind)
    assert covered.all(axis=1).mean() >= 0.95 - 0.003
