"""Rows that are spoilt on purpose, so that a claim about them must not pass."""

from __future__ import annotations

import random
from typing import Any

from bertspec.config import TaskConfig

__all__ = ["applied"]

Table = dict[str, list[Any]]

_SHUFFLE_SEED = 0
_MARK = ". "
"""Every tokenizer knows it, those of the generated tasks too."""


def applied(task: TaskConfig, train: Table, evaluation: Table) -> tuple[Table, Table]:
    """The two splits with the task's sabotage done to them; untouched where it has none.

    ``shuffled labels``: training labels are dealt out at random, so that there is nothing to learn. ``leaked labels``:
    each text begins with as many marks as its own label has, noise included. ``scored on training rows``: the
    evaluation split is made of rows that are trained on.
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
