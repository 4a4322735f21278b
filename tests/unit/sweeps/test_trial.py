from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from bertspec.catalog import Catalog
from bertspec.config import EncoderConfig, TaskConfig
from bertspec.errors import SourceError, UnknownName
from bertspec.results import Point
from bertspec.study import Session
from bertspec.sweeps import trial
from bertspec.sweeps.early_stopping import first_points


@pytest.fixture
def mini(tmp_path: Path, session: Session, encoder: EncoderConfig, task: TaskConfig) -> Session:
    """A session whose configs have a micro encoder and a task of few rows."""
    for kind, values in (("encoders", encoder.model_dump()), ("tasks", task.model_dump(mode="json"))):
        file = tmp_path / "configs" / kind / "micro.yaml"
        file.parent.mkdir(parents=True)
        kept = {name: value for name, value in values.items() if value is not None and name != "name"}
        file.write_text(yaml.safe_dump(kept), "utf-8")
    assert session.catalog == Catalog.beside(tmp_path)
    return session


MICRO: dict[str, Any] = {
    "encoder": "micro",
    "task": "micro",
    "steps": 4,
    "batch_size": 16,
    "max_length": 32,
    "seeds": [7, 8],
}


def test_a_trial_is_a_study_of_its_seeds_on_the_tuning_split(mini: Session) -> None:
    record = trial.run(3, {**MICRO, "tuning_share": 0.25}, mini, contender="adamw")
    assert (record.state, record.seeds, record.diverged) == ("finished", (7, 8), 0)
    assert record.score == pytest.approx(sum(record.scores) / 2)
    assert record.parameters == {"encoder": "micro", "task": "micro", "steps": 4, "batch_size": 16, "max_length": 32}
    assert record.tokens > 0
    runs = [mini.store.get(name) for name in record.runs]
    assert [run.config.task.tuning_share for run in runs if run] == [0.25, 0.25]
    assert [run.result.facts.scores["accuracy"] for run in runs if run] == list(record.scores)


def test_a_trial_is_tuned_with_a_multiple_of_the_optimizers_own_rate(mini: Session) -> None:
    record = trial.run(0, {**MICRO, "optimizer": "sgd", "learning_rate_factor": 2.5, "seeds": [7]}, mini)
    run = mini.store.get(record.runs[0])
    assert run is not None
    own = mini.catalog.plan(encoder="micro", task="micro", optimizer="sgd").recipe.optimizer.learning_rate
    assert run.config.recipe.optimizer.learning_rate == pytest.approx(2.5 * own)


def test_a_confirmation_is_trained_on_the_whole_split_and_scored_on_the_evaluation_split(mini: Session) -> None:
    record = trial.run(0, MICRO, mini, confirms=1)
    run = mini.store.get(record.runs[0])
    assert run is not None
    assert (record.seeds, run.config.task.tuning_share) == ((1,), None)


def test_the_loss_is_the_mean_over_the_scored_rows(mini: Session) -> None:
    record = trial.run(0, MICRO, mini, metric="loss")
    run = mini.store.get(record.runs[0])
    assert run is not None
    outcomes = run.result.outcomes
    losses = [
        math.log(sum(math.exp(float(each)) for each in row)) - float(row[int(label)])
        for row, label in zip(outcomes.outputs, outcomes.references, strict=True)
    ]
    assert record.scores[0] == pytest.approx(float(np.mean(losses)))


def test_a_trial_that_diverges_on_every_seed_failed(mini: Session) -> None:
    record = trial.run(0, {**MICRO, "optimizer": "sgd", "learning_rate": 1e12, "clip_norm": None}, mini)
    assert (record.state, record.score, record.diverged) == ("failed", None, 2)
    assert "diverged on every seed: loss" in str(record.reason)


def test_values_that_do_not_go_together_fail_one_trial(mini: Session) -> None:
    record = trial.run(5, {**MICRO, "max_length": 4000}, mini)
    assert (record.state, record.number, record.runs) == ("failed", 5, ())
    assert "max_length" in str(record.reason)


def test_what_is_wrong_with_every_trial_is_raised(mini: Session) -> None:
    with pytest.raises(UnknownName):
        trial.run(0, {**MICRO, "task": "nothing"}, mini)
    with pytest.raises(SourceError):
        trial.run(0, {**MICRO, "encoder": "google-bert/bert-base-uncased"}, mini)


@pytest.mark.parametrize(("name", "value"), [("seeds", [-1]), ("tuning_share", 2), ("seeds", [1])])
def test_the_sweeps_own_parameters_are_checked(mini: Session, name: str, value: Any) -> None:
    record = trial.run(0, {**MICRO, name: value}, mini)
    assert record.state == "failed"


EVALUATED = {**MICRO, "evaluate_every": 2, "steps": 6}


def test_evaluations_during_training_are_the_mean_over_the_seeds(mini: Session) -> None:
    record = trial.run(0, EVALUATED, mini)
    assert [point.step for point in record.points] == [2, 4, 6]
    assert record.points[-1].value == pytest.approx(record.score)


def test_a_trial_is_stopped_on_its_first_seed(mini: Session) -> None:
    points: list[Point] = []

    def on_progress(point: Point) -> str | None:
        points.append(point)
        return "hopeless" if point.step == 4 else None

    record = trial.run(0, EVALUATED, mini, on_progress=on_progress)
    assert (record.state, record.reason, record.seeds, record.runs) == ("stopped", "hopeless", (7,), ())
    assert list(record.points) == points
    assert record.score == points[-1].value
    assert mini.store.count() == 0
    whole = trial.run(0, EVALUATED, mini)
    assert record.tokens == pytest.approx(whole.tokens / 2 * 4 / 6, rel=0.1)


def test_a_trial_that_is_not_stopped_is_what_it_would_be_unwatched(mini: Session) -> None:
    watched = trial.run(0, EVALUATED, mini, on_progress=lambda _: None)
    assert watched.model_copy(update={"finished": ""}) == trial.run(0, EVALUATED, mini).model_copy(
        update={"finished": ""}
    )
    assert first_points(watched, mini.store)[0].step == 2


def test_the_last_evaluation_stops_nothing(mini: Session) -> None:
    record = trial.run(0, EVALUATED, mini, on_progress=lambda point: "too late" if point.step == 6 else None)
    assert record.state == "finished"


def test_a_run_of_the_store_is_judged_as_if_it_were_trained_now(mini: Session) -> None:
    def on_progress(point: Point) -> str | None:
        return "hopeless" if point.step == 4 else None

    live = trial.run(0, EVALUATED, mini, on_progress=on_progress)
    trial.run(0, EVALUATED, mini)
    stored = trial.run(0, EVALUATED, mini, on_progress=on_progress)
    assert (stored.state, stored.points, stored.score) == (live.state, live.points, live.score)
    assert stored.tokens == pytest.approx(live.tokens, rel=0.1)
