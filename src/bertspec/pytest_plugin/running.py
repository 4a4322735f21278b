"""What happens around a scenario while pytest runs: left out, run, reported, counted."""

from __future__ import annotations

import json
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from pytest_bdd.exceptions import StepDefinitionNotFoundError

from bertspec.errors import BertspecError, Unreachable
from bertspec.pytest_plugin import bound, summary
from bertspec.pytest_plugin.capabilities import REMOTE, Machine
from bertspec.pytest_plugin.collect import SELECTING, ScenarioItem
from bertspec.pytest_plugin.definitions import AnyStep, undefined
from bertspec.pytest_plugin.messages import FAILED_STEP

__all__ = ["CLAIM", "Running"]

CLAIM = "bertspec.claim"
"""The user property under which a Then line leaves its claim with the report."""


@dataclass(eq=False)
class Running:
    """The hooks around scenarios; one object for each pytest session."""

    machine: Machine
    record: summary.Record = field(default_factory=summary.Record)

    @pytest.hookimpl(wrapper=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, items: list[pytest.Item]
    ) -> Generator[None, Any, Any]:
        """Leave to test modules what they bind; and let ``-k`` look at scenarios, not at the folders they lie in."""
        bound.give_way(session, items)
        session.stash[SELECTING] = True
        try:
            return (yield)
        finally:
            session.stash[SELECTING] = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Leave out a scenario that this machine cannot run, before any fixture is made for it."""
        if not isinstance(item, ScenarioItem):
            return
        reason = self.machine.why_not(item.tags)
        if reason is None:
            return
        if not self.machine.requires(item.tags):
            pytest.skip(f"not run: {reason}")
        item.refusal = f"required, but it could not run: {reason}"

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_bdd_before_scenario(self, request: pytest.FixtureRequest, scenario: Any) -> None:
        """Refuse a scenario with an undefined step before an earlier step has trained for minutes."""
        item = request.node
        if not isinstance(item, ScenarioItem):
            return
        definitions = item.feature_file.definitions()
        for step in scenario.steps:
            if any(undefined([step], definitions)):
                item.stash[FAILED_STEP] = step
                raise StepDefinitionNotFoundError(f"Step definition is not found: {step}")

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_bdd_step_error(self, request: pytest.FixtureRequest, step: AnyStep) -> None:
        """Remember where a scenario stopped."""
        request.node.stash[FAILED_STEP] = step

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_bdd_step_func_lookup_error(self, request: pytest.FixtureRequest, step: AnyStep) -> None:
        """Remember which step is not defined."""
        request.node.stash[FAILED_STEP] = step

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach to the report what the summary tells, in a form that survives the way from a worker."""
        report = yield
        if isinstance(item, ScenarioItem):
            reason = self._left_out(item, call)
            if reason is not None:
                path, line, _ = item.reportinfo()
                report.outcome = "skipped"
                report.longrepr = (str(path), line + 1, f"Skipped: not run: {reason}")
            report.bertspec = {"title": item.example.title, "tags": sorted(item.tags), "not_run": reason}  # type: ignore[attr-defined]
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Enter a report into the record; with ``-n`` this is where those of all workers meet."""
        if hasattr(self.machine.config, "workerinput"):
            return
        facts: dict[str, Any] = getattr(report, "bertspec", {})
        if facts:
            self.record.tags.update(facts["tags"])
        if facts.get("not_run") is not None:
            self.record.not_run.append((facts["not_run"], facts["title"]))
        elif report.when == "call":
            self.record.ran += 1
            found: list[tuple[str, Any]] = report.user_properties
            title = facts.get("title")
            self.record.claims += [summary.ClaimLine.of(value, title=title) for name, value in found if name == CLAIM]
        report.user_properties = list(_readable(report.user_properties))  # --junitxml writes str() of each

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Set the exit status: 5 where every scenario was left out, 1 where a requirement went untested."""
        config = session.config
        if hasattr(config, "workerinput") or config.option.collectonly or session.shouldfail or session.shouldstop:
            return
        if exitstatus == pytest.ExitCode.OK and self.record.not_run and not self.record.ran:
            session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
        if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED, pytest.ExitCode.TESTS_FAILED):
            self.record.unmet = list(self._unmet(sorted(self.machine.required - self.record.tags)))
            if self.record.unmet:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show the claims, and what was not run."""
        summary.write(self.record, terminalreporter)

    def _left_out(self, item: ScenarioItem, call: pytest.CallInfo[None]) -> str | None:
        """Why a scenario was not run, or none where it was."""
        error = call.excinfo.value if call.excinfo else None
        if isinstance(error, pytest.skip.Exception) and str(error).startswith("not run: "):
            return str(error).removeprefix("not run: ")
        if isinstance(error, Unreachable) and not REMOTE.isdisjoint(item.tags) and not self.machine.requires(item.tags):
            return str(error)
        return None

    def _unmet(self, names: Sequence[str]) -> Generator[str]:
        for name in names:
            try:
                reason = self.machine.lacks(name)
            except BertspecError as error:
                reason = str(error)
            if reason is not None:
                yield f"--require={name}: no selected scenario is tagged @{name}, and this machine {reason}"


def _readable(properties: Sequence[tuple[str, Any]]) -> Generator[tuple[str, Any]]:
    """The properties of a report, its claims as numbered lines of JSON."""
    count = 0
    for name, value in properties:
        count += name == CLAIM
        yield (f"{CLAIM}.{count}", json.dumps(value, ensure_ascii=False)) if name == CLAIM else (name, value)
