"""The interface of a task head: everything that depends on the kind of task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from bertspec.errors import DataError

__all__ = ["HardRow", "Outputs", "Prediction", "TaskHead", "Values", "is_missing"]

Outputs = NDArray[np.float32]
"""What the model returns, one row per example."""
Values = NDArray[np.float64]
"""Targets or predictions, one entry per example."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """A prediction for one example, as people and other programs read it."""

    label: str | None
    """The most likely class; None where a number is predicted."""
    value: float
    """The probability of that class, or the predicted number."""
    probabilities: dict[str, float] = field(default_factory=dict)
    """Class → probability, for every class; empty where a number is predicted."""

    def columns(self) -> tuple[str, ...]:
        """The prediction as columns of a tab-separated line."""
        return (*([] if self.label is None else [self.label]), f"{self.value:.4f}")

    def as_json(self) -> dict[str, Any]:
        """The prediction as plain values."""
        return {"label": self.label, "value": self.value, "probabilities": self.probabilities}


@dataclass(frozen=True, slots=True)
class HardRow:
    """A row that most seeds predicted wrongly, or that they missed by the most."""

    row: int
    """The row's number in the evaluation split, from 0."""
    reference: str
    prediction: str
    """The most frequent wrong class, or the mean prediction over the seeds."""
    miss: str
    """How many seeds were wrong, or by how much they were."""


@dataclass(frozen=True)
class TaskHead(ABC):
    """One kind of task: its columns, targets, losses, metrics and predictions.

    A subclass is a frozen dataclass. Its fields are those parts of a task that only this kind has, and its
    ``__post_init__`` raises ValueError where they do not fit. :func:`bertspec.heads.register` makes it known by its
    name.

    Outputs, targets and predictions have the examples along their first axis. A kind with several targets per example
    (a label per token, say) overrides what works on single entries; everything outside calls these methods only, and
    resamples whole examples.
    """

    name: ClassVar[str]
    """The word for ``head:`` in a task's YAML file."""
    losses: ClassVar[tuple[str, ...]]
    """The losses of :mod:`bertspec.losses` that can train it; the first is the default."""
    metrics: ClassVar[tuple[str, ...]]
    """The metrics of :mod:`bertspec.metrics` that can score its predictions."""
    collapse: ClassVar[str | None] = None
    """The rule by which a run counts as collapsed, in words; None if this kind has no rule."""

    auto_class: ClassVar[str] = "AutoModelForSequenceClassification"
    """The transformers class that builds the model."""
    reads: ClassVar[Literal["first", "all"]] = "first"
    """The encoder states that the head reads: of the first token, or of every token. ``first`` lets a packed batch drop
    the others after the last attention."""
    narrows_vocabulary: ClassVar[bool] = True
    """Whether training may leave out the word embeddings that occur in no example; not where they are also outputs."""

    @property
    @abstractmethod
    def width(self) -> int:
        """The model's outputs per example."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the outputs; empty where there are no classes."""
        return ()

    @property
    def output_names(self) -> tuple[str, ...]:
        """A table heading for each output."""
        return tuple(f"output {name}" for name in self.class_names) or ("output",)

    @abstractmethod
    def targets(self, values: Sequence[Any], *, where: str, row_name: Callable[[int], str] = "row {}".format) -> Values:
        """Read a column of labels; one target per row.

        Args:
            values: the column, as the data set has it.
            where: the column, split and task, for the message.
            row_name: names a row by its number, for the message.

        Raises:
            DataError: a value does not fit; the message names the first such row.
        """

    def refuse_ambiguous(self, values: Iterable[Any], *, where: str) -> None:
        """Refuse labels of a whole data set, all of them together, that can be read in two ways.

        Args:
            values: the labels of all splits, each of which fits.
            where: the column and the task, for the message.

        Raises:
            DataError: they can be read in two ways.
        """
        del values, where

    def translated(self, values: Sequence[Any], names: Sequence[str], *, where: str) -> list[Any]:
        """The same column, with class numbers of the data set replaced by names if they are not those of the task.

        Args:
            values: the column.
            names: the data set's own names for its classes, in the order of its numbers.
            where: the column, split and task, for the message.

        Raises:
            DataError: these are not the classes of the task.
        """
        del names, where
        return list(values)

    def check_targets(self, targets: Values, *, scored: bool, where: str) -> str | None:
        """Check that the targets of a split differ.

        Args:
            targets: shape (examples,), at least one.
            scored: whether the split is scored, not trained on.
            where: the column, split and task, for the message.

        Returns:
            A note for the user about a split that can be used but says little, or None.

        Raises:
            DataError: nothing can be learned from them.
        """
        if len(np.unique(targets)) > 1:
            return None
        given = self.shown(float(targets[0]))
        if scored:
            return f"every row has the label {given!r}: {where}"
        raise DataError("every label is the same", given=given, allowed="rows of at least two labels", where=where)

    @abstractmethod
    def decode(self, outputs: Outputs) -> Values:
        """Turn outputs of shape (examples, width) into one prediction per example."""

    @abstractmethod
    def row_losses(self, outputs: Outputs, references: Values) -> Values:
        """Compute the default loss of every example in fp64; shape (examples,)."""

    def collapsed(self, predictions: Values, references: Values) -> bool:
        """Whether a model learned nothing, by the rule that ``collapse`` puts in words."""
        del predictions, references
        return False

    @abstractmethod
    def shown(self, value: float) -> str | float:
        """One target or prediction as tables show it: a class by its name."""

    @abstractmethod
    def predictions(self, outputs: Outputs) -> list[Prediction]:
        """Predictions to show, one per row of outputs of shape (examples, width)."""

    def confusion(self, references: Values, predictions: Values) -> tuple[tuple[int, ...], ...]:
        """Count references (rows) by predictions (columns), summed over seeds; empty where there are no classes.

        Args:
            references: shape (examples,).
            predictions: shape (seeds, examples).
        """
        del references, predictions
        return ()

    @abstractmethod
    def hardest(self, references: Values, predictions: Values, *, most: int) -> list[HardRow]:
        """List the rows that the seeds predicted worst, the worst first.

        Args:
            references: shape (examples,).
            predictions: shape (seeds, examples).
            most: rows at most.
        """


def is_missing(value: object) -> bool:
    """Whether a cell is empty: None, not a number, or text without a character."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or (isinstance(value, float | np.floating) and bool(np.isnan(value)))
