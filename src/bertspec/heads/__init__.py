"""Task heads: one small module for each kind of task, behind :class:`TaskHead`.

A new kind of task is a subclass, registered by its name; no other package asks which kind a task is. This package does
not use torch: a head names its losses and its transformers class, and the packages above look them up.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType

from bertspec.errors import UnknownName
from bertspec.heads.classification import Classification
from bertspec.heads.protocol import HardRow, Outputs, Prediction, TaskHead, Values, is_missing
from bertspec.heads.regression import Regression

__all__ = [
    "HEADS",
    "Classification",
    "HardRow",
    "Outputs",
    "Prediction",
    "Regression",
    "TaskHead",
    "Values",
    "build",
    "find",
    "is_missing",
    "register",
]

_HEADS: dict[str, type[TaskHead]] = {kind.name: kind for kind in (Classification, Regression)}
HEADS: Mapping[str, type[TaskHead]] = MappingProxyType(_HEADS)
"""Every kind of task by its name."""


def register(kind: type[TaskHead]) -> type[TaskHead]:
    """Add a kind of task, for this process; usable as a class decorator.

    Raises:
        ValueError: the name belongs to another kind.
    """
    if _HEADS.setdefault(kind.name, kind) is not kind:
        raise ValueError(f"the task head {kind.name!r} exists already: {_HEADS[kind.name].__qualname__}")
    return kind


def find(name: str, *, where: object = None) -> type[TaskHead]:
    """Look up a kind of task.

    Raises:
        UnknownName: no kind has that name.
    """
    if name not in HEADS:
        raise UnknownName("task head", name, HEADS, where=where)
    return HEADS[name]


def build(name: str, **fields: object) -> TaskHead:
    """Build the head of a task.

    Args:
        name: the kind of task.
        fields: the task's values for the fields that only some kinds have; empty values are left out.

    Raises:
        UnknownName: no kind has that name.
        ValueError: a value does not fit, or this kind has no such field.
    """
    kind, given = find(name), {field: value for field, value in fields.items() if value not in (None, ())}
    unknown = given.keys() - {field.name for field in dataclasses.fields(kind)}
    if unknown:
        raise ValueError(f"a {name} task has no {', '.join(sorted(unknown))}")
    return kind(**given)
