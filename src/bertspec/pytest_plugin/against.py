"""``--against NAME``: what this session reached, compared with a baseline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from bertspec.errors import BertspecError
from bertspec.pytest_plugin.evidence import EvidenceTaker
from bertspec.pytest_plugin.summary import aligned

if TYPE_CHECKING:
    from bertspec.baselines import Baseline
    from bertspec.results import Compared

__all__ = ["Against"]

_HEADINGS = ("verdict", "study", "quantity", "then", "now", "change", "would have found", "remark")
_COLOURS = {"PASS": "green", "FAIL": "red", "UNDECIDED": "yellow"}


@dataclass(eq=False)
class Against:
    """The hooks of ``--against``; the baseline is read before anything is trained."""

    config: pytest.Config
    taker: EvidenceTaker

    def __post_init__(self) -> None:
        self.baseline = _read(self.config)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Compare, before the evidence is written; a regression fails the session."""
        if hasattr(self.config, "workerinput"):
            return
        from bertspec import baselines
        from bertspec.catalog import Catalog
        from bertspec.pytest_plugin.fixtures import store_root
        from bertspec.store import Store

        evidence, root = self.taker.evidence(self.config), self.config.rootpath
        studies = baselines.reached(evidence, Store(store_root(self.config)), Catalog.beside(root))
        self.taker.against = f"{self.baseline.name} of {self.baseline.made}"
        self.taker.compared = baselines.compare(
            (*self.baseline.studies, *self.baseline.timings), (*studies, *baselines.timed(evidence))
        )
        failed = any(each.outcome == "FAIL" for each in self.taker.compared)
        if failed and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show what became of every study, and what is not compared."""
        compared = self.taker.compared
        terminalreporter.write_sep("=", f"against {self.taker.against}")
        for line in aligned([_HEADINGS, *(_row(each) for each in compared)]):
            verdict, gap, rest = line.partition(" ")
            colour = _COLOURS.get(verdict)
            terminalreporter.write(verdict, **({colour: True} if colour else {}))
            terminalreporter.write(f"{gap}{rest}\n")
        found = sum(each.outcome == "FAIL" for each in compared)
        asked = sum(each.outcome != "UNDECIDED" for each in compared)
        terminalreporter.write_line(f"{asked} of {len(compared)} compared, {found} worse (Holm, 5 % over all of them)")
        if not any(study.accelerator for study in self.baseline.studies):
            terminalreporter.write_line("memory: not compared; only an accelerator counts that of one run alone")
        if not self.baseline.timings:
            terminalreporter.write_line("time: not compared; the baseline's session measured nothing in turns")


def _read(config: pytest.Config) -> Baseline:
    from bertspec import baselines

    try:
        return baselines.read(baselines.path_of(config.getoption("against"), config.rootpath))
    except BertspecError as error:
        raise pytest.UsageError(f"--against: {error}") from error


def _row(each: Compared) -> tuple[str, ...]:
    change = f"{each.interval[0]:+.4g} to {each.interval[1]:+.4g}" if each.interval else ""
    then, now, found = (f"{x:.4g}" if x is not None else "" for x in (each.then, each.now, each.smallest))
    return (each.outcome, each.title, each.quantity, then, now, change, f"-{found}" if found else "", each.reason or "")
