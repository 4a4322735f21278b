"""The claims of a session as a table, and the scenarios that were not run, each with its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import pytest

__all__ = ["ClaimLine", "Record", "aligned", "closing", "plain", "write"]

_HEADINGS = ("verdict", "scenario", "claim", "measured", "interval", "runs", "detectable_drop, or reason")
_COLOURS = {"PASS": {"green": True}, "FAIL": {"red": True}, "UNDECIDED": {"yellow": True}}
_THREE_DECIMALS = 1000
_ASCII = str.maketrans(
    {
        "\N{MIDDLE DOT}": "-",
        "\N{EN DASH}": "-",
        "\N{EM DASH}": "-",
        "\N{MINUS SIGN}": "-",
        "\N{GREATER-THAN OR EQUAL TO}": ">=",
        "\N{LESS-THAN OR EQUAL TO}": "<=",
        "\N{PLUS-MINUS SIGN}": "+/-",
        "\N{MULTIPLICATION SIGN}": "x",
        "\N{RIGHTWARDS ARROW}": "->",
        "\N{HORIZONTAL ELLIPSIS}": "...",
    }
)


@dataclass(frozen=True, slots=True)
class ClaimLine:
    """One line of the table."""

    verdict: str
    scenario: str
    claim: str
    measured: str
    interval: str
    runs: str
    remark: str
    """What a PASS would have refused, or why the claim did not pass."""
    pass_rates: str = ""
    """How often such a claim passes; told once for all claims that share it."""

    @classmethod
    def of(cls, entry: Mapping[str, Any], *, title: str | None) -> Self:
        """The entry that a Then line left, under the title of its scenario, or its subject where it has none."""
        interval = entry.get("interval")
        return cls(
            verdict=str(entry["verdict"]),
            scenario=title or str(entry.get("subject", "")),
            claim=str(entry["claim"]),
            measured=_number(entry.get("value")),
            interval=f"[{_number(interval[0])}, {_number(interval[1])}]" if interval else "",
            runs=str(entry.get("origin") or ""),
            remark=" ".join(str(entry.get("reason") or entry.get("detectable_drop") or "").split()),
            pass_rates=str(entry.get("pass_rates") or ""),
        )

    def cells(self) -> tuple[str, ...]:
        """The line in the order of the headings."""
        return (self.verdict, self.scenario, self.claim, self.measured, self.interval, self.runs, self.remark)


@dataclass(slots=True)
class Record:
    """What a session has shown so far."""

    claims: list[ClaimLine] = field(default_factory=list)
    not_run: list[tuple[str, str]] = field(default_factory=list)
    """The reason and the title of each scenario that was left out."""
    tags: set[str] = field(default_factory=set)
    """The tags of all scenarios that were selected."""
    ran: int = 0
    """The tests that ran, other people's included."""
    unmet: list[str] = field(default_factory=list)
    """Requirements that nothing tested."""


def write(record: Record, reporter: pytest.TerminalReporter) -> None:
    """Write the record to the terminal; nothing where there is nothing to tell."""
    from bertspec.pytest_plugin.internals import encoding

    ascii_only = encoding(reporter).lower().replace("-", "").replace("_", "") not in ("utf8", "utf8sig")
    if record.claims:
        reporter.write_sep("=", "claims")
        rows = [_HEADINGS, *(claim.cells() for claim in record.claims)]
        for text in aligned([[plain(cell, ascii_only=ascii_only) for cell in row] for row in rows]):
            verdict, gap, rest = text.partition(" ")
            reporter.write(verdict, **_COLOURS.get(verdict, {}))
            reporter.write(f"{gap}{rest}\n")
        for words, count in Counter(claim.pass_rates for claim in record.claims if claim.pass_rates).items():
            each = "it" if count == 1 else "each"
            reporter.write_line(
                plain(f"pass_rates of {_counted(count, 'claim')}: {each} {words}", ascii_only=ascii_only)
            )
    if record.not_run:
        reporter.write_sep("=", "not run")
        for line in _reasons(record.not_run):
            reporter.write_line(plain(line, ascii_only=ascii_only))
    for line in record.unmet:
        reporter.write_line(plain(line, ascii_only=ascii_only), red=True)
    if record.claims or record.not_run:
        reporter.write_line(closing(record))


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells → lines whose columns start at the same place; columns without content are left out."""
    columns = [column for column in zip(*rows, strict=True) if any(column[1:])]
    widths = [max(map(len, column)) for column in columns]
    lines = zip(*columns, strict=True)
    return ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]


def closing(record: Record) -> str:
    """The session in one line."""
    verdicts = [claim.verdict for claim in record.claims]
    counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in _COLOURS)
    return f"{_counted(len(verdicts), 'claim')}: {counts}; {_counted(len(record.not_run), 'scenario')} not run"


def plain(text: str, *, ascii_only: bool) -> str:
    """The text on one line, in characters that the stream can show."""
    if not ascii_only:
        return text
    return text.translate(_ASCII).encode("ascii", "replace").decode("ascii")


def _reasons(not_run: Sequence[tuple[str, str]]) -> list[str]:
    lines = []
    for reason in dict.fromkeys(reason for reason, _ in not_run):
        titles = sorted(title for other, title in not_run if other == reason)
        lines += [f"{_counted(len(titles), 'scenario')}: {reason}", *(f"    {title}" for title in titles)]
    return lines


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if abs(value) < _THREE_DECIMALS else f"{value:,.0f}"
