from __future__ import annotations

import dataclasses
import re

import numpy as np
import pytest

from bertspec.statistics import MARGIN, Claim, Spread, judge, looks, mean_interval, pass_rates

AT_LEAST = Claim("accuracy", "at least", 0.9)
SPREAD = Spread(0.01, "0.01, known")


def test_it_looks_at_three_five_and_ten_and_at_the_end_of_the_list() -> None:
    assert looks(10) == (3, 5, 10)
    assert looks(4) == (3, 4)
    assert looks(20) == (3, 5, 10, 20)
    assert looks(3) == (3,)


def test_a_mean_two_standard_errors_above_the_bound_passes_at_the_first_look() -> None:
    verdict = judge(AT_LEAST, [0.912] * 3, spread=SPREAD, seed_limit=10)
    assert (verdict.outcome, verdict.values, verdict.more) == ("PASS", (0.912,) * 3, None)


def test_a_mean_two_standard_errors_below_the_bound_fails_at_the_first_look() -> None:
    verdict = judge(AT_LEAST, [0.888] * 3, spread=SPREAD, seed_limit=10)
    assert (verdict.outcome, verdict.reason) == (
        "FAIL",
        "the whole interval is off the bound (seed spread: 0.01, known)",
    )


def test_a_mean_near_the_bound_waits_for_the_next_look() -> None:
    verdict = judge(AT_LEAST, [0.905] * 3, spread=SPREAD, seed_limit=10)
    assert (verdict.outcome, verdict.more) == ("UNDECIDED", 5)
    assert judge(AT_LEAST, [0.905] * 5, spread=SPREAD, seed_limit=10).more == 10


def test_what_is_open_at_the_end_does_not_pass_and_says_what_would_settle_it() -> None:
    verdict = judge(AT_LEAST, [0.905] * 10, spread=SPREAD)
    assert (verdict.outcome, verdict.passed, verdict.more) == ("UNDECIDED", False, None)
    assert "0.9050 ± 0.0063" in str(verdict)
    assert "about 16 seeds would settle it at this mean, or a bound of 0.898 would pass now" in str(verdict)


@pytest.mark.parametrize(
    "claim", [AT_LEAST, Claim("error", "at most", 0.91), Claim("accuracy", "between", 0.9, 0.95)], ids=str
)
def test_what_would_pass_now_really_would(claim: Claim) -> None:
    reason = str(judge(claim, [0.9051] * 10, spread=SPREAD).reason)
    low, *high = (float(number) for number in re.findall(r"0\.\d{3}", reason.partition(", or a ")[2]))
    assert judge(
        dataclasses.replace(claim, bound=low, upper=high[0] if high else None), [0.9051] * 10, spread=SPREAD
    ).passed
    assert "seeds would settle it" in reason


def test_runs_that_came_after_a_decision_change_nothing() -> None:
    values = [0.93] * 3 + [0.0] * 7
    assert judge(AT_LEAST, values, spread=SPREAD, seed_limit=10).value == pytest.approx(0.93)


def test_nothing_is_decided_between_two_looks() -> None:
    verdict = judge(AT_LEAST, [0.905, 0.905, 0.905, 0.999], spread=SPREAD, seed_limit=10)
    assert (verdict.outcome, verdict.more) == ("UNDECIDED", 5)


@pytest.mark.parametrize("values", [[1.0], [1.0, 1.0]])
def test_fewer_than_three_seeds_decide_nothing(values: list[float]) -> None:
    verdict = judge(AT_LEAST, values, spread=SPREAD)
    assert (verdict.outcome, verdict.more) == ("UNDECIDED", None)
    assert "at least 3 seeds" in str(verdict)


def test_a_claim_of_at_most_is_judged_from_the_other_side() -> None:
    claim = Claim("error", "at most", 0.1)
    assert judge(claim, [0.08] * 3, spread=SPREAD).outcome == "PASS"
    assert judge(claim, [0.12] * 3, spread=SPREAD).outcome == "FAIL"


@pytest.mark.parametrize(("value", "outcome"), [(0.9, "PASS"), (0.83, "FAIL"), (0.97, "FAIL"), (0.859, "UNDECIDED")])
def test_a_range_has_two_bounds(value: float, outcome: str) -> None:
    assert judge(Claim("accuracy", "between", 0.85, 0.95), [value] * 3, spread=SPREAD).outcome == outcome


def test_the_interval_is_what_must_lie_beyond_the_bound() -> None:
    verdict = judge(AT_LEAST, [0.93] * 3, spread=Spread(0.03, "known"))
    assert verdict.interval == pytest.approx((0.93 - 0.06 / np.sqrt(3), 0.93 + 0.06 / np.sqrt(3)))


def test_the_spread_of_the_same_three_runs_is_not_used() -> None:
    wide, narrow = ([0.96, 0.93, 0.90], [0.93, 0.93, 0.93])
    assert judge(AT_LEAST, wide, spread=SPREAD).interval == judge(AT_LEAST, narrow, spread=SPREAD).interval


def test_every_pass_gives_its_pass_rates_and_its_detectable_drop() -> None:
    verdict = judge(AT_LEAST, [0.95] * 3, spread=Spread(0.01, "0.0100, calibrated on 20 seeds", 0.95), seed_limit=10)
    assert verdict.pass_rates == (
        "passes 5.0 % of the time with the truth at the bound, over 99.9 % two spreads better, under 0.1 % two worse"
    )
    assert verdict.detectable_drop == (
        "a true mean below 0.900, 0.050 below its record, is refused 95 % of the time "
        "(seed spread: 0.0100, calibrated on 20 seeds)"
    )


def test_pass_rates_and_detectable_drop_of_a_range_are_of_both_its_bounds() -> None:
    wide, narrow = (Claim("accuracy", "between", 0.9, high) for high in (0.99, 0.92))
    known = Spread(0.01, "known")
    found = judge(wide, [0.95] * 3, spread=known, seed_limit=10)
    assert found.pass_rates == (
        "passes 5.0 % of the time with the truth at either bound, over 99.9 % two spreads inside, "
        "under 0.1 % two outside"
    )
    assert (
        found.detectable_drop
        == "a true mean below 0.900 or above 0.990 is refused 95 % of the time (seed spread: known)"
    )
    rng = np.random.default_rng(1)
    middle = [judge(narrow, seeds.tolist(), spread=known) for seeds in rng.normal(0.91, 0.01, (2000, 3))]
    share = pass_rates((3,), MARGIN, 2.0).above
    assert np.mean([each.passed for each in middle]) == pytest.approx(share, abs=0.01)
    assert "in the middle of the range" in str(middle[0].pass_rates)


def test_the_detectable_drop_of_a_single_look_is_refused_95_percent_of_the_time() -> None:
    refused = pass_rates((3,), MARGIN).refused
    assert refused == pytest.approx((2.0 - 1.645) / np.sqrt(3), abs=0.02)


def test_a_prior_is_wider_than_a_good_record_and_says_so() -> None:
    prior = Spread.prior()
    assert prior.std_upper == 0.025
    assert "not calibrated" in prior.source


@pytest.mark.parametrize(("count", "factor"), [(20, 1.28), (10, 1.47), (5, 1.94)])
def test_the_upper_limit_of_a_spread_grows_with_fewer_runs(count: int, factor: float) -> None:
    values = np.random.default_rng(0).normal(0.9, 0.03, count).tolist()
    assert Spread.estimated(values, "").std_upper / np.std(values, ddof=1) == pytest.approx(factor, abs=0.005)


def test_runs_that_agree_to_the_last_digit_still_leave_a_spread() -> None:
    assert Spread.estimated([0.95] * 20, "").std_upper == 0.005


def test_students_interval_covers_the_true_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    intervals = [mean_interval(rng.normal(0.9, 0.01, 3).tolist())[1] for _ in range(4000)]
    covered = np.mean([found[0] <= 0.9 <= found[1] for found in intervals if found])
    assert covered == pytest.approx(0.95, abs=0.012)
