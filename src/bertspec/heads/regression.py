"""Regression: one number per example."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bertspec.errors import DataError
from bertspec.heads.protocol import HardRow, Outputs, Prediction, TaskHead, Values, is_missing

__all__ = ["Regression"]

_NUMBER = re.compile(r"\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*", re.ASCII)
_TOO_LARGE = 2**1023
"""The integers from which float() fails."""


@dataclass(frozen=True)
class Regression(TaskHead):
    """Predicts one number; a target is a finite number."""

    name: ClassVar[str] = "regression"
    losses: ClassVar[tuple[str, ...]] = ("mse",)
    metrics: ClassVar[tuple[str, ...]] = ("pearson", "spearman")
    collapse: ClassVar[str | None] = "one number for every row, whose correlation is not defined and counts as 0"

    @property
    def width(self) -> int:
        """The predicted number alone."""
        return 1

    def targets(self, values: Sequence[Any], *, where: str, row_name: Callable[[int], str] = "row {}".format) -> Values:
        """Read finite numbers, or texts that are one, as CSV has them; booleans are refused."""
        targets = np.empty(len(values), dtype=np.float64)
        for row, value in enumerate(values):
            number = _number(value)
            if number is None:
                raise DataError(
                    "a label is missing" if is_missing(value) else "a label is not a number",
                    given=value,
                    allowed="a finite number",
                    where=f"{row_name(row)}, {where}",
                )
            targets[row] = number
        return targets

    def check_targets(self, targets: Values, *, scored: bool, where: str) -> str | None:
        """Refuse a split with a single number: no correlation is defined for it."""
        del scored
        return super().check_targets(targets, scored=False, where=where)

    def decode(self, outputs: Outputs) -> Values:
        """Take the predicted number as it is."""
        return np.asarray(outputs[:, 0], dtype=np.float64)

    def row_losses(self, outputs: Outputs, references: Values) -> Values:
        """Squared error."""
        return np.asarray((outputs.astype(np.float64)[:, 0] - references) ** 2)

    def collapsed(self, predictions: Values, references: Values) -> bool:
        """Whether every prediction is the same number, for which no correlation is defined. So is a diverged run's."""
        del references
        return bool(np.ptp(predictions) == 0)

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


def _number(value: Any) -> float | None:
    """A finite number, or a text that is one; None for anything else."""
    if isinstance(value, str):
        number = float(value) if _NUMBER.fullmatch(value) else None
    else:
        known = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        number = float(value) if known and not (isinstance(value, int) and abs(value) >= _TOO_LARGE) else None
    return number if number is not None and np.isfinite(number) else None
