from __future__ import annotations

import numpy as np
import pytest

from bertspec.verdict import Claim, Spread, holm, judge_contrast, judge_ratio, relative_change

LEAD = Claim("lead", "at least", 0.1)
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


def test_the_teeth_of_a_difference_refuse_95_percent() -> None:
    rng = np.random.default_rng(0)
    teeth = judge_contrast(LEAD, [0.9] * 5, [0.5] * 5, spreads=(KNOWN, KNOWN)).teeth
    assert teeth is not None
    truth = float(teeth.split("below ")[1].split(" ")[0])
    refused = [
        not judge_contrast(
            LEAD, rng.normal(0.5 + truth, 0.02, 5).tolist(), rng.normal(0.5, 0.02, 5).tolist(), spreads=(KNOWN, KNOWN)
        ).passed
        for _ in range(4000)
    ]
    assert np.mean(refused) == pytest.approx(0.95, abs=0.015)


def test_at_least_a_multiple_is_a_difference_with_a_factor() -> None:
    claim = Claim("multiple", "at least", 0.0)
    assert judge_contrast(claim, [0.9] * 5, [0.5] * 5, spreads=(KNOWN, KNOWN), factor=1.5).passed
    assert not judge_contrast(claim, [0.9] * 5, [0.5] * 5, spreads=(KNOWN, KNOWN), factor=1.9).passed


def test_a_ratio_is_judged_by_its_median() -> None:
    claim = Claim("speed", "at least", 1.5)
    assert judge_ratio(claim, [0.1, 1.6, 1.6, 1.6, 9.0]).passed
    assert not judge_ratio(claim, [1.4, 1.4, 1.4, 9.0, 9.0]).passed


def test_a_few_rounds_decide_no_ratio() -> None:
    assert judge_ratio(Claim("speed", "at least", 1.5), [2.0] * 4).outcome == "UNDECIDED"


def test_the_interval_of_a_ratio_covers_the_median_at_least_as_often_as_it_says() -> None:
    rng, claim = np.random.default_rng(0), Claim("speed", "at least", 1.0)
    intervals = [judge_ratio(claim, rng.lognormal(0, 0.3, 7).tolist()).interval for _ in range(4000)]
    assert np.mean([i[0] <= 1.0 <= i[1] for i in intervals if i]) >= 0.94


def test_holm_rejects_step_by_step() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == (True, False, False, True)
    assert holm([]) == ()


def test_holm_rarely_rejects_a_truth_among_many() -> None:
    rng = np.random.default_rng(0)
    wrong = [any(holm(rng.random(20).tolist())) for _ in range(5000)]
    assert np.mean(wrong) == pytest.approx(0.05, abs=0.01)


def test_a_change_that_is_allowed_is_rarely_called_too_large() -> None:
    rng, wrong, covered = np.random.default_rng(0), 0, 0
    for _ in range(2000):
        before, after = rng.lognormal(0.0, 0.05, 5), rng.lognormal(np.log(0.9), 0.05, 5)
        chance, (low, high) = relative_change(before.tolist(), after.tolist(), beyond=-0.1)
        wrong += chance < 0.05
        covered += low <= -0.1 <= high
    assert wrong / 2000 == pytest.approx(0.05, abs=0.012)
    assert covered / 2000 == pytest.approx(0.95, abs=0.012)


def test_a_large_change_is_seen_even_without_any_noise() -> None:
    assert relative_change([100.0] * 5, [106.0] * 5, beyond=0.05)[0] < 1e-6
    assert relative_change([100.0] * 5, [104.0] * 5, beyond=0.05)[0] > 1 - 1e-6
