from __future__ import annotations

import numpy as np
import pytest

from bertspec.verdict import Claim, collapsed, judge, judge_collapse, judge_difference, judge_ratio

AT_LEAST = Claim("accuracy", "at least", 0.9)


def test_the_mean_over_the_seeds_decides_and_not_the_best_seed() -> None:
    assert judge(AT_LEAST, [0.95, 0.85, 0.89]).outcome == "FAIL"
    assert judge(AT_LEAST, [0.95, 0.85, 0.91]).outcome == "PASS"


def test_a_claim_of_at_most_is_judged_from_the_other_side() -> None:
    claim = Claim("error", "at most", 0.1)
    assert judge(claim, [0.05, 0.1, 0.1]).passed
    assert not judge(claim, [0.05, 0.2, 0.2]).passed


@pytest.mark.parametrize("values", [[1.0], [1.0, 1.0]])
def test_fewer_than_three_seeds_decide_nothing(values: list[float]) -> None:
    verdict = judge(AT_LEAST, values)
    assert verdict.outcome == "UNDECIDED"
    assert not verdict.passed
    assert "at least 3 seeds" in str(verdict)


def test_the_interval_covers_the_true_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    intervals = [judge(AT_LEAST, rng.normal(0.9, 0.01, 3).tolist()).interval for _ in range(4000)]
    covered = np.mean([low <= 0.9 <= high for low, high in intervals if (low, high)])
    assert covered == pytest.approx(0.95, abs=0.012)


def test_the_teeth_are_as_sharp_as_they_say() -> None:
    rng = np.random.default_rng(0)
    teeth = judge(AT_LEAST, [0.95, 0.95, 0.95]).teeth
    assert teeth is not None
    refused_mean = float(teeth.split("below ")[1].split(" ")[0])
    refusals = [not judge(AT_LEAST, rng.normal(refused_mean, 0.025, 3).tolist()).passed for _ in range(4000)]
    assert np.mean(refusals) == pytest.approx(0.95, abs=0.012)


def test_a_verdict_shows_its_evidence_in_one_line() -> None:
    line = str(judge(AT_LEAST, [0.95, 0.95, 0.95]))
    assert line.startswith("PASS: accuracy is at least 0.9: measured 0.9500 [0.9500, 0.9500]; a true mean below 0.876")


def test_the_refusal_of_a_claim_is_the_opposite_verdict() -> None:
    assert judge(AT_LEAST, [0.5, 0.5, 0.5]).refused().passed
    assert not judge(AT_LEAST, [0.95, 0.95, 0.95]).refused().passed


def test_an_undecided_claim_is_refused_too() -> None:
    assert judge(AT_LEAST, [0.95]).refused().passed


def test_a_difference_needs_five_seeds_a_side() -> None:
    claim = Claim("lead", "at least", 0.1)
    assert judge_difference(claim, [0.9] * 5, [0.5] * 4).outcome == "UNDECIDED"
    assert judge_difference(claim, [0.9] * 5, [0.5] * 5).outcome == "PASS"
    assert judge_difference(claim, [0.55] * 5, [0.5] * 5).outcome == "FAIL"


def test_the_interval_of_a_difference_covers_it_as_often_as_it_says() -> None:
    rng, claim = np.random.default_rng(0), Claim("lead", "at least", 0.0)
    verdicts = [
        judge_difference(claim, rng.normal(0.9, 0.01, 5).tolist(), rng.normal(0.8, 0.03, 5).tolist())
        for _ in range(3000)
    ]
    covered = np.mean([v.interval[0] <= 0.1 <= v.interval[1] for v in verdicts if v.interval])
    assert covered == pytest.approx(0.95, abs=0.015)


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


@pytest.mark.parametrize(
    ("predictions", "references", "expected"),
    [
        ([1, 1, 1, 1], [1, 0, 1, 0], True),
        ([1, 0, 0, 1], [1, 1, 1, 0], True),
        ([1, 0, 1, 0], [1, 0, 1, 1], True),
        ([1, 0, 1, 0], [1, 0, 1, 0], False),
    ],
    ids=["one class", "worse than the majority", "equal to the majority", "perfect"],
)
def test_a_run_that_learned_nothing_has_collapsed(
    predictions: list[int], references: list[int], expected: bool
) -> None:
    assert collapsed(np.array(predictions, dtype=float), np.array(references, dtype=float)) is expected


@pytest.mark.parametrize(
    ("count", "of", "outcome"), [(0, 3, "PASS"), (1, 3, "FAIL"), (1, 5, "FAIL"), (1, 10, "PASS"), (2, 10, "FAIL")]
)
def test_collapses_are_counted(count: int, of: int, outcome: str) -> None:
    assert judge_collapse([True] * count + [False] * (of - count)).outcome == outcome
