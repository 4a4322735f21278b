"""The metrics as ``evaluate`` modules, for code that uses that interface; nothing is downloaded.

Importing ``evaluate`` takes seconds, so this module is imported where it is used.
"""

from __future__ import annotations

from typing import Any

import datasets
import evaluate
import numpy as np

from bertspec.metrics import Metric, find
from bertspec.results import Outcomes

__all__ = ["ScoreModule", "load"]


class ScoreModule(evaluate.Metric):  # type: ignore[misc]  # evaluate ships no types
    """One of our metrics behind ``evaluate.Metric``: ``add_batch``, ``compute``, ``combine``."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric
        super().__init__(config_name=metric.name, keep_in_memory=True)

    def _info(self) -> evaluate.MetricInfo:
        number = datasets.Value("float64")
        return evaluate.MetricInfo(
            description=f"{self._metric.title} of predictions against references.",
            citation="",
            inputs_description="predictions and references: lists of class numbers, or of numbers.",
            features=datasets.Features({"predictions": number, "references": number}),
        )

    def score(self, outcomes: Outcomes) -> float:
        """The score of one run's outcomes."""
        scores = self.compute(predictions=outcomes.predictions.tolist(), references=outcomes.references.tolist())
        return float(scores[self._metric.name])

    def _compute(self, *, predictions: Any, references: Any) -> dict[str, float]:
        arrays = (np.asarray(values, dtype=np.float64) for values in (references, predictions))
        value = self._metric.function(*arrays)
        return {self._metric.name: value}


def load(name: str) -> ScoreModule:
    """Build the ``evaluate`` module of one metric, by name or title.

    Raises:
        UnknownName: no metric has that name.
    """
    return ScoreModule(find(name))
