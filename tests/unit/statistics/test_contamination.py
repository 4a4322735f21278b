from __future__ import annotations

import numpy as np
import pytest

from bertspec.statistics import CEILING_P, Claim, Spread, Verdict, judge, leak_p, overlap, refuse_leak, refuse_overlap

NOISE = 0.05


def passed(value: float) -> Verdict:
    return judge(Claim("accuracy", "at least", 0.5), [value] * 3, spread=Spread(0.01, ""))


def labels(rng: np.random.Generator, rows: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    clean = rng.integers(2, size=rows).astype(float)
    return clean, np.where(rng.random(rows) < NOISE, 1 - clean, clean)


def test_an_honest_classifier_is_taken_for_a_leak_less_often_than_promised() -> None:
    rng, found = np.random.default_rng(0), []
    for _ in range(3000):
        clean, noisy = labels(rng, 400)
        honest = np.where(rng.random(400) < 0.02, 1 - clean, clean)  # its errors know nothing of the noise
        found.append(leak_p(honest, noisy, clean, NOISE) < 0.05)
    assert np.mean(found) <= 0.05


def test_a_classifier_that_sees_the_noise_is_found_out() -> None:
    clean, noisy = labels(np.random.default_rng(0))
    assert leak_p(noisy, noisy, clean, NOISE) < 1e-30


def test_a_classifier_that_only_knows_the_truth_leaks_nothing() -> None:
    clean, noisy = labels(np.random.default_rng(0))
    assert leak_p(clean, noisy, clean, NOISE) == 1.0


def test_a_score_above_the_ceiling_fails_where_chance_does_not_explain_it() -> None:
    refused = refuse_leak(passed(0.99), ceiling=0.95, p_values=[1e-9, 0.5, 0.5])
    assert (refused.outcome, refused.rule) == ("FAIL", "ceiling")
    assert "above the ceiling of 0.9500" in str(refused)


@pytest.mark.parametrize(("value", "chance"), [(0.949, 1e-9), (0.951, CEILING_P)], ids=["below", "by chance"])
def test_a_score_that_can_be_had_honestly_is_left_alone(value: float, chance: float) -> None:
    assert refuse_leak(passed(value), ceiling=0.95, p_values=[chance] * 3).passed


def test_rows_are_counted_letter_by_letter_and_but_for_case_and_punctuation() -> None:
    training = [("A fine film .", "yes"), ("dull", "no")]
    evaluation = [("A fine film .", "yes"), ("a FINE film!", "yes"), ("A fine film .", "no"), ("new", "no")]
    assert overlap(evaluation, training) == (1, 2, 4)


def test_more_overlap_than_allowed_fails() -> None:
    refused = refuse_overlap(passed(0.99), (1, 2, 100), allowed=0.01)
    assert (refused.outcome, refused.rule) == ("FAIL", "overlap")
    assert "2 of 100 scored rows were trained on (1 letter by letter); 1.0% may be" in str(refused)
    assert refuse_overlap(passed(0.99), (1, 1, 100), allowed=0.01).passed


def test_an_error_rate_leaks_below_its_floor() -> None:
    low = Verdict("PASS", Claim("error rate", "at most", 0.1), 0.01)
    assert refuse_leak(low, ceiling=0.05, p_values=[1e-9], better="lower").rule == "ceiling"
    assert "below the floor of 0.0500" in str(refuse_leak(low, ceiling=0.05, p_values=[1e-9], better="lower"))
    high = Verdict("PASS", Claim("error rate", "at most", 0.1), 0.06)
    assert refuse_leak(high, ceiling=0.05, p_values=[1e-9], better="lower").passed
