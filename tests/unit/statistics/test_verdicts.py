from __future__ import annotations

import math

import pytest

from bertspec.statistics import Claim, Direction, Spread, Verdict, estimate, judge

CLAIM = Claim("accuracy", "at least", 0.9)
SPREAD = Spread(0.01, "known")


def verdict(value: float) -> Verdict:
    return judge(CLAIM, [value] * 3, spread=SPREAD)


def test_a_claim_reads_as_its_sentence() -> None:
    assert str(CLAIM) == "accuracy is at least 0.9"
    assert str(Claim("accuracy", "between", 0.8, 0.9)) == "accuracy is between 0.8 and 0.9"


def test_a_range_may_end_at_zero() -> None:
    negative = Claim("correlation", "between", -1.0, 0.0)
    assert negative.outcome(-0.5, -0.5) == "PASS"
    assert negative.outcome(0.5, 0.5) == "FAIL"


@pytest.mark.parametrize(
    ("direction", "low", "high", "outcome"),
    [
        ("at least", 0.5, 0.9, "PASS"),
        ("at least", 0.49, 0.9, "UNDECIDED"),
        ("at least", 0.3, 0.49, "FAIL"),
        ("at most", 0.3, 0.5, "PASS"),
        ("at most", 0.3, 0.51, "UNDECIDED"),
        ("at most", 0.51, 0.9, "FAIL"),
        ("between", 0.5, 0.6, "PASS"),
        ("between", 0.4, 0.7, "UNDECIDED"),
        ("between", 0.3, 0.4, "FAIL"),
        ("between", 0.7, 0.8, "FAIL"),
    ],
)
def test_an_interval_passes_on_the_claimed_side_and_fails_on_the_other(
    direction: Direction, low: float, high: float, outcome: str
) -> None:
    upper = 0.6 if direction == "between" else None
    assert Claim("accuracy", direction, 0.5, upper).outcome(low, high) == outcome


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (0.95, "accuracy 0.950 ± 0.012 (seeds 0.950, 0.950, 0.950) is at least 0.9 [PASS]"),
        (0.5, "accuracy 0.500 ± 0.012 (seeds 0.500, 0.500, 0.500) is not at least 0.9 [FAIL]; the whole interval"),
        (0.9, "accuracy 0.900 ± 0.012 (seeds 0.900, 0.900, 0.900) is not shown to be at least 0.9 [UNDECIDED]; "),
    ],
)
def test_a_verdict_is_one_sentence_with_the_scores_of_the_seeds(value: float, sentence: str) -> None:
    assert str(verdict(value)).startswith(sentence)


def test_the_verdict_on_a_claim_in_words_repeats_the_words() -> None:
    claim = Claim("collapsed seeds", "at most", 0, words="no seed collapses")
    collapse = Verdict("FAIL", claim, 1.0, "collapse", values=(0.0, 1.0), reason="seed 2 collapsed")
    assert str(collapse) == "no seed collapses: measured 1 (seeds 0, 1) [FAIL]; seed 2 collapsed"


@pytest.mark.parametrize("words", [None, '"a" needs fewer steps'])
def test_the_verdict_says_nothing_of_a_value_that_was_not_measured(words: str | None) -> None:
    claim = Claim("ratio of steps", "at most", 0.9, words=words)
    verdict = Verdict("UNDECIDED", claim, math.nan, "steps", reason="it is not fair")
    assert str(verdict) == f"{claim} [UNDECIDED]; it is not fair"


@pytest.mark.parametrize(
    ("value", "interval", "rule", "shown"),
    [
        (0.4, (0.371, 0.429), "collapse", "0.400 ± 0.029"),
        (0.91234, None, None, "0.912"),
        (-0.5, None, None, "-0.500"),
        (12345.6, None, None, "12,346"),
        (float("inf"), None, "steps", "inf"),
        (0.0, None, "collapse", "0"),
        (1.0, None, "steps", "1.000"),
        (0.9, (0.89, 0.91), "mean", "0.900 ± 0.010"),
        (2.0, (1.5, 3.0), "ratio", "2.000 [1.500, 3.000]"),
        (float("inf"), (1.5, float("inf")), "ratio", "inf"),
    ],
)
def test_a_measured_value_is_shown_with_half_of_its_interval(
    value: float, interval: tuple[float, float] | None, rule: str | None, shown: str
) -> None:
    assert estimate(value, interval, rule) == shown


def test_the_refusal_of_a_claim_is_the_opposite_verdict() -> None:
    assert verdict(0.5).refused().passed
    assert not verdict(0.95).refused().passed
    assert str(verdict(0.5).refused()).startswith("not: accuracy is at least 0.9: measured 0.500")


def test_an_undecided_claim_is_refused_too() -> None:
    assert verdict(0.9).refused().passed


def test_a_refusal_names_the_rule_that_must_have_decided() -> None:
    by_mean = verdict(0.5)
    assert by_mean.refused("mean").passed
    other = by_mean.refused("ceiling")
    assert not other.passed
    assert other.reason == "it was decided by the mean, not by the ceiling"


def test_a_passed_claim_is_not_refused_whatever_rule_is_named() -> None:
    found = verdict(0.95).refused("mean")
    assert (found.passed, found.reason) == (False, "the claim passes")


@pytest.mark.parametrize("rule", ["collapse", "ceiling", "contamination"])
def test_a_verdict_that_is_overruled_fails_and_says_why(rule: str) -> None:
    found = verdict(0.95).overruled(rule, "because")  # type: ignore[arg-type]
    assert (found.outcome, found.rule, found.reason) == ("FAIL", rule, "because")


@pytest.mark.parametrize("found", [verdict(0.95), verdict(0.9), verdict(0.5), verdict(0.5).refused()])
def test_every_verdict_states_what_its_rule_refuses_and_how_often_it_passes(found: Verdict) -> None:
    assert "is refused 95 % of the time" in str(found.detectable_drop)
    assert "of the time with the truth at the bound" in str(found.pass_rates)


def test_a_mean_that_collapsed_seeds_overrule_is_shown_as_a_mean() -> None:
    verdict = Verdict("PASS", Claim("accuracy", "at least", 0.3), 0.44, interval=(0.41, 0.47), values=(0.4, 0.48))
    assert "0.440 ± 0.030 (seeds 0.400, 0.480)" in str(verdict.overruled("collapse", "2 of 2 seeds collapsed"))
