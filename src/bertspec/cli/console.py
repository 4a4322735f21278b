"""Output for a terminal, for a pipe and as JSON."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["count", "show_json", "show_lines", "show_table", "table"]

_WIDE = 10_000
"""Columns without a terminal: a pipe gets whole lines, neither cut nor folded."""


def table(*columns: str, numbers: Sequence[str] = ()) -> Table:
    """An empty table. Columns named in ``numbers`` are aligned right; without column names it has no header."""
    from rich import box
    from rich.table import Table

    empty = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, show_header=any(columns))
    for name in columns:
        empty.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    return empty


def show_table(table: Table, *, fold: bool = False) -> None:
    """Write a table to standard output: in colour on a terminal (unless NO_COLOR is set), as plain text elsewhere.

    Args:
        table: the table.
        fold: fold long cells to the width of a terminal. For prose only: a folded name cannot be copied.
    """
    from rich.console import Console

    if sys.stdout.isatty():
        Console(width=None if fold else _WIDE, highlight=False, markup=False, emoji=False).print(table)
        return
    plain = Console(file=io.StringIO(), width=_WIDE, color_system=None, highlight=False, markup=False, emoji=False)
    with plain.capture() as text:
        plain.print(table)
    show_lines(*(line.rstrip() for line in text.get().splitlines()))


def show_lines(*lines: str) -> None:
    """Write lines to standard output."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def show_json(value: Any) -> None:
    """Write one JSON document to standard output; NaN and infinity, which JSON lacks, become null."""
    try:
        text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    except ValueError:
        text = json.dumps(json.loads(json.dumps(value), parse_constant=lambda _: None), indent=1, ensure_ascii=False)
    sys.stdout.write(f"{text}\n")


def count(number: int, noun: str) -> str:
    """``1 run``, ``2 runs``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
