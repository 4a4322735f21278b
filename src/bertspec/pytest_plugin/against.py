"""``--against NAME``: what this session reached, compared with a baseline."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from bertspec.errors import BertspecError
from bertspec.pytest_plugin.evidence import EvidenceTaker
from bertspec.pytest_plugin.summary import aligned

if TYPE_CHECKING:
    from bertspec.baselines import Baseline, Compared

__all__ = ["Against"]

_HEADINGS = ("verdict", "study", "metric", "then", "now", "change", "would have found", "remark")
_COLOURS = {"PASS": "green", "FAIL": "red", "UNDECIDED": "yellow"}


@dataclass(eq=False)
class Against:
    """The hooks of ``--against``; the baseline is read before anything is trained."""

    config: pytest.Config
    taker: EvidenceTaker
    compared: list[Compared] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.baseline = _read(self.config)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Compare; a regression fails the session."""
        if hasattr(self.config, "workerinput"):
            return
        from bertspec import baselines
        from bertspec.catalog import Catalog
        from bertspec.pytest_plugin.fixtures import store_root
        from bertspec.store import Store

        now = baselines.reached(
            self.taker.evidence(self.config), Store(store_root(self.config)), Catalog.beside(self.config.rootpath)
        )
        self.compared = list(baselines.compare(self.baseline.studies, now))
        failed = any(each.outcome == "FAIL" for each in self.compared)
        if failed and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show what became of every study, and what is not compared."""
        terminalreporter.write_sep("=", f"against {self.baseline.name} of {self.baseline.made}")
        for line in aligned([_HEADINGS, *(_row(each) for each in self.compared)]):
            verdict, gap, rest = line.partition(" ")
            colour = _COLOURS.get(verdict)
            terminalreporter.write(verdict, **({colour: True} if colour else {}))
            terminalreporter.write(f"{gap}{rest}\n")
        found = sum(each.outcome == "FAIL" for each in self.compared)
        terminalreporter.write_line(
            f"{len(self.compared)} studies compared, {found} worse (Holm, 5 % over all of them); memory and time: not "
            "compared, they count only where they are measured in turns"
        )


def _read(config: pytest.Config) -> Baseline:
    from bertspec import baselines

    try:
        return baselines.read(baselines.path_of(config.getoption("against"), config.rootpath))
    except BertspecError as error:
        raise pytest.UsageError(f"--against: {error}") from error


def _row(each: Compared) -> tuple[str, ...]:
    change = f"{each.interval[0]:+.4f} to {each.interval[1]:+.4f}" if each.interval else ""
    then, now, found = (f"{x:.4f}" if x is not None else "" for x in (each.then, each.now, each.smallest))
    return (each.outcome, each.title, each.metric, then, now, change, f"-{found}" if found else "", each.reason or "")
