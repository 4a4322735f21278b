"""Regression: one number per example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bertspec.errors import DataError
from bertspec.heads.protocol import HardRow, Outputs, Prediction, TaskHead, Values

__all__ = ["Regression"]


@dataclass(frozen=True)
class Regression(TaskHead):
    """Predicts one number; a target is a finite number."""

    name: ClassVar[str] = "regression"
    losses: ClassVar[tuple[str, ...]] = ("mse",)
    metrics: ClassVar[tuple[str, ...]] = ("pearson", "spearman")

    @property
    def width(self) -> int:
        """The predicted number alone."""
        return 1

    def targets(self, values: Sequence[Any], *, where: str) -> Values:
        """Read finite numbers; booleans and text are refused."""
        targets = np.empty(len(values), dtype=np.float64)
        for row, value in enumerate(values):
            if isinstance(value, bool) or not isinstance(value, int | float | np.number) or not np.isfinite(value):
                raise DataError(
                    "a label is outside the head",
                    given=value,
                    allowed="a finite number",
                    where=f"row {row}, {where}",
                )
            targets[row] = float(value)
        return targets

    def decode(self, outputs: Outputs) -> Values:
        """Take the predicted number as it is."""
        return np.asarray(outputs[:, 0], dtype=np.float64)

    def row_losses(self, outputs: Outputs, references: Values) -> Values:
        """Squared error."""
        return np.asarray((outputs.astype(np.float64)[:, 0] - references) ** 2)

    def shown(self, value: float) -> float:
        """The number itself."""
        return value

    def predictions(self, outputs: Outputs) -> list[Prediction]:
        """The predicted numbers."""
        return [Prediction(None, float(number)) for number in outputs[:, 0]]

    def hardest(self, references: Values, predictions: Values, *, most: int) -> list[HardRow]:
        """List the rows whose predictions lie furthest from the reference, on average over the seeds."""
        miss, mean = np.abs(predictions - references).mean(axis=0), predictions.mean(axis=0)
        return [
            HardRow(int(row), f"{references[row]:.2f}", f"{mean[row]:.2f}", f"by {miss[row]:.2f}")
            for row in np.argsort(-miss, kind="stable")[:most]
        ]
