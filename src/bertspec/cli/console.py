"""Output for a terminal, for a pipe and as JSON; :func:`bertspec.printing.printable` escapes what others wrote."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from bertspec.printing import printable, printable_json

__all__ = ["Table", "show_json", "show_lines", "show_table", "table"]

_WIDE = 10_000
"""Columns of a terminal for cells that are not folded."""
_STYLED_ROWS = 1_000
"""Longer tables have no styles: rich takes a millisecond for each row."""
_GAP = "   "


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells; every cell is shown on one line."""

    columns: tuple[str, ...]
    numbers: frozenset[str]
    """The columns that are aligned right."""
    rows: list[tuple[tuple[str, ...], str]] = field(default_factory=list)
    """The cells of each row, and its style."""
    sections: set[int] = field(default_factory=set)
    """The numbers of the rows after which an empty line follows."""

    def add_row(self, *cells: str, style: str = "") -> None:
        """Add a row; a missing cell at its end is empty."""
        filled = (*cells, *[""] * (len(self.columns) - len(cells)))
        self.rows.append((tuple(printable(cell) for cell in filled), style))

    def add_section(self) -> None:
        """End a group of rows."""
        self.sections.add(len(self.rows) - 1)


def table(*columns: str, numbers: Sequence[str] = ()) -> Table:
    """An empty table. Columns named in ``numbers`` are aligned right; without column names it has no header."""
    return Table(tuple(printable(name) for name in columns), frozenset(printable(name) for name in numbers))


def show_table(table: Table, *, fold: bool = False) -> None:
    """Write a table to standard output: in colour on a terminal (unless NO_COLOR is set), as plain text elsewhere.

    Args:
        table: the table.
        fold: fold long cells to the width of a terminal. For prose only: a folded name cannot be copied.
    """
    if sys.stdout.isatty() and len(table.rows) <= _STYLED_ROWS:
        _show_styled(table, fold=fold)
    else:
        show_lines(*_plain(table))


def show_lines(*lines: str, keep: str = "") -> None:
    """Write lines to standard output.

    Args:
        lines: the lines.
        keep: control characters that are the writer's own, such as the tabs between columns.
    """
    sys.stdout.write("".join(f"{printable(line, keep=keep)}\n" for line in lines))


def show_json(value: Any) -> None:
    """Write one JSON document to standard output; NaN and infinity, which JSON lacks, become null."""
    try:
        text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    except ValueError:
        text = json.dumps(json.loads(json.dumps(value), parse_constant=lambda _: None), indent=1, ensure_ascii=False)
    sys.stdout.write(f"{printable_json(text)}\n")


def score(value: float) -> str:
    """A score with four decimals; NaN is one that is not defined."""
    return "not defined" if math.isnan(value) else f"{value:.4f}"


def _show_styled(table: Table, *, fold: bool) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table as StyledTable

    styled = StyledTable(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, show_header=any(table.columns))
    for name in table.columns:
        styled.add_column(name, justify="right" if name in table.numbers else "left", overflow="fold")
    for number, (cells, style) in enumerate(table.rows):
        styled.add_row(*cells, style=style or None, end_section=number in table.sections)
    Console(width=None if fold else _WIDE, highlight=False, markup=False, emoji=False).print(styled)


def _plain(table: Table) -> Iterator[str]:
    """The lines of a table as rich draws them, without styles."""
    header = [table.columns] * any(table.columns)
    rows = [*header, *(cells for cells, _ in table.rows)]
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]
    right = [name in table.numbers for name in table.columns]

    def line(cells: tuple[str, ...]) -> str:
        padded = (
            " " * (width - _width(cell)) + cell if number else cell + " " * (width - _width(cell))
            for cell, width, number in zip(cells, widths, right, strict=True)
        )
        return _GAP.join(padded).rstrip()

    if header:
        yield line(table.columns)
        yield "─" * (sum(widths) + len(_GAP) * (len(widths) - 1))
    for number, (cells, _) in enumerate(table.rows):
        yield line(cells)
        if number in table.sections and number < len(table.rows) - 1:
            yield ""


def _width(cell: str) -> int:
    """The columns of a terminal that a cell takes."""
    if cell.isascii():
        return len(cell)
    from rich.cells import cell_len

    return cell_len(cell)
