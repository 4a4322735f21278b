"""Which step definition answers to which step: none, one, or too many."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from bertspec.pytest_plugin.document import Problem
from bertspec.pytest_plugin.internals import Definition

__all__ = ["AnyStep", "ambiguous", "close_matches", "givers", "undefined"]

_VALUE = re.compile(r"\{[^{}]*\}|\"[^\"]*\"|\(\?P<[^()]*\)|[-+]?\d[\d.,]*")


class AnyStep(Protocol):
    """The part of a pytest-bdd step that is looked at."""

    type: str
    name: str
    keyword: str
    line_number: int


def undefined(steps: Iterable[AnyStep], definitions: Sequence[Definition]) -> Iterator[Problem]:
    """Steps that no definition answers to, with the texts that come close."""
    for step in steps:
        if not any(d.matches(step.type, step.name) for d in definitions):
            text = f"undefined step: {step.keyword} {step.name}"
            yield Problem(step.line_number, text + close_matches(step, definitions))


def ambiguous(steps: Iterable[AnyStep], definitions: Sequence[Definition]) -> Iterator[Problem]:
    """Steps that two definitions answer to.

    The same text once more, in a conftest nearer to the feature file or in place of one of ours, is no
    accident: it overrides.
    """
    for step in steps:
        found = [d for d in definitions if d.matches(step.type, step.name)]
        levels = {(d.visible_from, d.module) for d in found}
        if len({d.pattern for d in found}) > 1 or len(levels) < len(found):
            listed = ", ".join(f"{d.pattern!r} ({d.where})" for d in found)
            yield Problem(
                step.line_number, f"{len(found)} step definitions match: {step.keyword} {step.name}; they are {listed}"
            )


def close_matches(step: AnyStep, definitions: Sequence[Definition]) -> str:
    """The known texts that come close to a step, as the end of a message; empty where none does."""
    known = {_skeleton(d.pattern): d.pattern for d in definitions if d.kind in (None, step.type)}
    close = difflib.get_close_matches(_skeleton(step.name), known, n=3, cutoff=0.6)
    if not close:
        return ""
    return "; did you mean " + " or ".join(f"'{step.keyword} {known[one]}'" for one in close) + "?"


def givers(name: str, definitions: Sequence[Definition]) -> list[str]:
    """The first steps, at most three, that make what later steps find under that name."""
    return [f"'{(d.kind or 'given').title()} {d.pattern}'" for d in definitions if d.gives == name][:3]


def _skeleton(text: str) -> str:
    """A step without its values, so that a pattern and a text that it nearly matches look alike."""
    return _VALUE.sub("_", text.replace('"{', "{").replace('}"', "}"))
