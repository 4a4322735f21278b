from __future__ import annotations

import pytest

from bertspec.statistics import Claim, judge_sensitivity, sensitivity

TRIALS: list[tuple[float, float | None]] = [(1e-4, 0.7), (1e-3, 0.9), (1e-2, 0.88), (1e-1, 0.5)]
A_DECADE = Claim("decades", "at least", 1.0)


def test_the_width_is_interpolated_along_the_logarithm_of_the_rate() -> None:
    left, middle, right = 0.02 / 0.2, 1.0, 0.0 / 0.38
    assert sensitivity(TRIALS, tolerance=0.02) == pytest.approx(left + middle + right)
    assert sensitivity(TRIALS, tolerance=0.01) == pytest.approx(0.05 + 0.5)


def test_the_order_of_the_trials_says_nothing() -> None:
    assert sensitivity(TRIALS[::-1], tolerance=0.05) == pytest.approx(sensitivity(TRIALS, tolerance=0.05))


def test_where_less_is_better_the_mirror_image_has_the_same_width() -> None:
    mirrored = [(rate, -score) for rate, score in TRIALS if score is not None]
    assert sensitivity(mirrored, tolerance=0.05, less_is_better=True) == pytest.approx(
        sensitivity(TRIALS, tolerance=0.05)
    )


def test_a_second_peak_beyond_a_valley_adds_nothing() -> None:
    assert sensitivity([*TRIALS, (1.0, 0.895)], tolerance=0.02) == sensitivity(TRIALS, tolerance=0.02)


def test_of_trials_with_one_rate_the_best_counts() -> None:
    assert sensitivity([*TRIALS, (1e-2, 0.2)], tolerance=0.02) == sensitivity(TRIALS, tolerance=0.02)


def test_nothing_is_known_to_be_good_next_to_a_trial_that_could_not_be_trained() -> None:
    assert sensitivity([(1e-3, 0.9), (1e-2, 0.9), (1e-1, None)], tolerance=0.02) == pytest.approx(1.0)
    assert sensitivity([(1e-3, 0.9), (1e-2, None)], tolerance=0.02) == 0.0


@pytest.mark.parametrize("trials", [[], [(1e-3, 0.9)], [(1e-3, 0.9), (1e-3, 0.8)], [(1e-3, None), (1e-2, None)]])
def test_fewer_than_two_rates_show_no_width(trials: list[tuple[float, float | None]]) -> None:
    assert sensitivity(trials, tolerance=0.02) is None
    assert judge_sensitivity(A_DECADE, trials, tolerance=0.02, error=0.001).outcome == "UNDECIDED"


@pytest.mark.parametrize(("bound", "outcome"), [(1.0, "PASS"), (1.14, "UNDECIDED"), (1.5, "FAIL")])
def test_the_whole_interval_lies_on_the_claimed_side_or_it_does_not_pass(bound: float, outcome: str) -> None:
    found = judge_sensitivity(Claim("decades", "at least", bound), TRIALS, tolerance=0.025, error=0.001)
    assert (found.outcome, found.rule) == (outcome, "sensitivity")


def test_scores_that_are_hardly_known_decide_nothing() -> None:
    assert judge_sensitivity(A_DECADE, TRIALS, tolerance=0.025, error=0.05).outcome == "UNDECIDED"


def test_a_sweep_over_too_few_decades_cannot_show_more() -> None:
    found = judge_sensitivity(Claim("decades", "at least", 4.0), TRIALS, tolerance=0.02, error=0.001)
    assert (found.outcome, found.reason) == ("UNDECIDED", "the trials span 3.00 decades, and cannot show 4")
