"""The columns of a split → texts and targets that fit the task, or an error."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertspec.config import TaskConfig
from bertspec.errors import DataError
from bertspec.sources.tables import Table

__all__ = ["Examples", "read"]


@dataclass(frozen=True, slots=True)
class Examples:
    """The examples of one split, in row order."""

    texts: list[str]
    pairs: list[str] | None
    """The second texts; None for a task of single texts."""
    labels: NDArray[np.float64]
    """The head's targets, shape (examples,): class numbers, or numbers to regress."""

    def __len__(self) -> int:
        return len(self.texts)


def read(table: Table, task: TaskConfig, split: str) -> Examples:
    """Check every row of a split against its task.

    Raises:
        DataError: the split is empty, a text is empty or missing, or a label is outside the head.
    """
    where = f"split {split!r} of task {task.name!r}"
    if not table[task.text]:
        raise DataError("the split is empty", allowed="at least one row", where=where)
    return Examples(
        texts=_texts(table[task.text], task.text, where),
        pairs=None if task.text_pair is None else _texts(table[task.text_pair], task.text_pair, where),
        labels=task.task_head.targets(table[task.label], where=f"column {task.label!r}, {where}"),
    )


def _texts(values: Sequence[Any], column: str, where: str) -> list[str]:
    for row, value in enumerate(values):
        if not isinstance(value, str) or not value.strip():
            problem = "a text is empty" if isinstance(value, str) else "a text is missing"
            raise DataError(problem, given=value, allowed="some text", where=f"row {row}, column {column!r}, {where}")
    return list(values)
