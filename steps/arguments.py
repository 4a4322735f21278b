"""The words and tables of a step line → seeds, lengths, rules, fields and sweep parameters."""

from __future__ import annotations

import re
import warnings
from typing import Any, cast, get_args

import yaml

from bertspec.errors import FormerName, InvalidConfig
from bertspec.statistics import Rule

__all__ = ["fields", "lengths", "parameters", "rule", "seeds"]

_SEED_RANGE = re.compile(r"(\d+)\s+to\s+(\d+)")
_RANGE = re.compile(r"(?P<low>\S+)\s+to\s+(?P<high>\S+?)(?P<log>,?\s+on a log scale)?")
_SEEDS = ("seeds", "confirmation_seeds")


def seeds(words: str) -> tuple[int, ...]:
    """``1 to 3``, or ``1, 2 and 5`` → the seeds in that order.

    Raises:
        InvalidConfig: the words are neither.
    """
    if match := _SEED_RANGE.fullmatch(words.strip()):
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
        message = 'the rule "overlap" is now called "contamination": write "by its contamination" instead'
        warnings.warn(message, FormerName, stacklevel=1)
        return "contamination"
    if word not in get_args(Rule):
        raise InvalidConfig("no rule has that name", given=word, allowed=", ".join(get_args(Rule)))
    return cast("Rule", word)


def fields(table: list[list[str]]) -> dict[str, Any]:
    """A table of fields and values → the fields, with values read as YAML.

    Raises:
        InvalidConfig: a row does not have two cells.
    """
    return {field: yaml.safe_load(value) for field, value in _rows(table, ["field", "value"])}


def parameters(table: list[list[str]]) -> dict[str, dict[str, Any]]:
    """A table of parameters and their values → parameters as a sweep file has them.

    ``adam, adamw`` lists values. ``0.1 to 10`` is a range, and ``0.1 to 10 on a log scale`` a range in which every
    decade is equally likely. A single value is fixed. ``seeds`` and ``confirmation_seeds`` are lists of seeds.

    Raises:
        InvalidConfig: a row does not have two cells, or a value is not YAML.
    """
    rows = _rows(table, ["parameter", "values"])
    return {name: {"value": list(seeds(cell))} if name in _SEEDS else _values(cell) for name, cell in rows}


def _rows(table: list[list[str]], header: list[str]) -> list[list[str]]:
    if any(len(row) != 2 for row in table):
        raise InvalidConfig("the table must have two columns", given=table[0], allowed=f"| {' | '.join(header)} |")
    return table[1:] if table[0] == header else table


def _values(cell: str) -> dict[str, Any]:
    if match := _RANGE.fullmatch(cell.strip()):
        ends = {"min": _read(match["low"]), "max": _read(match["high"])}
        return {**ends, **({"distribution": "log_uniform_values"} if match["log"] else {})}
    listed = [_read(part) for part in cell.split(",")]
    return {"values": listed} if len(listed) > 1 else {"value": listed[0]}


def _read(word: str) -> Any:
    try:
        value = yaml.safe_load(word)
    except yaml.YAMLError as broken:
        raise InvalidConfig(
            "the value is not understood", given=word, allowed="a word, a number, true or false"
        ) from broken
    try:
        return float(value) if isinstance(value, str) and re.match(r"[-+.\d]", value) else value
    except ValueError:
        return value


def _listed(words: str) -> list[str]:
    return [part for part in re.split(r"\s*,\s*|\s+and\s+|\s+", words.strip()) if part]
