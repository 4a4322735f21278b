from __future__ import annotations

import numpy as np
import pytest

from bertspec.errors import UnknownName
from bertspec.statistics import BEST_LOOKS, Scores, Spread, Verdict, judge_best
from bertspec.statistics.best import leads_by
from bertspec.statistics.ranking import Means

STUDIES = 20_000

KNOWN = Spread(0.01, "known")


def contender(name: str, mean: float, *, seeds: int = 5, spread: Spread | None = KNOWN) -> Scores:
    return Scores(name, (mean,) * seeds, spread)


def judged(lead: float, *, tolerance: float = 0.02, seeds: int = 5, allowance: int | None = None) -> Verdict:
    """Of a contender that one other leads by so much; a third is far behind."""
    field = [
        contender("a", 0.8, seeds=seeds),
        contender("b", 0.8 + lead, seeds=seeds),
        contender("c", 0.5, seeds=seeds),
    ]
    return judge_best("a", field, quantity="accuracy", tolerance=tolerance, allowance=allowance)


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
    assert not judged(0.01, tolerance=found.interval[1] - 1e-6).passed


def test_an_open_claim_says_who_may_be_ahead_and_what_would_settle_it() -> None:
    reason = judged(0.015).reason
    assert reason is not None
    assert reason.startswith("5 seeds leave room for a lead of b of up to 0.0274; about 31 seeds would settle it")
    assert reason.endswith("or a tolerance of 0.028 would pass now")


def test_a_failed_claim_names_those_that_are_ahead() -> None:
    assert judged(0.06).reason == "b is ahead by more than 0.02"


def test_an_open_claim_asks_for_ten_seeds_where_they_are_allowed() -> None:
    assert judged(0.015, allowance=10).more == 10
    assert judged(0.015, allowance=9).more is None
    assert judged(0.015, seeds=10, allowance=10).more is None
    assert judged(-0.05, allowance=10).more is None


def test_fewer_than_five_seeds_decide_nothing() -> None:
    found = judged(-0.3, seeds=4, allowance=10)
    assert (found.outcome, found.more) == ("UNDECIDED", 5)
    assert "at least 5 seeds of each, not 4" in str(found)


def test_where_less_is_better_a_lead_is_a_smaller_mean() -> None:
    field = [contender("a", 0.2), contender("b", 0.1)]
    found = judge_best("a", field, quantity="error rate", less_is_better=True)
    assert (found.outcome, found.value) == ("FAIL", pytest.approx(0.1))
    assert found.values == pytest.approx((0.1,) * 5)


def test_an_unknown_contender_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownName, match="adamw"):
        judge_best("adam", [contender("adamw", 0.9), contender("sgd", 0.5)], quantity="accuracy")


def test_the_rows_that_all_share_count_pair_by_pair() -> None:
    field = [contender("a", 0.8), contender("b", 0.79)]
    far, near = np.diag([1e-3, 1e-3]), np.full((2, 2), 1e-3)
    assert judge_best("a", field, quantity="accuracy", rows=near, tolerance=0.02).passed
    assert judge_best("a", field, quantity="accuracy", rows=far, tolerance=0.02).outcome == "UNDECIDED"


@pytest.mark.parametrize("others", [1, 3, 8])
def test_over_both_looks_a_wrong_verdict_is_rare(others: int) -> None:
    """With every other ahead by the tolerance exactly."""
    passed, failed = looked_at_twice([0.0] + [2.0] * others, tolerance=2.0)
    assert passed <= 0.05
    assert failed <= 0.05 + 0.003


def test_one_other_that_is_two_spreads_beyond_the_tolerance_is_mostly_seen_among_eight() -> None:
    passed, failed = looked_at_twice([0.0] * 8 + [3.0], tolerance=1.0)
    assert passed < 0.001
    assert failed == pytest.approx(0.89, abs=0.01)


def looked_at_twice(truth: list[float], *, tolerance: float) -> tuple[float, float]:
    """How often the first of these contenders passes and fails, over looks at five and ten seeds of spread 1."""
    rng = np.random.default_rng(3)
    seeds = np.array(truth) + rng.standard_normal((STUDIES, 10, len(truth)))
    names = [str(place) for place in range(len(truth))]
    passed = failed = np.zeros(STUDIES, dtype=bool)
    for look in BEST_LOOKS:
        seen = seeds[:, :look]
        rows = np.zeros((len(truth), len(truth)))
        means = Means(seen.mean(axis=1), seen.var(axis=1, ddof=1) / look, np.array(look - 1.0), rows)
        leads = leads_by("0", names, means)
        still = ~(passed | failed)
        passed = passed | (still & (leads.upper.max(axis=-1) < tolerance))
        failed = failed | (still & (leads.lower.max(axis=-1) > tolerance))
    return float(passed.mean()), float(failed.mean())


def test_the_odds_are_those_of_simulated_studies() -> None:
    """Where both others lie two spreads below the tolerance, and the spread is known."""
    field = [contender(name, 0.8) for name in "abc"]
    pass_rates = judge_best("a", field, quantity="accuracy", tolerance=0.02).pass_rates
    assert pass_rates is not None
    draws = np.random.default_rng(4).normal(0.8, 0.01 / 5**0.5, (STUDIES, 3))
    means = Means(draws, np.full(3, 0.01**2 / 5), np.full(3, np.inf), np.zeros((3, 3)))
    passed = (leads_by("a", list("abc"), means).upper.max(axis=-1) < 0.02).mean()
    [told] = [float(part.split(" % ")[0]) for part in pass_rates.split(", ") if part.endswith("spreads better")]
    assert 100 * passed == pytest.approx(told, abs=1.0)
    assert "passes 2.5 % of the time with the truth at the bound" in pass_rates
