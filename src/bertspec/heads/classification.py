"""Classification: one of several named classes per example."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from bertspec.errors import DataError
from bertspec.heads.protocol import HardRow, Outputs, Prediction, TaskHead, Values, is_missing

__all__ = ["Classification"]

_NUMBER = re.compile(r"\s*-?(0|[1-9]\d{0,14})(\.\d*)?\s*", re.ASCII)
_WORDS = {True: {"true", "yes", "y", "on", "t", "1"}, False: {"false", "no", "n", "off", "f", "0"}}
"""Class names that stand for true and false."""


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
            ValueError: there are fewer than two, one is empty, or one is named twice.
        """
        if len(self.labels) < 2:
            raise ValueError("a classification task names at least two labels")
        if len(set(self.labels)) != len(self.labels):
            raise ValueError("a label is named twice")
        if not all(label.strip() for label in self.labels):
            raise ValueError("a label is empty")

    @property
    def width(self) -> int:
        """One logit per class."""
        return len(self.labels)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The labels."""
        return self.labels

    def translated(self, values: Sequence[Any], names: Sequence[str], *, where: str) -> list[Any]:
        """Replace class numbers by names, where the data set's own names are in another order than the labels."""
        renamed = self._spelled(names)
        if renamed == list(self.labels):
            return list(values)
        if not set(renamed) & set(self.labels):
            if _are_numbers(names) or _are_numbers(self.labels):
                return list(values)
            raise DataError(
                "the data set has other names for its classes than the task",
                given=f"labels: {', '.join(self.labels)}",
                allowed=f"names of the data set: {', '.join(names)}",
                where=where,
            )
        return [_name_of(value, names, renamed) for value in values]

    def targets(self, values: Sequence[Any], *, where: str, row_name: Callable[[int], str] = "row {}".format) -> Values:
        """Read class numbers. A value that is the name of a class counts as that class, not as the number of another.

        It is the name whether it is text, a number or a truth value: ``1``, ``1.0`` and ``"1"`` are the class ``"1"``.
        """
        readings: dict[tuple[type, Any], _Reading] = {}
        for row, value in enumerate(values):
            key = _key(value)
            if key not in readings:
                readings[key] = self._reading(value, f"{row_name(row)}, {where}")
        self._refuse_mixture(readings.values())
        numbers = {key: reading.number for key, reading in readings.items()}
        return np.fromiter((numbers[_key(value)] for value in values), dtype=np.float64, count=len(values))

    def check_targets(self, targets: Values, *, scored: bool, where: str) -> str | None:
        """Refuse to train on one class; a note names the classes that are missing."""
        present = set(targets.astype(int).tolist())
        if len(present) < 2:
            return super().check_targets(targets, scored=scored, where=where)
        missing = [label for number, label in enumerate(self.labels) if number not in present]
        return f"no row has the label {' or '.join(map(repr, missing))}: {where}" if missing else None

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

    def _spelled(self, names: Sequence[str]) -> list[str]:
        """The names of a data set, spelled as the labels are where only the case differs."""
        spelling = {label.casefold(): label for label in self.labels}
        if len(spelling) < len(self.labels) or len({name.casefold() for name in names}) < len(names):
            return list(names)  # the case alone tells two names apart
        return [spelling.get(name.casefold(), name) for name in names]

    def _reading(self, value: Any, where: str) -> _Reading:
        """Read one value.

        Raises:
            DataError: it is missing, or no class.
        """
        missing = is_missing(value)  # str(None) could be the name of a class
        reading = _Reading(value, where, self._named(value), _number(value, len(self.labels)))
        if reading.number is not None and not missing:
            self._refuse_other_truth(reading)
            return reading
        hint = "" if missing else _only_differs(value, self.labels)
        raise DataError(
            "a label is missing" if missing else "unknown label",
            given=value,
            allowed=f"0 to {self.width - 1}, or one of {', '.join(self.labels)}{hint}",
            where=where,
        )

    def _named(self, value: Any) -> int | None:
        """The class whose name a value is; None if it is no name, or the name of several."""
        truth = isinstance(value, bool | np.bool_)
        if str(value) in self.labels and not truth:
            return self.labels.index(str(value))
        if truth:
            fitting = [at for at, label in enumerate(self.labels) if label.casefold() in _WORDS[bool(value)]]
        else:
            number = _as_float(value)
            fitting = [at for at, label in enumerate(self.labels) if number is not None and _as_float(label) == number]
        return fitting[0] if len(fitting) == 1 else None

    def _refuse_other_truth(self, reading: _Reading) -> None:
        """Refuse 0 and 1 that stand for a class by position, and for another one as false and true.

        Raises:
            DataError: the value can be read in two ways.
        """
        if reading.by_name is None and reading.by_number in (0, 1):
            other = self._named(bool(reading.by_number))
            if other not in (None, reading.by_number):
                raise DataError(
                    "a label can be read in two ways: as the number of a class, or as true or false",
                    given=reading.value,
                    allowed=f"the names of classes ({', '.join(self.labels)})",
                    where=reading.where,
                )

    def _refuse_mixture(self, readings: Iterable[_Reading]) -> None:
        """Refuse values of which some are only numbers, and others are names of other classes than their numbers.

        Raises:
            DataError: the column can be read in two ways.
        """
        only_number = next((each for each in readings if each.by_name is None), None)
        other = next((each for each in readings if each.by_number not in (None, each.number)), None)
        if only_number is not None and other is not None:
            raise DataError(
                "the labels can be read in two ways: as the names of classes, or as their numbers",
                given=f"{other.value!r} and {only_number.value!r}",
                allowed=f"names alone ({', '.join(self.labels)}), or numbers from 0 to {len(self.labels) - 1} of "
                "classes whose names are no numbers",
                where=f"{other.where}; and {only_number.where}",
            )

    def refuse_ambiguous(self, values: Iterable[Any], *, where: str) -> None:
        """Refuse class numbers that are also numbers in the names of other classes: 1 for the second, or ``1 star``."""
        numbers = [re.findall(r"\d{1,9}", label) for label in self.labels]
        if any(len(each) != 1 for each in numbers) or any(label.strip().isdigit() for label in self.labels):
            return
        named = {int(number): at for at, [number] in enumerate(numbers)}
        readings = (self._reading(value, where) for value in {_key(value): value for value in values}.values())
        unnamed = [each for each in readings if each.by_name is None]
        other = next((each for each in unnamed if named.get(each.number or 0) != each.number), None)
        if other is not None and all(each.number in named for each in unnamed) and len(named) == len(self.labels):
            raise DataError(
                "the labels can be read in two ways: as the numbers of classes, or as the numbers in their names",
                given=other.value,
                allowed=f"names ({', '.join(self.labels)}), or numbers from 0 that include 0",
                where=other.where,
            )


class _Reading(NamedTuple):
    """What a value stands for."""

    value: Any
    where: str
    by_name: int | None
    """The class of that name."""
    by_number: int | None
    """The class of that number."""

    @property
    def number(self) -> int | None:
        """The class; a name counts before a number."""
        return self.by_number if self.by_name is None else self.by_name


def _key(value: Any) -> tuple[type, Any]:
    """A key for a value, in which true, 1 and 1.0 differ."""
    return type(value), value if getattr(value, "__hash__", None) else repr(value)


def _as_float(value: Any) -> float | None:
    """A number, or a text that is one; None for anything else."""
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value) else None
    known = isinstance(value, int | float | np.number) and not isinstance(value, bool | np.bool_)
    return float(value) if known and abs(value) < 2**53 else None


def _number(value: Any, classes: int) -> int | None:
    """The class number that a value is, or None."""
    number = float(value) if isinstance(value, bool | np.bool_) else _as_float(value)
    return int(number) if number is not None and number in range(classes) else None


def _only_differs(value: Any, labels: Iterable[str]) -> str:
    """The end of a message on a text that looks like a label, and is none."""
    looks = {unicodedata.normalize("NFC", label.strip()).casefold(): label for label in labels}
    label = looks.get(unicodedata.normalize("NFC", str(value).strip()).casefold())
    return "" if label is None else f"; it differs from {label!r} only in case, blanks or Unicode form"


def _are_numbers(names: Sequence[str]) -> bool:
    return list(names) == [str(number) for number in range(len(names))]


def _name_of(value: Any, names: Sequence[str], renamed: Sequence[str]) -> Any:
    """The name of a value that is a name or a number of the data set; another value as it is."""
    if isinstance(value, str) and value in names:
        return renamed[names.index(value)]
    number = _number(value, len(names))
    return value if number is None else renamed[number]
