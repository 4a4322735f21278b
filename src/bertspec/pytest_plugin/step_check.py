"""``--check-steps``: every step has one definition, found out without running anything."""

from __future__ import annotations

import pytest

from bertspec.pytest_plugin.collect import FeatureFile, ScenarioItem
from bertspec.pytest_plugin.definitions import ambiguous, undefined

__all__ = ["StepCheck"]


class StepCheck:
    """The hooks of ``--check-steps``."""

    def __init__(self) -> None:
        self._scenarios = 0
        self._problems: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Look at the steps of everything collected, in place of running it."""
        items = [item for item in session.items if isinstance(item, ScenarioItem)]
        self._scenarios = len(items)
        by_file: dict[FeatureFile, list[ScenarioItem]] = {}
        for item in items:
            by_file.setdefault(item.feature_file, []).append(item)
        for file, scenarios in by_file.items():
            self._problems += _problems(file, scenarios)
        return True

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail where a step has no definition or several."""
        if self._problems:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """List the steps in question, or say that there are none."""
        if self._problems:
            terminalreporter.write_sep("=", "steps")
        for line in self._problems:
            terminalreporter.write_line(line)
        if not self._problems and not terminalreporter.stats.get("error"):
            noun = "scenario" if self._scenarios == 1 else "scenarios"
            terminalreporter.write_line(f"{self._scenarios} {noun}, all steps defined")


def _problems(file: FeatureFile, scenarios: list[ScenarioItem]) -> list[str]:
    """One line for each step line: the rows of an outline, and a background, repeat theirs."""
    definitions = file.definitions()
    steps = [step for item in scenarios for step in item.steps]
    found: dict[int, str] = {}
    for problem in (*undefined(steps, definitions), *ambiguous(steps, definitions)):
        found.setdefault(problem.line, f"{file.shown_path}:{problem.line}: {problem.text}")
    return [found[line] for line in sorted(found)]
