from __future__ import annotations

import numpy as np
import pytest

from bertspec.statistics import (
    CEILING_P,
    Claim,
    Spread,
    Verdict,
    contamination,
    judge,
    judge_collapse,
    leak_p,
    refuse_collapse,
    refuse_contamination,
    refuse_leak,
)
from bertspec.statistics.guards import Contamination

NOISE = 0.05

RULE = "one class only"


@pytest.mark.parametrize(
    ("count", "of", "outcome"), [(0, 3, "PASS"), (1, 3, "FAIL"), (1, 5, "FAIL"), (1, 10, "PASS"), (2, 10, "FAIL")]
)
def test_collapses_are_counted(count: int, of: int, outcome: str) -> None:
    assert judge_collapse([True] * count + [False] * (of - count), RULE).outcome == outcome


def test_a_collapse_fails_a_claim_whatever_the_mean() -> None:
    passed = judge(Claim("accuracy", "at least", 0.5), [0.99, 0.99, 0.5], spread=Spread(0.01, ""))
    refused = refuse_collapse(passed, [False, False, True], RULE)
    assert (passed.outcome, refused.outcome, refused.rule) == ("PASS", "FAIL", "collapse")
    assert "1 of 3 seeds collapsed: one class only" in str(refused)
    assert refuse_collapse(passed, [False] * 3, RULE) == passed


def test_a_count_of_collapses_gives_its_detectable_drop_and_its_pass_rates() -> None:
    few, many = judge_collapse([False] * 3, RULE), judge_collapse([True] * 2 + [False] * 8, RULE)
    assert few.detectable_drop == "a collapse of more than 63.2 % of all seeds is refused 95 % of the time"
    assert few.pass_rates == (
        "passes 97.0 % of the time if one seed in a hundred collapses, 72.9 % if one in ten does, "
        "12.5 % if half of them do"
    )
    assert (many.outcome, many.detectable_drop) == (
        "FAIL",
        "a collapse of more than 39.4 % of all seeds is refused 95 % of the time",
    )
    assert str(many.reason).startswith("2 of 10 seeds collapsed")


def passed(value: float) -> Verdict:
    return judge(Claim("accuracy", "at least", 0.5), [value] * 3, spread=Spread(0.01, ""))


def labels(rng: np.random.Generator, rows: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    clean = rng.integers(2, size=rows).astype(float)
    return clean, np.where(rng.random(rows) < NOISE, 1 - clean, clean)


def test_an_honest_classifier_rarely_counts_as_a_leak() -> None:
    rng, leaks = np.random.default_rng(0), []
    for _ in range(3000):
        clean, noisy = labels(rng, 400)
        honest = np.where(rng.random(400) < 0.02, 1 - clean, clean)  # its errors are independent of the noise
        leaks.append(leak_p(honest, noisy, clean, NOISE) < 0.05)
    assert np.mean(leaks) <= 0.05


def test_a_classifier_that_sees_the_noise_is_a_leak() -> None:
    clean, noisy = labels(np.random.default_rng(0))
    assert leak_p(noisy, noisy, clean, NOISE) < 1e-30


def test_a_classifier_that_only_knows_the_truth_leaks_nothing() -> None:
    clean, noisy = labels(np.random.default_rng(0))
    assert leak_p(clean, noisy, clean, NOISE) == 1.0


def test_a_score_above_the_ceiling_fails_where_chance_does_not_explain_it() -> None:
    refused = refuse_leak(passed(0.99), ceiling=0.95, p_values=[1e-9, 0.5, 0.5])
    assert (refused.outcome, refused.rule) == ("FAIL", "ceiling")
    assert "above the ceiling of 0.9500" in str(refused)


@pytest.mark.parametrize(("value", "p"), [(0.949, 1e-9), (0.951, CEILING_P)], ids=["below", "by chance"])
def test_a_score_that_can_be_had_honestly_is_left_alone(value: float, p: float) -> None:
    assert refuse_leak(passed(value), ceiling=0.95, p_values=[p] * 3).passed


def test_rows_are_counted_letter_by_letter_and_but_for_case_and_punctuation() -> None:
    training = [("A fine film .", "yes"), ("dull", "no")]
    evaluation = [("A fine film .", "yes"), ("a FINE film!", "yes"), ("A fine film .", "no"), ("new", "no")]
    assert contamination(evaluation, training) == Contamination(exact=1, normalized=2, rows=4)


def test_more_contamination_than_allowed_fails() -> None:
    refused = refuse_contamination(passed(0.99), Contamination(1, 2, 100), allowed=0.01)
    assert (refused.outcome, refused.rule) == ("FAIL", "contamination")
    assert "2 of 100 scored rows were trained on (1 letter by letter); 1.0% may be" in str(refused)
    assert refuse_contamination(passed(0.99), Contamination(1, 1, 100), allowed=0.01).passed


def test_an_error_rate_leaks_below_its_floor() -> None:
    low = Verdict("PASS", Claim("error rate", "at most", 0.1), 0.01)
    assert refuse_leak(low, ceiling=0.05, p_values=[1e-9], better="lower").rule == "ceiling"
    assert "below the floor of 0.0500" in str(refuse_leak(low, ceiling=0.05, p_values=[1e-9], better="lower"))
    high = Verdict("PASS", Claim("error rate", "at most", 0.1), 0.06)
    assert refuse_leak(high, ceiling=0.05, p_values=[1e-9], better="lower").passed
