from __future__ import annotations

from typing import Any

from bertspec.results import TrialRecord
from bertspec.sweep.budgets import differences


def trials(*tokens: int, **fields: Any) -> list[TrialRecord]:
    values = {"parameters": {}, "state": "finished", "score": 0.5, "finished": "2026-01-01T00:00:00+00:00", **fields}
    return [TrialRecord(number=number, tokens=each, **values) for number, each in enumerate(tokens)]


def test_equal_trials_of_nearly_equal_tokens_are_fair() -> None:
    assert differences({"adam": trials(1000, 1000), "sgd": trials(1005, 1000)}, planned=4) == ()


def test_one_trial_more_is_told_with_the_figures() -> None:
    assert differences({"adam": trials(1000, 1000), "sgd": trials(2000)}, planned=3) == (
        "adam had 2 trials, sgd had 1",
    )


def test_more_tokens_are_told_with_the_figures() -> None:
    assert differences({"adam": trials(1000, 1000), "marthe": trials(2000, 2100)}, planned=4) == (
        "adam was tuned on 2,000 tokens, marthe on 4,100",
    )


def test_a_trial_that_diverged_or_failed_or_was_stopped_counts_as_a_whole_one() -> None:
    lost = [*trials(1000), *trials(10, diverged=1), *trials(0, state="failed"), *trials(300, state="stopped")]
    assert differences({"adam": trials(1000, 1000, 1000, 1000), "sgd": lost}, planned=8) == ()


def test_a_contender_without_a_whole_trial_leaves_nothing_to_compare() -> None:
    found = differences({"adam": trials(1000), "sgd": trials(0, state="failed")}, planned=2)
    assert found == ("sgd: each of its 1 trials failed, was stopped or diverged on some seed",)


def test_a_sweep_that_is_not_over_is_not_fair() -> None:
    assert differences({"adam": trials(1000), "sgd": trials(1000)}, planned=8) == (
        "the sweep is not over: 2 of 8 trials",
    )
