"""A kind of task that is registered from outside: it is trained, scored, judged and shown by what its head says."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

from bertspec import heads, metrics, study
from bertspec.config import StudyConfig, TaskConfig
from bertspec.errors import InvalidConfig
from bertspec.heads import HardRow, Outputs, Prediction, TaskHead, Values
from bertspec.study import Session


@dataclass(frozen=True)
class Rating(TaskHead):
    """Predicts one of several ordered levels by one number."""

    labels: tuple[str, ...] = ()

    name: ClassVar[str] = "rating"
    losses: ClassVar[tuple[str, ...]] = ("mse",)
    metrics: ClassVar[tuple[str, ...]] = ("spearman", "accuracy")
    collapse: ClassVar[str | None] = "one level only"

    @property
    def width(self) -> int:
        return 1

    def targets(self, values: Sequence[Any], *, where: str, row_name: Callable[[int], str] = "row {}".format) -> Values:
        return np.array([self.labels.index(value) if isinstance(value, str) else value for value in values], float)

    def decode(self, outputs: Outputs) -> Values:
        return np.clip(np.round(outputs[:, 0].astype(np.float64)), 0, len(self.labels) - 1)

    def row_losses(self, outputs: Outputs, references: Values) -> Values:
        return np.asarray((outputs[:, 0].astype(np.float64) - references) ** 2)

    def collapsed(self, predictions: Values, references: Values) -> bool:
        return len(np.unique(predictions)) == 1

    def shown(self, value: float) -> str:
        return self.labels[int(value)]

    def predictions(self, outputs: Outputs) -> list[Prediction]:
        return [Prediction(self.shown(level), float(level)) for level in self.decode(outputs)]

    def hardest(self, references: Values, predictions: Values, *, most: int) -> list[HardRow]:
        return []


@pytest.fixture
def rating(task: TaskConfig) -> Iterator[TaskConfig]:
    heads.register(Rating)
    yield TaskConfig.model_validate({**task.model_dump(), "head": "rating", "metrics": ("accuracy", "spearman")})
    del heads._HEADS["rating"]


def test_a_third_kind_is_trained_and_scored_and_read_back_from_the_store(
    rating: TaskConfig, study_config: StudyConfig, session: Session
) -> None:
    config = study_config.model_copy(update={"task": rating, "seeds": (1,)})
    (trained,), (stored,) = (study.run(config, session).runs for _ in range(2))
    outcomes = stored.result.outcomes
    assert outcomes.head == Rating(("negative", "positive"))
    assert outcomes.outputs.shape == (40, 1)
    assert set(outcomes.predictions.tolist()) <= {0.0, 1.0}
    assert stored.result.facts.scores == pytest.approx(trained.result.facts.scores, abs=0, rel=0, nan_ok=True)
    assert stored.result.facts.scores["accuracy"] == (outcomes.predictions == outcomes.references).mean()
    assert outcomes.losses.mean() == pytest.approx(((outcomes.outputs[:, 0] - outcomes.references) ** 2).mean())


def test_a_metric_that_does_not_fit_a_third_kind_is_refused_by_what_its_head_names(rating: TaskConfig) -> None:
    metrics.check(rating)
    with pytest.raises(InvalidConfig, match="does not fit a rating head; given: 'f1'; allowed: spearman, accuracy"):
        metrics.check(rating.model_copy(update={"metrics": ("f1",)}))
