from __future__ import annotations

import numpy as np
import pytest

from bertspec.baselines import Reached, compare

SPREAD = 0.01


def reached(key: str, scores: list[float], spread: float = SPREAD) -> Reached:
    seeds = tuple(range(1, len(scores) + 1))
    return Reached(
        key=key,
        title=f"study {key}",
        metric="accuracy",
        seeds=seeds,
        scores=tuple(scores),
        runs=tuple(str(seed) for seed in seeds),
        spread=spread,
        spread_source="known",
    )


def test_an_equal_build_passes_and_says_what_it_would_have_found() -> None:
    [found] = compare([reached("a", [0.9] * 5)], [reached("a", [0.9] * 5)])
    assert (found.outcome, found.then, found.now) == ("PASS", pytest.approx(0.9), pytest.approx(0.9))
    assert found.interval == pytest.approx((-1.96 * SPREAD * np.sqrt(2 / 5), 1.96 * SPREAD * np.sqrt(2 / 5)))
    assert found.smallest == pytest.approx(3.29 * SPREAD * np.sqrt(2 / 5))


def test_a_drop_that_seeds_do_not_explain_fails() -> None:
    [found] = compare([reached("a", [0.9] * 5)], [reached("a", [0.87] * 5)])
    assert found.outcome == "FAIL"


def test_a_rise_is_no_regression() -> None:
    [found] = compare([reached("a", [0.9] * 5)], [reached("a", [0.99] * 5)])
    assert found.outcome == "PASS"


def test_fewer_than_five_seeds_are_undecided() -> None:
    [found] = compare([reached("a", [0.9] * 5)], [reached("a", [0.1] * 3)])
    assert found.outcome == "UNDECIDED"
    assert "5 seeds then, 3 now; at least 5 a side" in str(found.reason)


def test_a_study_that_was_not_run_is_named() -> None:
    [found] = compare([reached("a", [0.9] * 5)], [])
    assert (found.outcome, found.now, found.reason) == ("UNDECIDED", None, "it was not run")


def test_a_study_that_the_baseline_does_not_know_is_left_out() -> None:
    assert compare([], [reached("a", [0.9] * 5)]) == ()


def test_the_wider_spread_of_the_two_counts() -> None:
    [found] = compare([reached("a", [0.9] * 5, 0.1)], [reached("a", [0.87] * 5)])
    assert found.outcome == "PASS"


def test_a_build_that_is_no_worse_is_rarely_called_a_regression() -> None:
    rng, wrong = np.random.default_rng(0), 0
    for _ in range(2000):
        before, after = (
            [reached(str(n), rng.normal(0.9, SPREAD, 5).tolist()) for n in range(12)] for _ in ("then", "now")
        )
        wrong += any(found.outcome == "FAIL" for found in compare(before, after))
    assert wrong / 2000 == pytest.approx(0.05, abs=0.012)


def test_one_bad_study_among_twelve_is_found() -> None:
    rng, caught = np.random.default_rng(0), 0
    for _ in range(500):
        before, after = (
            [reached(str(n), rng.normal(0.9, SPREAD, 5).tolist()) for n in range(12)] for _ in ("then", "now")
        )
        after[3] = reached("3", rng.normal(0.9 - 4 * SPREAD, SPREAD, 5).tolist())
        caught += compare(before, after)[3].outcome == "FAIL"
    assert caught / 500 > 0.99
