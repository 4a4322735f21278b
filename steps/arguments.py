"""What the words of a step line mean: seeds, numbers, tables."""

from __future__ import annotations

import logging
import re
from typing import Any, cast, get_args

import yaml

from bertspec.errors import InvalidConfig
from bertspec.statistics import Rule

__all__ = ["fields", "lengths", "rule", "seeds"]

_log = logging.getLogger(__name__)

_RANGE = re.compile(r"(\d+)\s+to\s+(\d+)")


def seeds(words: str) -> tuple[int, ...]:
    """``1 to 3``, or ``1, 2 and 5`` → the seeds in that order.

    Raises:
        InvalidConfig: the words are neither.
    """
    if match := _RANGE.fullmatch(words.strip()):
        first, last = int(match[1]), int(match[2])
        return tuple(range(first, last + 1))
    parts = _listed(words)
    if not all(part.isdigit() for part in parts):
        raise InvalidConfig("the seeds are not understood", given=words, allowed="'1 to 3', or '1, 2 and 5'")
    return tuple(int(part) for part in parts)


def lengths(words: str) -> tuple[int, ...]:
    """``64``, or ``8, 32 and 64`` → the lengths in that order.

    Raises:
        InvalidConfig: the words are neither.
    """
    parts = _listed(words)
    if not parts or not all(part.isdigit() for part in parts):
        raise InvalidConfig("the lengths are not understood", given=words, allowed="'64', or '8, 32 and 64'")
    return tuple(int(part) for part in parts)


def rule(word: str) -> Rule:
    """The rule of that name; ``overlap``, as contamination was once called, still works with a warning.

    Raises:
        InvalidConfig: no rule has that name.
    """
    if word == "overlap":
        _log.warning('the rule "overlap" is now called "contamination": write "by its contamination" instead')
        return "contamination"
    if word not in get_args(Rule):
        raise InvalidConfig("no rule has that name", given=word, allowed=", ".join(get_args(Rule)))
    return cast("Rule", word)


def fields(table: list[list[str]]) -> dict[str, Any]:
    """A step's table of two columns, field and value → the fields, values read as YAML.

    Raises:
        InvalidConfig: a row has not two cells.
    """
    if any(len(row) != 2 for row in table):
        raise InvalidConfig("a table of fields has two columns", given=table[0], allowed="| field | value |")
    rows = table[1:] if table[0] == ["field", "value"] else table
    return {field: yaml.safe_load(value) for field, value in rows}


def _listed(words: str) -> list[str]:
    return [part for part in re.split(r"\s*,\s*|\s+and\s+|\s+", words.strip()) if part]
