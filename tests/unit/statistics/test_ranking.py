from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from bertspec.errors import InvalidConfig, UnknownName
from bertspec.statistics import BEST_LOOKS, Scores, Spread, Verdict, holm, judge_best, rank
from bertspec.statistics.ranking import Means, apart, leads_by, ranks

Array = NDArray[np.float64]

STUDIES = 40_000
FEWER_STUDIES = 20_000
KNOWN = Spread(0.01, "known")
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


def test_contenders_are_ordered_by_their_means_and_ties_are_listed() -> None:
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

    p_values = 10.0 ** -rng.uniform(0, 4, (500, 6))
    assert holm(p_values).tolist() == [holm(row).tolist() for row in p_values]
    means = Means(np.array([0.9, 0.89, 0.5]), np.full(3, 1e-4), np.full(3, 4.0), np.zeros((3, 3)))
    leads = np.array([0.01, 0.4, 0.39]) / np.sqrt(2e-4)
    first, second = np.triu_indices(3, 1)
    assert (apart(means) | apart(means).T)[first, second].tolist() == holm(2 * stats.t.sf(leads, 8)).tolist()


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
def test_a_lead_over_all_three_others_is_detected_as_often_as_stated(lead: float, seen: float) -> None:
    found = simulated(np.array([lead, 0.0, 0.0, 0.0]), np.ones(4))
    assert found[:, 0, 1:].all(axis=1).mean() == pytest.approx(seen, abs=0.01)
    assert found[:, 1:, 1:].any(axis=(1, 2)).mean() <= 0.05


@pytest.mark.parametrize("truth", [[0.0, 0.5, 1.0, 4.0], [0.0, 3.0, 3.0, 6.0], [0.0, 0.1, 0.2, 0.3]])
def test_the_ranks_hold_the_true_order_95_percent_of_the_time(truth: list[float]) -> None:
    """Contenders that are equal share every rank that either may have."""
    values = np.array(truth)
    best, worst = ranks(simulated(values, np.array([0.5, 1.0, 1.0, 2.0])))
    ahead = (values[:, None] > values[None, :]).sum(axis=0)
    behind = (values[:, None] < values[None, :]).sum(axis=0)
    covered = (best <= 1 + ahead) & (worst >= len(values) - behind)
    assert covered.all(axis=1).mean() >= 0.95 - 0.003


def steady(name: str, mean: float, *, seeds: int = 5, spread: Spread | None = KNOWN) -> Scores:
    return Scores(name, (mean,) * seeds, spread)


def judged(lead: float, *, tolerance: float = 0.02, seeds: int = 5, seed_limit: int | None = None) -> Verdict:
    """Of a contender that one other leads by so much; a third is far behind."""
    field = [
        steady("a", 0.8, seeds=seeds),
        steady("b", 0.8 + lead, seeds=seeds),
        steady("c", 0.5, seeds=seeds),
    ]
    return judge_best("a", field, quantity="accuracy", tolerance=tolerance, seed_limit=seed_limit)


@pytest.mark.parametrize(
    ("lead", "outcome"), [(-0.01, "PASS"), (0.01, "UNDECIDED"), (0.03, "UNDECIDED"), (0.06, "FAIL")]
)
def test_it_passes_where_it_is_shown_and_fails_where_the_opposite_is(lead: float, outcome: str) -> None:
    found = judged(lead)
    assert (found.outcome, found.rule, found.value) == (outcome, "best", pytest.approx(lead))
    assert str(found.claim) == '"a" is within 0.02 of the best in accuracy'


def test_the_interval_lies_below_the_tolerance_whole_or_it_does_not_pass() -> None:
    half = 1.96 * 0.01 * np.sqrt(2 / 5)
    found = judged(0.01)
    assert found.interval is not None
    assert found.interval[1] == pytest.approx(0.01 + half, abs=1e-4)
    assert judged(0.01, tolerance=found.interval[1] + 1e-6).passed
    assert judged(0.01, tolerance=found.interval[1]).outcome == "UNDECIDED"
    assert not judged(0.01, tolerance=found.interval[1] - 1e-6).passed


def test_an_open_claim_names_the_one_that_may_be_ahead_and_what_would_settle_it() -> None:
    reason = judged(0.015).reason
    assert reason is not None
    assert reason.startswith("with 5 seeds, b may lead by up to 0.0274; about 31 seeds would settle it")
    assert reason.endswith("or a tolerance of 0.028 would pass now")


def test_a_failed_claim_names_those_that_are_ahead() -> None:
    assert judged(0.06).reason == "b is ahead by more than 0.02"


def test_an_open_claim_asks_for_ten_seeds_where_they_are_allowed() -> None:
    assert judged(0.015, seed_limit=10).more == 10
    assert judged(0.015, seed_limit=9).more is None
    assert judged(0.015, seeds=10, seed_limit=10).more is None
    assert judged(-0.05, seed_limit=10).more is None


def test_fewer_than_five_seeds_decide_nothing() -> None:
    found = judged(-0.3, seeds=4, seed_limit=10)
    assert (found.outcome, found.more) == ("UNDECIDED", 5)
    assert "at least 5 seeds of each, not 4" in str(found)


def test_where_less_is_better_a_lead_is_a_smaller_mean() -> None:
    field = [steady("a", 0.2), steady("b", 0.1)]
    found = judge_best("a", field, quantity="error rate", less_is_better=True)
    assert (found.outcome, found.value) == ("FAIL", pytest.approx(0.1))
    assert found.values == pytest.approx((0.1,) * 5)


def test_an_unknown_contender_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownName, match="adamw"):
        judge_best("adam", [steady("adamw", 0.9), steady("sgd", 0.5)], quantity="accuracy")


def test_the_rows_that_all_share_count_pair_by_pair() -> None:
    field = [steady("a", 0.8), steady("b", 0.79)]
    far, near = np.diag([1e-3, 1e-3]), np.full((2, 2), 1e-3)
    assert judge_best("a", field, quantity="accuracy", rows=near, tolerance=0.02).passed
    assert judge_best("a", field, quantity="accuracy", rows=far, tolerance=0.02).outcome == "UNDECIDED"


@pytest.mark.parametrize("others", [1, 3, 8])
def test_over_both_looks_a_wrong_verdict_is_rare(others: int) -> None:
    """With every other ahead by the tolerance exactly."""
    passed, failed = looked_at_twice([0.0] + [2.0] * others, tolerance=2.0)
    assert passed <= 0.05
    assert failed <= 0.05 + 0.003


def test_one_other_that_is_two_spreads_beyond_the_tolerance_mostly_fails_the_claim_among_eight() -> None:
    passed, failed = looked_at_twice([0.0] * 8 + [3.0], tolerance=1.0)
    assert passed < 0.001
    assert failed == pytest.approx(0.89, abs=0.01)


def looked_at_twice(truth: list[float], *, tolerance: float) -> tuple[float, float]:
    """How often the first of these contenders passes and fails, over looks at five and ten seeds of spread 1."""
    rng = np.random.default_rng(3)
    seeds = np.array(truth) + rng.standard_normal((FEWER_STUDIES, 10, len(truth)))
    names = [str(number) for number in range(len(truth))]
    passed = failed = np.zeros(FEWER_STUDIES, dtype=bool)
    for look in BEST_LOOKS:
        seen = seeds[:, :look]
        rows = np.zeros((len(truth), len(truth)))
        means = Means(seen.mean(axis=1), seen.var(axis=1, ddof=1) / look, np.array(look - 1.0), rows)
        leads = leads_by("0", names, means)
        still = ~(passed | failed)
        passed = passed | (still & (leads.upper.max(axis=-1) < tolerance))
        failed = failed | (still & (leads.lower.max(axis=-1) > tolerance))
    return float(passed.mean()), float(failed.mean())


def test_the_pass_rates_are_those_of_simulated_studies() -> None:
    """Where both others lie two spreads below the tolerance, and the spread is known."""
    field = [steady(name, 0.8) for name in "abc"]
    pass_rates = judge_best("a", field, quantity="accuracy", tolerance=0.02).pass_rates
    assert pass_rates is not None
    draws = np.random.default_rng(4).normal(0.8, 0.01 / 5**0.5, (FEWER_STUDIES, 3))
    means = Means(draws, np.full(3, 0.01**2 / 5), np.full(3, np.inf), np.zeros((3, 3)))
    passed = (leads_by("a", list("abc"), means).upper.max(axis=-1) < 0.02).mean()
    [stated] = [float(part.split(" % ")[0]) for part in pass_rates.split(", ") if part.endswith("spreads better")]
    assert 100 * passed == pytest.approx(stated, abs=1.0)
    assert "passes 2.5 % of the time with the truth at the bound" in pass_rates
