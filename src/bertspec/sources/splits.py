"""What is done to the rows of a task before they are used: the tuning split, and sabotage."""

from __future__ import annotations

import hashlib
import json
import random
from typing import Any

from bertspec.config import TaskConfig
from bertspec.errors import DataError

__all__ = ["sabotage", "tuning"]

Table = dict[str, list[Any]]

_SHUFFLE_SEED = 0
_MARK = ". "
"""Every tokenizer has it, that of the generated tasks too."""


def tuning(task: TaskConfig, train: Table) -> tuple[list[int], list[int]]:
    """Divide the training rows into those that are trained on and those that are scored, on which settings are chosen.

    Rows of the same text stay together, so that nothing is scored that was trained on. The hash of a text decides
    whether it is scored: the same texts on any machine, in whatever order the rows are, and a larger share scores the
    same texts and more.

    Returns:
        The row numbers of both parts, ascending.

    Raises:
        DataError: one of the two parts has no row.
    """
    assert task.tuning_share is not None  # noqa: S101 - the caller has checked it
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


def sabotage(task: TaskConfig, train: Table, evaluation: Table) -> tuple[Table, Table]:
    """Spoil the two splits as ``task.sabotage`` says, so that a claim about them must not pass.

    - ``None``: both splits stay as they are.
    - ``shuffled labels``: training labels are permuted, so that there is nothing to learn.
    - ``leaked labels``: each text is prefixed with one mark for label 0, two for label 1, and so on, noise included.
    - ``scored on training rows``: the evaluation split becomes the first rows of the training split.
    """
    if task.sabotage == "shuffled labels":
        labels = list(train[task.label])
        random.Random(_SHUFFLE_SEED).shuffle(labels)  # noqa: S311 - reproducible, not secret
        return {**train, task.label: labels}, evaluation
    if task.sabotage == "leaked labels":
        return _marked(task, train), _marked(task, evaluation)
    if task.sabotage == "scored on training rows":
        rows = len(evaluation[task.label])
        return train, {column: values[:rows] for column, values in train.items()}
    return train, evaluation


def _marked(task: TaskConfig, table: Table) -> Table:
    known = {value: number for number, value in enumerate(sorted(set(table[task.label]), key=str))}
    pairs = zip(table[task.text], table[task.label], strict=True)
    return {**table, task.text: [_MARK * (1 + known[label]) + str(text) for text, label in pairs]}
