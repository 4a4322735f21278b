from __future__ import annotations

import pytest

from bertspec.config import HyperbandConfig
from bertspec.results import Point
from bertspec.sweeps.early_stopping import Hyperband


def band(**given: object) -> Hyperband:
    fields = {"type": "hyperband", "min_iter": 2, "eta": 2, **given}
    return Hyperband(HyperbandConfig.model_validate(fields), "maximize")


def run(judges: Hyperband, number: int, *values: float, contender: str | None = None) -> str | None:
    judges.begin(number)
    for at, value in enumerate(values, 1):
        why = judges.judge(number, contender, Point(step=10 * at, value=value))
        if why is not None:
            return why
    return None


def after(judges: Hyperband, *reached: float) -> Hyperband:
    """Trials that stayed where they were."""
    for number, value in enumerate(reached):
        run(judges, number, value, value)
    return judges


def test_the_first_trial_always_passes() -> None:
    assert run(band(), 0, 0.1, 0.1, 0.1, 0.1) is None


def test_a_worse_trial_is_stopped_at_the_first_bracket() -> None:
    judges = after(band(), 0.7, 0.8)
    assert run(judges, 9, 0.5, 0.6, 0.9) == (
        "stopped by hyperband after evaluation 2, step 20: 0.6 is worse than 0.7, the bound of the best 1/2 of 3"
    )


@pytest.mark.parametrize(("contenders", "passes"), [(1, True), (2, False), (3, False)])
def test_the_worst_of_two_passes_and_the_worst_of_more_does_not(contenders: int, passes: bool) -> None:
    assert (run(after(band(), *[0.9] * contenders), 9, 0.1, 0.1) is None) is passes


def test_the_second_best_of_five_passes_where_a_third_goes_on() -> None:
    judges = after(band(eta=3), 0.9, 0.7, 0.6, 0.5)
    assert run(judges, 9, 0.8, 0.8) is None
    assert run(judges, 10, 0.65, 0.65) is not None


def test_a_better_trial_passes_and_is_judged_again_at_the_next_bracket() -> None:
    judges = band()
    for number in range(2):
        run(judges, number, 0.5, 0.6, 0.8, 0.9)
    assert "evaluation 4" in str(run(judges, 9, 0.5, 0.7, 0.7, 0.7))


def test_less_may_be_better() -> None:
    judges = band()
    judges.goal = "minimize"
    after(judges, 0.5)
    assert run(judges, 1, 0.4, 0.4) is None
    assert "0.6 is worse than" in str(run(judges, 2, 0.6, 0.6))


@pytest.mark.parametrize(("strict", "stopped"), [(False, False), (True, True)])
def test_only_the_strict_rule_forgets_the_best_so_far(strict: bool, stopped: bool) -> None:
    judges = after(band(strict=strict), 0.6, 0.6)
    assert (run(judges, 9, 0.7, 0.5) is not None) is stopped


def test_a_contender_is_not_stopped_by_another() -> None:
    judges = band()
    for number in (0, 3):
        run(judges, number, 0.9, 0.9, contender="adamw")
    assert run(judges, 1, 0.1, 0.1, contender="sgd") is None
    assert run(judges, 2, 0.1, 0.1, contender="adamw") is not None


def test_a_trial_that_is_run_again_is_not_compared_with_itself() -> None:
    judges = band()
    run(judges, 0, 0.9, 0.9)
    run(judges, 0, 0.9, 0.9)
    assert len(judges.seen[None, 2]) == 1
