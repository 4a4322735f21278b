from __future__ import annotations

import math

import numpy as np
import pytest

from bertspec.statistics import Claim, Spread, holm, judge_contrast, judge_ratio, judge_steps, relative_change

LEAD = Claim("lead", "at least", 0.1)
MULTIPLE = Claim("multiple", "at least", 1.5)
TWICE = Claim("ratio of steps", "at most", 2.0)
KNOWN = Spread(0.02, "known")


def test_a_difference_needs_five_seeds_a_side() -> None:
    verdict = judge_contrast(LEAD, [0.9] * 5, [0.5] * 4, spreads=(KNOWN, KNOWN))
    assert (verdict.outcome, verdict.rule) == ("UNDECIDED", "difference")
    assert "at least 5 seeds a side" in str(verdict)


@pytest.mark.parametrize(("other", "outcome"), [(0.5, "PASS"), (0.79, "UNDECIDED"), (0.85, "FAIL")])
def test_the_whole_interval_of_a_difference_must_lie_beyond_the_bound(other: float, outcome: str) -> None:
    assert judge_contrast(LEAD, [0.9] * 5, [other] * 5, spreads=(KNOWN, KNOWN)).outcome == outcome


def test_the_rows_add_their_own_variance() -> None:
    def half(variance: float) -> float:
        found = judge_contrast(LEAD, [0.9] * 5, [0.5] * 5, spreads=(KNOWN, KNOWN), sampling_variance=variance)
        assert found.interval is not None
        return (found.interval[1] - found.interval[0]) / 2

    assert half(0.0) == pytest.approx(1.96 * 0.02 * np.sqrt(2 / 5))
    assert half(0.01) == pytest.approx(1.96 * np.sqrt(0.02**2 * 2 / 5 + 0.01))


def test_the_interval_of_a_difference_covers_it_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    spreads = (Spread(0.01, ""), Spread(0.03, ""))
    verdicts = [
        judge_contrast(LEAD, rng.normal(0.9, 0.01, 5).tolist(), rng.normal(0.8, 0.03, 5).tolist(), spreads=spreads)
        for _ in range(4000)
    ]
    covered = np.mean([v.interval[0] <= 0.1 <= v.interval[1] for v in verdicts if v.interval])
    assert covered == pytest.approx(0.95, abs=0.012)


def test_the_detectable_drop_of_a_difference_is_refused_95_percent() -> None:
    rng = np.random.default_rng(0)
    detectable_drop = judge_contrast(LEAD, [0.9] * 5, [0.5] * 5, spreads=(KNOWN, KNOWN)).detectable_drop
    assert detectable_drop is not None
    truth = float(detectable_drop.split("below ")[1].split(" ")[0])
    refused = [
        not judge_contrast(
            LEAD, rng.normal(0.5 + truth, 0.02, 5).tolist(), rng.normal(0.5, 0.02, 5).tolist(), spreads=(KNOWN, KNOWN)
        ).passed
        for _ in range(4000)
    ]
    assert np.mean(refused) == pytest.approx(0.95, abs=0.015)


def test_a_multiple_is_reported_as_a_multiple() -> None:
    found = judge_contrast(MULTIPLE, [0.9] * 5, [0.5] * 5, spreads=(KNOWN, KNOWN), multiple=True)
    half = 1.96 * 0.02 * np.sqrt((1 + 1.5**2) / 5) / 0.5
    assert (found.outcome, found.value) == ("PASS", pytest.approx(1.8))
    assert found.interval == pytest.approx((1.8 - half, 1.8 + half))
    assert found.values == pytest.approx((1.8,) * 5)


@pytest.mark.parametrize(("factor", "outcome"), [(1.7, "PASS"), (1.8, "UNDECIDED"), (1.9, "FAIL")])
def test_a_multiple_is_judged_by_the_difference_that_it_leaves(factor: float, outcome: str) -> None:
    known = Spread(0.01, "known")
    claim = Claim("multiple", "at least", factor)
    found = judge_contrast(claim, [0.9] * 5, [0.5] * 5, spreads=(known, known), multiple=True)
    plain = judge_contrast(
        Claim("difference", "at least", 0.0),
        [0.9] * 5,
        [0.5 * factor] * 5,
        spreads=(known, Spread(0.01 * factor, "known")),
    )
    assert found.outcome == plain.outcome == outcome


def test_a_multiple_of_nothing_is_undecided() -> None:
    found = judge_contrast(MULTIPLE, [0.9] * 5, [-0.1] * 5, spreads=(KNOWN, KNOWN), multiple=True)
    assert (found.outcome, found.interval) == ("UNDECIDED", None)
    assert "a multiple of -0.1000 says nothing" in str(found.reason)


def test_an_open_difference_says_what_would_settle_it() -> None:
    found = judge_contrast(LEAD, [0.9] * 5, [0.79] * 5, spreads=(KNOWN, KNOWN))
    assert "5 and 5 seeds leave 0.1100 ± 0.0248, on both sides of the bound" in str(found.reason)
    assert "about 31 seeds a side would settle it at this value, or a bound of 0.085 would pass now" in str(
        found.reason
    )
    assert judge_contrast(LEAD, [0.9] * 31, [0.79] * 31, spreads=(KNOWN, KNOWN)).passed
    assert judge_contrast(Claim("lead", "at least", 0.085), [0.9] * 5, [0.79] * 5, spreads=(KNOWN, KNOWN)).passed


def test_a_difference_that_no_number_of_seeds_settles_says_so() -> None:
    found = judge_contrast(LEAD, [0.9] * 5, [0.79] * 5, spreads=(KNOWN, KNOWN), sampling_variance=0.0001)
    assert "no number of seeds would settle it: the choice of the rows alone leaves ± 0.0196" in str(found.reason)


@pytest.mark.parametrize("other", [0.5, 0.79, 0.85], ids=["PASS", "UNDECIDED", "FAIL"])
def test_every_comparison_gives_its_detectable_drop_and_its_pass_rates(other: float) -> None:
    found = judge_contrast(LEAD, [0.9] * 5, [other] * 5, spreads=(KNOWN, KNOWN))
    assert found.detectable_drop == "a true value below 0.104 is refused 95 % of the time (seed spread: known)"
    assert found.pass_rates == (
        "passes 2.5 % of the time with the truth at the bound, 88.5 % two spreads better, under 0.1 % two worse"
    )


def test_the_pass_rates_of_a_difference_come_true() -> None:
    rng = np.random.default_rng(0)

    def passing(truth: float) -> float:
        sides = (rng.normal(0.5 + truth, 0.02, (4000, 5)), rng.normal(0.5, 0.02, (4000, 5)))
        pairs = zip(*(side.tolist() for side in sides), strict=True)
        return float(np.mean([judge_contrast(LEAD, *pair, spreads=(KNOWN, KNOWN)).passed for pair in pairs]))

    assert passing(0.1) == pytest.approx(0.025, abs=0.008)
    assert passing(0.14) == pytest.approx(0.885, abs=0.016)


def test_a_difference_may_be_claimed_from_the_other_side_and_in_a_range() -> None:
    most, between = Claim("lead", "at most", 0.1), Claim("lead", "between", 0.0, 0.2)
    assert judge_contrast(most, [0.9] * 5, [0.85] * 5, spreads=(KNOWN, KNOWN)).passed
    found = judge_contrast(between, [0.9] * 5, [0.8] * 5, spreads=(KNOWN, KNOWN))
    assert found.passed
    assert "a true value below 0.004 or above 0.196" in str(found.detectable_drop)
    assert "either bound" in str(found.pass_rates)


def test_a_ratio_is_judged_by_the_interval_of_its_median() -> None:
    claim = Claim("speed", "at least", 1.5)
    assert judge_ratio(claim, [1.51, 1.6, 1.6, 1.6, 9.0]).passed
    assert judge_ratio(claim, [1.4, 1.4, 1.4, 1.45, 1.49]).outcome == "FAIL"
    assert judge_ratio(claim, [1.4, *[1.6] * 8]).passed  # of nine rounds, one at either end is left out


def test_an_open_ratio_says_what_would_settle_it() -> None:
    found = judge_ratio(Claim("speed", "at least", 1.5), [1.4, *[1.6] * 6])
    assert (found.outcome, found.value, found.interval) == ("UNDECIDED", pytest.approx(1.6), (1.4, 1.6))
    assert found.reason == (
        "7 rounds leave 1.400 to 1.600, on both sides of the bound; "
        "about 12 rounds would settle it at this share of them, or a bound of 1.400 would pass now"
    )


def test_the_pass_rates_of_a_ratio_come_true() -> None:
    rng, claim = np.random.default_rng(0), Claim("speed", "at least", 1.0)

    def passing(truth: float) -> float:
        return float(np.mean([judge_ratio(claim, rng.normal(truth, 0.01, 7).tolist()).passed for _ in range(2000)]))

    found = judge_ratio(claim, rng.normal(1.1, 0.01, 7).tolist())
    assert found.pass_rates == (
        "passes 0.8 % of the time with the truth at the bound, 85.1 % two spreads of the rounds better, "
        "under 0.1 % two worse"
    )
    assert passing(1.0) == pytest.approx(0.008, abs=0.005)
    assert passing(1.02) == pytest.approx(0.851, abs=0.02)
    assert passing(1.0 + 0.01 * 0.391) == pytest.approx(
        0.05, abs=0.012
    )  # its detectable_drop: 0.391 spreads above the bound


def test_a_few_rounds_decide_no_ratio() -> None:
    assert judge_ratio(Claim("speed", "at least", 1.5), [2.0] * 4).outcome == "UNDECIDED"


def test_the_interval_of_a_ratio_covers_the_median_at_least_as_often_as_it_says() -> None:
    rng, claim = np.random.default_rng(0), Claim("speed", "at least", 1.0)
    intervals = [judge_ratio(claim, rng.lognormal(0, 0.3, 7).tolist()).interval for _ in range(4000)]
    assert np.mean([i[0] <= 1.0 <= i[1] for i in intervals if i]) >= 0.94


def test_steps_are_compared_seed_by_seed() -> None:
    found = judge_steps(TWICE, [150, 160, 140, 150, 155], [100, 100, 100, 100, 100])
    assert (found.outcome, found.rule, found.value) == ("PASS", "steps", 1.5)
    assert found.interval == (1.4, 1.6)


def test_one_that_never_arrives_needs_infinitely_many_steps() -> None:
    found = judge_steps(TWICE, [None] * 5, [100] * 5)
    assert (found.outcome, found.value) == ("FAIL", math.inf)
    assert "5 of 5 seeds of the first never reached the target, 0 of the second" in str(found)


def test_one_seed_that_never_arrives_leaves_five_seeds_open() -> None:
    found = judge_steps(TWICE, [150, 150, 150, 150, None], [100] * 5)
    assert found.outcome == "UNDECIDED"
    assert found.interval == (1.5, math.inf)
    assert "would pass now" not in str(found)


def test_one_of_ten_seeds_may_never_arrive() -> None:
    assert judge_steps(TWICE, [150] * 9 + [None], [100] * 10).passed


def test_the_other_that_never_arrives_needs_more() -> None:
    assert judge_steps(TWICE, [150] * 5, [None] * 5).passed


@pytest.mark.parametrize("direction", ["at most", "at least"])
def test_where_neither_arrives_the_claim_does_not_pass(direction: str) -> None:
    claim = Claim("ratio of steps", direction, 2.0)  # type: ignore[arg-type]
    assert judge_steps(claim, [None] * 5, [None] * 5).outcome == "FAIL"


def test_fewer_than_five_seeds_decide_nothing() -> None:
    assert "4 seeds cannot decide" in str(judge_steps(TWICE, [1] * 4, [1] * 4))


def test_infinite_ratios_are_left_out_of_the_spread() -> None:
    found = judge_ratio(TWICE, [1.0, 1.5, 1.8, math.inf, math.inf, 1.2])
    assert found.outcome == "UNDECIDED"
    assert "2 infinite rounds left out" in str(found.detectable_drop)


def test_holm_rejects_step_by_step() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]).tolist() == [True, False, False, True]
    assert holm([]).tolist() == []


def test_holm_rarely_rejects_a_truth_among_many() -> None:
    rng = np.random.default_rng(0)
    wrong = [any(holm(rng.random(20).tolist())) for _ in range(5000)]
    assert np.mean(wrong) == pytest.approx(0.05, abs=0.01)


def test_a_change_that_is_allowed_is_rarely_called_too_large() -> None:
    rng, wrong, covered = np.random.default_rng(0), 0, 0
    for _ in range(2000):
        before, after = rng.lognormal(0.0, 0.05, 5), rng.lognormal(np.log(0.9), 0.05, 5)
        p, (low, high) = relative_change(before.tolist(), after.tolist(), beyond=-0.1)
        wrong += p < 0.05
        covered += low <= -0.1 <= high
    assert wrong / 2000 == pytest.approx(0.05, abs=0.012)
    assert covered / 2000 == pytest.approx(0.95, abs=0.012)


def test_a_large_change_is_detected_even_without_any_noise() -> None:
    assert relative_change([100.0] * 5, [106.0] * 5, beyond=0.05)[0] < 1e-6
    assert relative_change([100.0] * 5, [104.0] * 5, beyond=0.05)[0] > 1 - 1e-6
