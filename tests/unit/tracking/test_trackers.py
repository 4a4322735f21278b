from __future__ import annotations

import io

import numpy as np
import pytest

from bertspec.config import RunConfig, StudyConfig
from bertspec.results import RunObserver, Stop
from bertspec.tracking import ProgressTracker, SilentObserver, SilentTracker, combine, sampled_steps


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def config(study_config: StudyConfig) -> RunConfig:
    return study_config.runs()[0]


def followed(observer: RunObserver) -> None:
    observer.started(3)
    for step in (1, 2, 3):
        observer.stepped(step, 0.5, 1e-3)
    observer.failed(RuntimeError("it stops here"))


def test_a_terminal_gets_a_bar_and_keeps_nothing_of_it(config: RunConfig) -> None:
    terminal = Terminal()
    followed(ProgressTracker(terminal).observe(config, fingerprint=""))
    assert "bert-micro · bundled/sentiment · adamw · seed 1" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r")


def test_a_bar_shows_the_newest_evaluation_of_the_main_metric(config: RunConfig) -> None:
    terminal = Terminal()
    observer = combine(SilentTracker(), ProgressTracker(terminal, columns=200)).observe(config, fingerprint="")
    observer.started(3)
    observer.stepped(1, 0.5, 1e-3)
    observer.evaluated(1, 0.875)
    assert "loss 0.500, accuracy 0.875 at 1" in terminal.getvalue()


def test_a_log_gets_no_bar(config: RunConfig) -> None:
    log = io.StringIO()
    followed(ProgressTracker(log).observe(config, fingerprint=""))
    followed(ProgressTracker(None).observe(config, fingerprint=""))
    assert log.getvalue() == ""


def test_a_run_that_fails_before_its_first_step_draws_nothing(config: RunConfig) -> None:
    terminal = Terminal()
    ProgressTracker(terminal).observe(config, fingerprint="").failed(RuntimeError("early"))
    assert terminal.getvalue() == ""


def test_several_trackers_get_the_same_calls(config: RunConfig) -> None:
    one, two = Terminal(), Terminal()
    tracker = combine(ProgressTracker(one), SilentTracker(), ProgressTracker(two))
    followed(tracker.observe(config, fingerprint=""))
    tracker.close()
    assert "seed 1" in one.getvalue()
    assert "seed 1" in two.getvalue()


@pytest.mark.parametrize("total", [1, 249, 250, 251, 750, 10_000])
def test_a_curve_is_sampled_evenly_from_its_first_step(total: int) -> None:
    steps = list(sampled_steps(total))
    assert steps[0] == 1
    assert len(steps) <= 250
    assert set(np.diff(steps)) <= {steps[1] - steps[0] if len(steps) > 1 else 0}


class Deciding(SilentTracker, SilentObserver):
    """A tracker whose observer has one answer to every evaluation."""

    def __init__(self, answer: Stop | None) -> None:
        self.answer = answer
        self.steps: list[int] = []

    def observe(self, config: RunConfig, *, fingerprint: str) -> RunObserver:
        return self

    def evaluated(self, step: int, score: float) -> Stop | None:
        self.steps.append(step)
        return self.answer


def test_the_first_stop_of_several_observers_counts_and_all_of_them_see_the_evaluation(config: RunConfig) -> None:
    parts = [Deciding(answer) for answer in (None, Stop("first"), Stop("second"))]
    assert combine(*parts).observe(config, fingerprint="").evaluated(2, 0.5) == Stop("first")
    assert [part.steps for part in parts] == [[2]] * 3
    assert combine(SilentTracker()).observe(config, fingerprint="").evaluated(2, 0.5) is None
