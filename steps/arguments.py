"""The words and tables of a step line → numbers, seeds, lengths, rules, fields and sweep parameters."""

from __future__ import annotations

import math
import re
import warnings
from collections import Counter
from typing import Any, cast, get_args

from bertspec.config import MOST_SEEDS
from bertspec.documents import parse_yaml
from bertspec.errors import FormerName, InvalidConfig
from bertspec.statistics import Rule

__all__ = ["fields", "lengths", "number", "parameters", "rule", "seeds"]

_SEED_RANGE = re.compile(r"(\d+)\s+to\s+(\d+)", re.ASCII)
_RANGE = re.compile(r"(?P<low>\S+)\s+to\s+(?P<high>\S+?)(?P<log>,?\s+on a log scale)?")
_SEEDS = ("seeds", "confirmation_seeds")
_LONGEST_SEED = 10
"""Digits; 2**32 has as many."""


def seeds(words: str) -> tuple[int, ...]:
    """``1 to 3``, or ``1, 2 and 5`` → the seeds in that order.

    Raises:
        InvalidConfig: the words are neither, or name more than 1,000 seeds.
    """
    match = _SEED_RANGE.fullmatch(words.strip())
    parts = list(match.groups()) if match else _listed(words)
    if not parts or not all(_is_whole(part) for part in parts):
        raise InvalidConfig("the seeds are not understood", given=words, allowed="'1 to 3', or '1, 2 and 5'")
    numbers = [int(part) for part in parts]
    if match and numbers[0] > numbers[1]:
        allowed = f"'{numbers[1]} to {numbers[0]}'"
        raise InvalidConfig("the first seed is above the last one", given=words, allowed=allowed)
    count = numbers[1] - numbers[0] + 1 if match else len(numbers)
    if count > MOST_SEEDS:
        raise InvalidConfig("these are too many seeds", given=f"{words} ({count:,})", allowed=f"up to {MOST_SEEDS:,}")
    return tuple(range(numbers[0], numbers[1] + 1)) if match else tuple(numbers)


def lengths(words: str) -> tuple[int, ...]:
    """``64``, or ``8, 32 and 64`` → the lengths in that order.

    Raises:
        InvalidConfig: the words are neither.
    """
    parts = _listed(words)
    if not parts or not all(_is_whole(part) for part in parts):
        raise InvalidConfig("the lengths are not understood", given=words, allowed="'64', or '8, 32 and 64'")
    return tuple(int(part) for part in parts)


def number(word: str) -> float:
    """``1.2`` → the number.

    Raises:
        InvalidConfig: it is no finite number.
    """
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InvalidConfig("this is not a number", given=word, allowed="a number, such as 0.9")
    return value


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
        InvalidConfig: a row does not have two cells, a cell is empty, a field stands twice, or a value is not YAML.
    """
    return {field: _read(field, value) for field, value in _rows(table, ["field", "value"])}


def parameters(table: list[list[str]]) -> dict[str, dict[str, Any]]:
    """A table of parameters and their values → parameters as a sweep file has them.

    ``adam, adamw`` lists values. ``0.1 to 10`` is a range, and ``0.1 to 10 on a log scale`` a range in which every
    decade is equally likely. A single value is fixed. ``seeds`` and ``confirmation_seeds`` are lists of seeds.

    Raises:
        InvalidConfig: a row does not have two cells, a cell is empty, a parameter stands twice, or a value is not YAML.
    """
    rows = _rows(table, ["parameter", "values"])
    return {name: {"value": list(seeds(cell))} if name in _SEEDS else _values(name, cell) for name, cell in rows}


def _rows(table: list[list[str]], header: list[str]) -> list[list[str]]:
    if any(len(row) != 2 for row in table):
        raise InvalidConfig("the table must have two columns", given=table[0], allowed=f"| {' | '.join(header)} |")
    rows = table[1:] if table[0] == header else table
    for name, cell in rows:
        if not name or not cell:
            raise InvalidConfig("a cell is empty", given=f"| {name} | {cell} |", allowed=f"a {header[1].rstrip('s')}")
    twice = [name for name, times in Counter(name for name, _ in rows).items() if times > 1]
    if twice:
        raise InvalidConfig(f"a {header[0]} stands twice in the table", given=", ".join(twice))
    return rows


def _values(name: str, cell: str) -> dict[str, Any]:
    if match := _RANGE.fullmatch(cell.strip()):
        ends = {"min": _read(name, match["low"]), "max": _read(name, match["high"])}
        return {**ends, **({"distribution": "log_uniform_values"} if match["log"] else {})}
    parts = cell.split(",")
    if not all(part.strip() for part in parts):
        raise InvalidConfig("a value between two commas is empty", given=cell)
    listed = [_read(name, part) for part in parts]
    return {"values": listed} if len(listed) > 1 else {"value": listed[0]}


def _read(name: str, word: str) -> Any:
    return parse_yaml(word, what=f"the value of {name}")


def _is_whole(word: str) -> bool:
    return word.isascii() and word.isdecimal() and len(word) <= _LONGEST_SEED


def _listed(words: str) -> list[str]:
    return [part for part in re.split(r"\s*,\s*|\s+and\s+|\s+", words.strip()) if part]
