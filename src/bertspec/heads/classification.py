"""Classification: one of several named classes per example."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bertspec.errors import DataError
from bertspec.heads.protocol import HardRow, Outputs, Prediction, TaskHead, Values

__all__ = ["Classification"]


@dataclass(frozen=True)
class Classification(TaskHead):
    """Predicts one of several classes; a target is a class number."""

    labels: tuple[str, ...] = ()
    """The names of the classes, in the order of their numbers."""

    name: ClassVar[str] = "classification"
    losses: ClassVar[tuple[str, ...]] = ("cross_entropy",)
    metrics: ClassVar[tuple[str, ...]] = ("accuracy", "error_rate", "f1", "macro_f1", "matthews")
    collapse: ClassVar[str | None] = "one class only, or no better than the majority"

    def __post_init__(self) -> None:
        """Check the labels.

        Raises:
            ValueError: there are fewer than two, or one is named twice.
        """
        if len(self.labels) < 2:
            raise ValueError("a classification task names at least two labels")
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("a label is named twice")

    @property
    def width(self) -> int:
        """One logit per class."""
        return len(self.labels)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The labels."""
        return self.labels

    def targets(self, values: Sequence[Any], *, where: str) -> Values:
        """Read class numbers, from numbers or from names."""
        numbers = {label: number for number, label in enumerate(self.labels)}
        targets = np.empty(len(values), dtype=np.float64)
        for row, value in enumerate(values):
            number = _class_number(value, numbers)
            if number is None:
                raise DataError(
                    "a label is outside the head",
                    given=value,
                    allowed=f"0 to {len(self.labels) - 1}, or one of {', '.join(self.labels)}",
                    where=f"row {row}, {where}",
                )
            targets[row] = number
        return targets

    def decode(self, outputs: Outputs) -> Values:
        """Choose the most likely class."""
        return np.asarray(outputs.argmax(axis=1), dtype=np.float64)

    def row_losses(self, outputs: Outputs, references: Values) -> Values:
        """Cross-entropy of the logits."""
        logits = outputs.astype(np.float64)
        highest = logits.max(axis=1, keepdims=True)
        normal = highest[:, 0] + np.log(np.exp(logits - highest).sum(axis=1))
        return np.asarray(normal - logits[np.arange(len(logits)), references.astype(int)])

    def collapsed(self, predictions: Values, references: Values) -> bool:
        """Whether one class alone is predicted, or the majority class would be right as often.

        A run that diverged has zeros for outputs, and so one class only.
        """
        majority = np.unique(references, return_counts=True)[1].max() / len(references)
        return len(np.unique(predictions)) == 1 or bool((predictions == references).mean() <= majority)

    def shown(self, value: float) -> str:
        """The name of a class number."""
        return self.labels[int(value)]

    def predictions(self, outputs: Outputs) -> list[Prediction]:
        """The most likely class with the probability of each."""
        powers = np.exp(outputs.astype(np.float64) - outputs.max(axis=1, keepdims=True))
        shares = powers / powers.sum(axis=1, keepdims=True)
        return [
            Prediction(self.labels[best], float(row[best]), dict(zip(self.labels, row.tolist(), strict=True)))
            for best, row in zip(outputs.argmax(axis=1), shares, strict=True)
        ]

    def confusion(self, references: Values, predictions: Values) -> tuple[tuple[int, ...], ...]:
        """Count references by predictions, summed over the seeds."""
        counts = np.zeros((self.width, self.width), dtype=int)
        for seed in predictions:
            np.add.at(counts, (references.astype(int), seed.astype(int)), 1)
        return tuple(tuple(int(count) for count in row) for row in counts)

    def hardest(self, references: Values, predictions: Values, *, most: int) -> list[HardRow]:
        """List the rows that more than half of the seeds predicted wrongly."""
        wrong = (predictions != references).sum(axis=0)
        rows = [int(row) for row in np.argsort(-wrong, kind="stable")[:most] if wrong[row] > len(predictions) / 2]

        def usual(row: int) -> str:
            others = Counter(int(one) for one in predictions[:, row] if one != references[row])
            return self.labels[others.most_common(1)[0][0]]

        return [
            HardRow(row, self.shown(references[row]), usual(row), f"{wrong[row]} of {len(predictions)} seeds")
            for row in rows
        ]


def _class_number(value: Any, numbers: dict[str, int]) -> int | None:
    if isinstance(value, str):
        return numbers.get(value)
    if isinstance(value, bool | int | np.integer) and 0 <= int(value) < len(numbers):
        return int(value)
    return None
