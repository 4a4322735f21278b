from __future__ import annotations

import math

import pytest

from bertspec.statistics import Claim, judge_ratio, judge_steps

TWICE = Claim("ratio of steps", "at most", 2.0)


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
    assert "4 seeds decide nothing" in str(judge_steps(TWICE, [1] * 4, [1] * 4))


def test_infinite_ratios_among_finite_ones_are_told_apart() -> None:
    found = judge_ratio(TWICE, [1.0, 1.5, 1.8, math.inf, math.inf, 1.2])
    assert found.outcome == "UNDECIDED"
    assert "2 of the rounds left out that are infinite" in str(found)
