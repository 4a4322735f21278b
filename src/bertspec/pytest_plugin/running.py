"""The hooks around scenarios: which run, which worker runs them, how they fail, and the exit status.

:class:`StepCheck` replaces the run with ``--check-steps``, and :class:`Calibrating` adds to it with ``--calibrate``.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from pytest_bdd.exceptions import StepDefinitionNotFoundError

from bertspec.errors import BertspecError, InvalidConfig, Unreachable
from bertspec.printing import counted
from bertspec.pytest_plugin import internals, usage
from bertspec.pytest_plugin.capabilities import REMOTE, Machine
from bertspec.pytest_plugin.collection import FAILED_STEP, SELECTING, FeatureFile, ScenarioItem, deselect_bound
from bertspec.pytest_plugin.definitions import AnyStep, ambiguous, undefined
from bertspec.pytest_plugin.gherkin import Problem

if TYPE_CHECKING:
    from pytest_bdd.parser import Feature, Scenario

__all__ = ["CLAIM", "Calibrating", "Running", "StepCheck", "group", "is_ours_or_severe", "scheduler"]

CLAIM = "bertspec.claim"
"""The property of a test report that holds a settled claim."""

_RECORD = "bertspec.record"
"""The property of a test report that holds the file and the summary of a calibration record."""
_NOT_RUN = "not run: "
_THIRD_PARTIES = (
    "datasets",
    "filelock",
    "fsspec",
    "httpcore",
    "httpx",
    "huggingface_hub",
    "transformers",
    "urllib3",
    "wandb",
)
"""The loggers whose records below ERROR are left out of failure reports."""


@dataclass(eq=False)
class Running:
    """The hooks around scenarios; one object per pytest session."""

    machine: Machine
    tags: set[str] = field(default_factory=set)
    """The tags of all selected scenarios."""
    ran: int = 0
    """The number of tests that ran, including Python tests."""
    not_run: int = 0
    """The number of scenarios that this machine could not run."""
    unmet: list[str] = field(default_factory=list)
    """A message for each capability of ``--require`` that no scenario tested."""

    @pytest.hookimpl(wrapper=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, items: list[pytest.Item]
    ) -> Generator[None, Any, Any]:
        """Deselect what a test module binds; while ``-k`` selects, hide the names of folders."""
        deselect_bound(session, items)
        session.stash[SELECTING] = True
        try:
            return (yield)
        finally:
            session.stash[SELECTING] = False

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        """Keep third parties' log messages out of failure reports."""
        internals.filter_reported_logs(session.config, is_ours_or_severe)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Skip a scenario that this machine cannot run, before any fixture is set up for it."""
        if not isinstance(item, ScenarioItem):
            return
        reason = self.machine.why_not(item.tags)
        if reason is None:
            return
        if not self.machine.requires(item.tags):
            pytest.skip(f"{_NOT_RUN}{reason}")
        item.refusal = f"required, but it could not run: {reason}"

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_bdd_before_scenario(self, request: pytest.FixtureRequest, scenario: Any) -> None:
        """Fail a scenario with an undefined step, or without a Then, before anything trains for minutes."""
        item = request.node
        if not isinstance(item, ScenarioItem):
            return
        definitions = item.feature_file.definitions()
        if usage.claims_nothing(scenario.steps, definitions):
            raise InvalidConfig(usage.NO_THEN, where=f"{item.feature_file.shown_path}:{item.template.line_number}")
        for step in scenario.steps:
            if any(undefined([step], definitions)):
                item.stash[FAILED_STEP] = step
                raise StepDefinitionNotFoundError(f"Step definition is not found: {step}")

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_bdd_step_error(self, request: pytest.FixtureRequest, step: AnyStep, exception: Exception) -> None:
        """Record at which step a scenario failed: the one that ran, or the Then line that it refused."""
        request.node.stash[FAILED_STEP] = vars(exception).get("blamed") or step

    @pytest.hookimpl(optionalhook=True, tryfirst=True)
    def pytest_bdd_step_func_lookup_error(self, request: pytest.FixtureRequest, step: AnyStep) -> None:
        """Record which step is undefined."""
        request.node.stash[FAILED_STEP] = step

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Report a scenario whose source did not answer as skipped; attach its tags, as plain values for ``-n``."""
        report = yield
        if isinstance(item, ScenarioItem):
            reason = self._reason_not_run(item, call)
            if reason is not None:
                path, line, _ = item.reportinfo()
                report.outcome = "skipped"
                report.longrepr = (str(path), line + 1, f"Skipped: {_NOT_RUN}{reason}")
            report.bertspec = {"tags": sorted(item.tags), "not_run": reason}  # type: ignore[attr-defined]
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count the report; with ``-n`` those of all workers arrive here."""
        if hasattr(self.machine.config, "workerinput"):
            return
        facts: dict[str, Any] = getattr(report, "bertspec", {})
        self.tags.update(facts.get("tags", ()))
        if facts.get("not_run") is not None:
            self.not_run += 1
        elif report.when == "call":
            self.ran += 1
        report.user_properties = list(_readable(report.user_properties))  # --junitxml writes str() of each

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Set the exit status: 5 if no scenario could run, 1 if a requirement was not tested."""
        config = session.config
        if hasattr(config, "workerinput") or config.option.collectonly or session.shouldfail or session.shouldstop:
            return
        if exitstatus == pytest.ExitCode.OK and self.not_run and not self.ran:
            session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
        if exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED, pytest.ExitCode.TESTS_FAILED):
            self.unmet = list(self._unmet(sorted(self.machine.required - self.tags)))
            if self.unmet:
                session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _reason_not_run(self, item: ScenarioItem, call: pytest.CallInfo[None]) -> str | None:
        error = call.excinfo.value if call.excinfo else None
        if isinstance(error, pytest.skip.Exception) and str(error).startswith(_NOT_RUN):
            return str(error).removeprefix(_NOT_RUN)
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


class StepCheck:
    """The hooks of ``--check-steps``."""

    def __init__(self) -> None:
        self._scenarios = 0
        self._problems: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Check the steps of all collected scenarios instead of running them."""
        items = [item for item in session.items if isinstance(item, ScenarioItem)]
        self._scenarios = len(items)
        by_file: dict[FeatureFile, list[ScenarioItem]] = {}
        for item in items:
            by_file.setdefault(item.feature_file, []).append(item)
        for file, scenarios in by_file.items():
            self._problems += _step_problems(file, scenarios)
        return True

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail if a step has no definition or several."""
        if self._problems:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """List the undefined and ambiguous steps, or say that there are none."""
        if self._problems:
            terminalreporter.write_sep("=", "steps")
        for line in self._problems:
            terminalreporter.write_line(line)
        if not self._problems and not terminalreporter.stats.get("error"):
            terminalreporter.write_line(f"{counted(self._scenarios, 'scenario')}, all steps defined")


@dataclass(eq=False)
class Calibrating:
    """The hooks of ``--calibrate``: run studies on reference seeds, and write their calibration records."""

    records: dict[str, str] = field(default_factory=dict)
    """A summary of each record that was written, by its file."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Keep the scenarios that claim a quality: sabotaged, timed and refused ones have no calibration record."""
        kept = {item for item in items if isinstance(item, ScenarioItem) and _claims_quality(item)}
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = [item for item in items if item in kept]

    @pytest.hookimpl(trylast=True)  # the Then steps are checked first
    def pytest_bdd_before_scenario(self, scenario: Scenario) -> None:
        """Drop the Then steps: nothing is judged."""
        scenario.steps[:] = [step for step in scenario.steps if step.type != "then"]

    def pytest_bdd_after_scenario(self, request: pytest.FixtureRequest, feature: Feature, scenario: Scenario) -> None:
        """Run the remaining seeds of each study and write its record."""
        del feature, scenario
        from bertspec import claims

        for study in _studies(request):
            file, record = claims.calibrate(study.config, study.session, seeds=study.config.seeds)
            means = ", ".join(
                f"{name} {measured.mean:.4f} ± {measured.std:.4f} (upper limit {measured.std_upper:.4f})"
                for name, measured in record.metrics.items()
            )
            collapsed = f", {record.collapsed} collapsed" if record.collapsed else ""
            request.node.user_properties.append((_RECORD, [str(file), f"{len(record.seeds)} runs: {means}{collapsed}"]))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Collect the records of all workers."""
        if report.when == "call":
            properties: list[tuple[str, Any]] = report.user_properties
            self.records |= {value[0]: value[1] for name, value in properties if name == _RECORD}

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """List the records that were written, for review."""
        terminalreporter.write_sep("=", "calibration records")
        for file, summary in sorted(self.records.items()):
            terminalreporter.write_line(f"{file}\n    {summary}")
        if not self.records:
            terminalreporter.write_line("nothing was calibrated: no scenario claims a quality")


def is_ours_or_severe(record: logging.LogRecord) -> bool:
    """Return whether a log record belongs in a failure report: not below ERROR from a library that we use."""
    return record.levelno >= logging.ERROR or record.name.partition(".")[0] not in _THIRD_PARTIES


def group(nodeid: str) -> str | None:
    """Return the bracketed id of an example, or ``None`` for any other test.

    Examples with the same id, in any feature file, name the same encoder, task and optimizer. ``--dist loadgroup``
    keeps them on one worker, which saves waiting; the store's lock is what prevents training a run twice.
    """
    path, _, rest = nodeid.partition("::")
    if not path.endswith(".feature") or "[" not in rest:
        return None
    return rest.partition("[")[2].removesuffix("]")


def scheduler(config: pytest.Config, log: Any) -> Any:
    """Return the scheduler for ``--dist loadgroup``, or ``None`` to leave other choices to xdist."""
    return internals.scheduler(config, log, group) if config.getoption("dist") == "loadgroup" else None


def _readable(properties: Sequence[tuple[str, Any]]) -> Generator[tuple[str, Any]]:
    """The properties of a report, its claims as numbered lines of JSON."""
    count = 0
    for name, value in properties:
        count += name == CLAIM
        yield (f"{CLAIM}.{count}", json.dumps(value, ensure_ascii=False)) if name == CLAIM else (name, value)


def _step_problems(file: FeatureFile, scenarios: Sequence[ScenarioItem]) -> list[str]:
    """One message per line: the rows of an outline, and a background, repeat their steps."""
    definitions = file.definitions()
    steps = [step for item in scenarios for step in item.steps]
    by_line: dict[int, str] = {}
    for problem in (*undefined(steps, definitions), *ambiguous(steps, definitions), *_without_then(scenarios)):
        by_line.setdefault(problem.line, f"{file.shown_path}:{problem.line}: {problem.text}")
    return [by_line[line] for line in sorted(by_line)]


def _without_then(scenarios: Sequence[ScenarioItem]) -> Generator[Problem]:
    for item in scenarios:
        if usage.claims_nothing(item.steps, item.feature_file.definitions()):
            yield Problem(item.template.line_number, usage.NO_THEN)


def _claims_quality(item: ScenarioItem) -> bool:
    from bertspec.steps.scene import expectations

    try:
        return any(each.quality for each in expectations(step.name for step in item.steps if step.type == "then"))
    except BertspecError:
        return True  # the scenario fails with this error and its line, before anything is trained


def _studies(request: pytest.FixtureRequest) -> list[Any]:
    """The studies of the When step; empty if it failed."""
    from bertspec.study import Study

    values: list[Any] = []
    for name in ("study", "compared"):
        try:
            value = request.getfixturevalue(name)
        except pytest.FixtureLookupError:
            continue
        values += value.values() if isinstance(value, dict) else [value]
    return [each for each in values if isinstance(each, Study)]
