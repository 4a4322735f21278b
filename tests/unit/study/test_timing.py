from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bertspec import study
from bertspec.config import StudyConfig
from bertspec.study import Session


class Stopwatch:
    """As much of pytest-benchmark as is used."""

    def __init__(self) -> None:
        self.extra_info: dict[str, Any] = {}
        self.calls = 0

    def pedantic(self, target: Callable[[], object], *, rounds: int, warmup_rounds: int) -> object:
        for _ in range(rounds + warmup_rounds):
            self.calls += 1
            target()
        return None


def test_two_recipes_are_measured_in_turns_and_stored_nowhere(study_config: StudyConfig, session: Session) -> None:
    watch = Stopwatch()
    short = study_config.model_copy(update={"recipe": study_config.recipe.model_copy(update={"steps": 2})})
    timing = study.time_in_turns(study_config, short, session, rounds=5, benchmark=watch)
    assert (watch.calls, len(timing.rounds), session.store.count()) == (6, 5, 0)
    assert [(one.steps, two.steps) for one, two in timing.rounds] == [(8, 2)] * 5
    assert watch.extra_info["training_ratios"] == timing.ratios("trains on")


@pytest.mark.parametrize("act", ["trains on", "evaluates"])
def test_a_recipe_is_as_fast_as_itself(study_config: StudyConfig, session: Session, act: Any) -> None:
    timing = study.time_in_turns(study_config, study_config, session, rounds=5, benchmark=Stopwatch())
    ratios = timing.ratios(act)
    assert len(ratios) == 5
    assert all(0.1 < ratio < 10 for ratio in ratios)
