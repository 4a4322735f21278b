from __future__ import annotations

import numpy as np
import pytest

from bertspec.statistics import Claim, Spread, collapsed, judge, judge_collapse, refuse_collapse


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


def test_a_collapse_fails_a_claim_whatever_the_mean() -> None:
    passed = judge(Claim("accuracy", "at least", 0.5), [0.99, 0.99, 0.5], spread=Spread(0.01, ""))
    refused = refuse_collapse(passed, [False, False, True])
    assert (passed.outcome, refused.outcome, refused.rule) == ("PASS", "FAIL", "collapse")
    assert "1 of 3 seeds collapsed" in str(refused)
    assert refuse_collapse(passed, [False] * 3) == passed


def test_a_count_of_collapses_tells_its_teeth_and_its_odds() -> None:
    few, many = judge_collapse([False] * 3), judge_collapse([True] * 2 + [False] * 8)
    assert few.detectable_drop == "a collapse of more than 63.2 % of all seeds is refused 95 % of the time"
    assert few.pass_rates == (
        "passes 97.0 % of the time where one seed in a hundred collapses, 72.9 % where one in ten does, "
        "12.5 % where half of them do"
    )
    assert (many.outcome, many.detectable_drop) == (
        "FAIL",
        "a collapse of more than 39.4 % of all seeds is refused 95 % of the time",
    )
    assert str(many.reason).startswith("2 of 10 seeds collapsed")
