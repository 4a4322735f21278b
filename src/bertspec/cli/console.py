"""How results reach a terminal, a pipe, and a machine."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["show_json", "show_lines", "show_table", "table"]

_WIDE = 10_000
"""Columns where no terminal says how many it has: nothing is cut or folded in a pipe."""


def table(*columns: str, numbers: Sequence[str] = ()) -> Table:
    """An empty table; the columns named in ``numbers`` are set flush right. Without names it has no head."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, show_header=any(columns))
    for name in columns:
        made.add_column(name, justify="right" if name in numbers else "left", overflow="fold")
    return made


def show_table(made: Table, *, fold: bool = False) -> None:
    """Write a table to standard output: in colour on a terminal (unless NO_COLOR is set), plain elsewhere.

    Args:
        made: the table.
        fold: fold long cells to the width of a terminal, for prose; a name in two pieces cannot be copied.
    """
    from rich.console import Console

    if sys.stdout.isatty():
        Console(width=None if fold else _WIDE, highlight=False, markup=False, emoji=False).print(made)
        return
    plain = Console(file=io.StringIO(), width=_WIDE, color_system=None, highlight=False, markup=False, emoji=False)
    with plain.capture() as text:
        plain.print(made)
    show_lines(*(line.rstrip() for line in text.get().splitlines()))


def show_lines(*lines: str) -> None:
    """Write lines to standard output."""
    sys.stdout.write("".join(f"{line}\n" for line in lines))


def show_json(value: Any) -> None:
    """Write one JSON document to standard output. What is not a finite number becomes null: JSON has no word for it."""
    try:
        text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    except ValueError:
        text = json.dumps(json.loads(json.dumps(value), parse_constant=lambda _: None), indent=1, ensure_ascii=False)
    sys.stdout.write(f"{text}\n")
