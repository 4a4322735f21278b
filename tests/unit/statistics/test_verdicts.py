from __future__ import annotations

import pytest

from bertspec.statistics import Claim, Direction, Spread, Verdict, judge

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


def test_a_verdict_shows_its_evidence_in_one_line() -> None:
    assert str(verdict(0.95)).startswith(
        "PASS: accuracy is at least 0.9: measured 0.9500 [0.9385, 0.9615]; a true mean"
    )


def test_the_refusal_of_a_claim_is_the_opposite_verdict() -> None:
    assert verdict(0.5).refused().passed
    assert not verdict(0.95).refused().passed
    assert str(verdict(0.5).refused()).startswith("PASS: not: accuracy is at least 0.9")


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
    assert str(found).endswith(f"{found.detectable_drop}; {found.pass_rates}")
