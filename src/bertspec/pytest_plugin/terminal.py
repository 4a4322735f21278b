"""The summary at the end of a session: one line per scenario, what was not run, the baseline, the totals.

Lines are cut to the width of the terminal, if there is one, never wrapped. Claims stand under their scenario if it did
not pass. ``-v`` adds the claims of every scenario, what they would have refused and how often they pass; ``-q`` leaves
the totals.
"""

from __future__ import annotations

import math
import os
import shlex
import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bertspec.printing import printable

if TYPE_CHECKING:
    from bertspec.pytest_plugin.recording import AgainstBaseline, Recorder
    from bertspec.pytest_plugin.running import Running
    from bertspec.results import ClaimRecord, Compared, ScenarioRecord

__all__ = ["Summary", "Terminal", "bound", "cut", "fitted", "measured", "shorten", "totals", "verdict_of", "write"]

_COLOURS = {"PASS": {"green": True}, "FAIL": {"red": True}, "UNDECIDED": {"yellow": True}, "MISSING": {"red": True}}
_HEADINGS = ("verdict", "scenario", "measured", "bound", "seeds")
_BASELINE_HEADINGS = ("verdict", "study", "quantity", "before", "now", "change", "detectable drop")
_SIGNS = {"at least": "≥", "at most": "≤"}
_GAP = "  "
_INDENT = "    "
_NARROWEST = 12
"""A title is not cut to fewer characters."""
_WIDEST = 300
"""Longer lines are cut in any case."""
_ASCII = str.maketrans(
    {"·": "-", "–": "-", "—": "-", "−": "-", "≥": ">=", "≤": "<=", "±": "+/-", "×": "x", "→": "->", "…": "..."}
)


@dataclass(frozen=True, slots=True)
class Summary:
    """What the terminal shows of a session."""

    scenarios: Sequence[ScenarioRecord] = ()
    baseline: str | None = None
    """The name and date of the baseline of ``--against``."""
    compared: Sequence[Compared] = ()
    remarks: Sequence[str] = ()
    """What the comparison with the baseline leaves out."""
    problems: Sequence[str] = ()
    """Requirements that no scenario tested, and files that could not be written."""
    reports: Sequence[str] = ()
    """The reports that were written, or how to see one."""


@dataclass(eq=False)
class Terminal:
    """The hook that writes the summary."""

    running: Running
    recorder: Recorder
    against: AgainstBaseline | None = None

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Write the summary of the session."""
        write(self.summary(terminalreporter.config), terminalreporter)

    def summary(self, config: pytest.Config) -> Summary:
        """Return the summary; with ``--calibrate``, which judges nothing, only of what was not run."""
        recorder = self.recorder
        return Summary(
            scenarios=[each for each in recorder.shown() if recorder.keeps or each.outcome == "not run"],
            baseline=recorder.baseline,
            compared=recorder.compared,
            remarks=self.against.left_out() if self.against else (),
            problems=[
                *self.running.unmet,
                *filter(None, [recorder.problem, self.against.refusal if self.against else None]),
            ],
            reports=recorder.reports or _report_command(config, recorder),
        )


def write(summary: Summary, reporter: pytest.TerminalReporter) -> None:
    """Write the summary; nothing for a session without scenarios."""
    from bertspec.pytest_plugin.internals import encoding

    plain_encoding = encoding(reporter).lower().replace("-", "").replace("_", "") not in ("utf8", "utf8sig")
    page = _Page(
        reporter,
        width=_width(reporter),
        ascii_only=plain_encoding,
        verbosity=reporter.config.get_verbosity(),
    )
    if page.verbosity >= 0:
        page.scenarios([each for each in summary.scenarios if each.outcome != "not run"])
        page.not_run([each for each in summary.scenarios if each.outcome == "not run"])
    if summary.baseline:
        page.baseline(summary)
    for problem in summary.problems:
        reporter.write_line(page.plain(problem), red=True)
    if summary.scenarios:
        for line in totals(summary.scenarios, width=page.width):
            reporter.write_line(line)
        for report in summary.reports if page.verbosity >= 0 else ():
            reporter.write_line(page.plain(f"report: {report}"))


def _width(reporter: pytest.TerminalReporter) -> int:
    """The width of the terminal; lines for a file or a pipe are not cut, unless ``COLUMNS`` asks for a width."""
    fitted_to = reporter.isatty or "COLUMNS" in os.environ
    return reporter.config.get_terminal_writer().fullwidth if fitted_to else _WIDEST


@dataclass(frozen=True, slots=True)
class _Page:
    """The terminal: its width, its characters, and how much it is asked to show."""

    reporter: pytest.TerminalReporter
    width: int
    ascii_only: bool
    verbosity: int

    def scenarios(self, scenarios: Sequence[ScenarioRecord]) -> None:
        if not scenarios:
            return
        self.reporter.write_sep("=", "scenarios")
        rows = [self._cells(_HEADINGS), *(self._cells(_row(each, quantity=True)) for each in scenarios)]
        if _needed(rows) > self.width:
            rows[1:] = [self._cells(_row(each, quantity=False)) for each in scenarios]
        heading, *lines = fitted(rows, width=self.width, flexible=1, dots=self._dots)
        self._verdict_line(heading)
        for scenario, line in zip(scenarios, lines, strict=True):
            self._verdict_line(line)
            self._details(scenario)
        if self.verbosity > 0:
            self._pass_rates(scenarios)

    def not_run(self, scenarios: Sequence[ScenarioRecord]) -> None:
        if not scenarios:
            return
        self.reporter.write_sep("=", "not run")
        for reason, count in Counter(_one_line(each.reason or "") for each in scenarios).items():
            self._line(f"{_counted(count, 'scenario')}: {reason}")
            concerned = [each for each in scenarios if _one_line(each.reason or "") == reason]
            for feature, number in Counter(each.feature for each in concerned).items():
                self._line(f"{_INDENT}{number:>3}{_GAP}{feature}")
                if self.verbosity > 0:
                    for title in sorted(each.title for each in concerned if each.feature == feature):
                        self._line(f"{_INDENT}     {title}")

    def baseline(self, summary: Summary) -> None:
        compared = summary.compared
        worse, missing = ([each for each in compared if each.outcome == outcome] for outcome in ("FAIL", "MISSING"))
        shown = compared if self.verbosity >= 0 else [*worse, *missing]
        self.reporter.write_sep("=", f"against {summary.baseline}")
        rows = [self._cells(_BASELINE_HEADINGS), *(self._cells(_baseline_row(each)) for each in shown)]
        lines = fitted(rows, width=self.width, flexible=1, dots=self._dots)
        for each, line in zip([None, *shown], lines, strict=False):
            self._verdict_line(line)
            if each is not None and each.reason:
                self._line(f"{_INDENT}{_one_line(each.reason)}")
        decided = sum(each.outcome in ("PASS", "FAIL") for each in compared)
        counts = f"{len(worse)} worse" + (f", {len(missing)} missing" if missing else "")
        self._line(f"{decided} of {len(compared)} compared, {counts} (Holm, 5 % over all of them)")
        for remark in summary.remarks:
            self._line(remark)

    def plain(self, text: str) -> str:
        """The text in characters that the stream can show; what the terminal could act on is escaped."""
        text = printable(text)
        if not self.ascii_only:
            return text
        return text.translate(_ASCII).encode("ascii", "replace").decode("ascii")

    @property
    def _dots(self) -> str:
        return self.plain("…")

    def _details(self, scenario: ScenarioRecord) -> None:
        """The claims of a scenario that did not pass, or the error that stopped it; under ``-v`` all claims."""
        verdict = verdict_of(scenario)
        if verdict != "PASS" and all(claim.verdict == "PASS" for claim in scenario.claims):
            self._line(f"{_INDENT}{_one_line((scenario.reason or '').partition(chr(10))[0])}")
        if verdict == "PASS" and self.verbosity <= 0:
            return
        for claim in scenario.claims:
            self._verdict_line(cut(self.plain(f"{claim.verdict}{_GAP}{_claim(claim)}"), self.width - 4, self._dots), 4)
            if self.verbosity > 0:
                remarks = (claim.reason, claim.detectable_drop, claim.bound_source and f"bound: {claim.bound_source}")
                for remark in filter(None, remarks):
                    self._paragraph(_one_line(remark), indent=2 * _INDENT)
            elif claim.reason and claim.verdict != "PASS":
                self._line(f"{2 * _INDENT}{_one_line(claim.reason)}")

    def _pass_rates(self, scenarios: Sequence[ScenarioRecord]) -> None:
        """How often claims pass, once for all claims that share it."""
        shared = Counter(claim.pass_rates for each in scenarios for claim in each.claims if claim.pass_rates)
        for words, count in shared.items():
            self._paragraph(f"pass rates of {_counted(count, 'claim')}: {'it' if count == 1 else 'each'} {words}")

    def _cells(self, cells: Sequence[str]) -> tuple[str, ...]:
        return tuple(self.plain(cell) for cell in cells)

    def _line(self, text: str) -> None:
        self.reporter.write_line(cut(self.plain(text), self.width, self._dots))

    def _paragraph(self, text: str, *, indent: str = "") -> None:
        following = indent + _INDENT
        for line in textwrap.wrap(self.plain(text), self.width, initial_indent=indent, subsequent_indent=following):
            self.reporter.write_line(line)

    def _verdict_line(self, line: str, indent: int = 0) -> None:
        """Write a line whose first word is a verdict, and colour that."""
        verdict, gap, rest = line.partition(" ")
        self.reporter.write(" " * indent)
        self.reporter.write(verdict, **_COLOURS.get(verdict, {}))
        self.reporter.write(f"{gap}{rest}\n")


def verdict_of(scenario: ScenarioRecord) -> str:
    """Return the verdict of a scenario that ran: UNDECIDED if nothing but an open claim stopped it."""
    if scenario.outcome == "passed":
        return "PASS"
    verdicts = {claim.verdict for claim in scenario.claims}
    return "UNDECIDED" if "UNDECIDED" in verdicts and "FAIL" not in verdicts else "FAIL"


def measured(claim: ClaimRecord, *, quantity: bool = True) -> str:
    """Return what a claim measured: the value, and half of its 95 % interval if that is symmetric, else both ends.

    The text is empty if nothing was measured.
    """
    if math.isnan(claim.value):
        return ""
    from bertspec.statistics import estimate  # late: numpy takes a tenth of a second

    value = estimate(claim.value, claim.interval, claim.rule)
    return f"{claim.quantity} {value}" if quantity and claim.quantity else value


def bound(claim: ClaimRecord) -> str:
    """Return the bound of a claim with its sign, such as ``≥ 0.9``; of a denied claim, ``not ≥ 0.9``."""
    if claim.direction == "between":
        sign = f"{claim.bound:.4g}–{claim.upper:.4g}"
    else:
        sign = f"{_SIGNS[claim.direction]} {claim.bound:.4g}"
    return f"not {sign}" if claim.denied else sign


def totals(scenarios: Sequence[ScenarioRecord], *, width: int) -> list[str]:
    """Return the counts of scenarios and claims, in one line if it fits, else in two."""
    ran = [each for each in scenarios if each.outcome != "not run"]
    verdicts = [verdict_of(each) for each in ran]
    claims = [claim.verdict for each in scenarios for claim in each.claims]
    parts = [
        f"{_counted(len(scenarios), 'scenario')}: {_verdicts(verdicts)}, {len(scenarios) - len(ran)} not run",
        f"{_counted(len(claims), 'claim')}: {_verdicts(claims)}",
    ]
    line = "; ".join(parts)
    return [line] if len(line) <= width else parts


def fitted(rows: Sequence[Sequence[str]], *, width: int, flexible: int, dots: str = "…") -> list[str]:
    """Align rows of cells under their headings and fit them to a width; columns without content are left out.

    Args:
        rows: the headings, then the rows.
        width: the characters of a line; a longer one is cut at its end.
        flexible: the column whose cells are shortened in the middle.
        dots: what stands for the characters left out.
    """
    columns = [column for column in zip(*rows, strict=True) if any(column[1:])]
    flexible = len([column for column in list(zip(*rows, strict=True))[:flexible] if any(column[1:])])
    widths = [max(map(len, column)) for column in columns]
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - width
    if excess > 0 and widths:
        widths[flexible] = max(widths[flexible] - excess, _NARROWEST)
        columns[flexible] = tuple(shorten(cell, widths[flexible], dots) for cell in columns[flexible])
    lines = zip(*columns, strict=True)
    joined = [_GAP.join(cell.ljust(size) for cell, size in zip(line, widths, strict=True)).rstrip() for line in lines]
    return [cut(line, width, dots) for line in joined]


def shorten(text: str, width: int, dots: str = "…") -> str:
    """Shorten a text in its middle, so that its beginning and its end stay."""
    if len(text) <= width:
        return text
    kept = max(width - len(dots), 0)
    return text[: kept - kept // 2] + dots + text[len(text) - kept // 2 :]


def cut(text: str, width: int, dots: str = "…") -> str:
    """Shorten a text at its end."""
    return text if len(text) <= width else text[: max(width - len(dots), 0)].rstrip() + dots


def _report_command(config: pytest.Config, recorder: Recorder) -> list[str]:
    if not (recorder.keeps and recorder.scenarios) or recorder.problem:
        return []
    store = config.getoption("bertspec_store")
    return [shlex.join([_script(), "report", *(("--store", store) if store else ())])]


def _script() -> str:
    """The command ``bertspec``, with the path of its script if the shell would not find it."""
    script = Path(sys.executable).with_name("bertspec")
    if shutil.which("bertspec") or not script.exists():
        return "bertspec"
    return str(script.relative_to(Path.cwd()) if script.is_relative_to(Path.cwd()) else script)


def _row(scenario: ScenarioRecord, *, quantity: bool) -> tuple[str, ...]:
    """The cells of a scenario, by its first claim that did not pass, or its first claim."""
    verdict = verdict_of(scenario)
    leading = next((claim for claim in scenario.claims if claim.verdict != "PASS"), None)
    claim = leading or next(iter(scenario.claims), None)
    if claim is None:
        return (verdict, scenario.title, "", "", "")
    return (verdict, scenario.title, measured(claim, quantity=quantity), bound(claim), _runs(claim))


def _runs(claim: ClaimRecord) -> str:
    if not claim.values:
        return ""
    return f"{len(claim.values)} rounds" if claim.rule == "ratio" else str(len(claim.values))


def _claim(claim: ClaimRecord) -> str:
    from bertspec.statistics import number

    rule = claim.rule if claim.interval is None else None  # a mean that collapsed seeds overrule has an interval
    scores = ", ".join(number(value, rule) for value in claim.values)
    values = f" ({'rounds' if claim.rule == 'ratio' else 'seeds'} {scores})" if scores else ""
    origin = f"; {claim.origin}" if claim.origin else ""
    value = measured(claim, quantity=False)
    return claim.claim + (f": {value}{values}" if value else "") + origin


def _baseline_row(each: Compared) -> tuple[str, ...]:
    change = f"{each.interval[0]:+.4g} to {each.interval[1]:+.4g}" if each.interval else ""
    before, now, drop = (f"{x:.4g}" if x is not None else "" for x in (each.then, each.now, each.detectable_drop))
    return (each.outcome, each.title, each.quantity, before, now, change, drop)


def _needed(rows: Sequence[Sequence[str]]) -> int:
    """The width that rows take without being cut."""
    return sum(max(map(len, column)) + len(_GAP) for column in zip(*rows, strict=True)) - len(_GAP)


def _verdicts(verdicts: Sequence[str]) -> str:
    return ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in ("PASS", "FAIL", "UNDECIDED"))


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _one_line(text: str) -> str:
    return " ".join(text.split())
