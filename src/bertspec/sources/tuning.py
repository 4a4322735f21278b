"""The tuning split: the part of the training rows on which settings are chosen."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from bertspec.config import TaskConfig
from bertspec.errors import DataError

__all__ = ["parts"]

Table = dict[str, list[Any]]


def parts(task: TaskConfig, train: Table) -> tuple[list[int], list[int]]:
    """The numbers of the rows that are trained on, and of those that are scored, both rising.

    Rows of the same text stay together, so that nothing is scored that was trained on. Which texts are scored is
    decided by their hashes: the same ones on any machine, whatever the order of the rows, and with a larger share the
    same and more.

    Raises:
        DataError: the share leaves one of the two without a row.
    """
    assert task.tuning_share is not None  # noqa: S101 - the caller asks for a split
    columns = [column for column in (task.text, task.text_pair) if column is not None]
    groups: dict[str, list[int]] = {}
    for row, texts in enumerate(zip(*(train[column] for column in columns), strict=True)):
        groups.setdefault(json.dumps(texts, default=str), []).append(row)
    count = sum(map(len, groups.values()))
    wanted, scored = task.tuning_share * count, list[int]()
    for text in sorted(groups, key=lambda text: hashlib.sha256(text.encode()).digest()):
        if len(scored) + len(groups[text]) / 2 > wanted:
            break
        scored += groups[text]
    held = set(scored)
    trained = [row for row in range(count) if row not in held]
    if not (trained and scored):
        raise DataError(
            f"the tuning split of task {task.name!r} leaves nothing to {'score' if trained else 'train on'}",
            given=f"a share of {task.tuning_share} of {count} rows",
            where="tuning_share",
        )
    return trained, sorted(scored)
