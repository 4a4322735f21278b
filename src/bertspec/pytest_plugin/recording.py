"""What a session leaves behind: the record of its scenarios and claims, the report, the comparison with a baseline."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shlex
import sys
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bertspec.errors import BertspecError
from bertspec.pytest_plugin.collection import scenario_of
from bertspec.pytest_plugin.definitions import AnyStep
from bertspec.pytest_plugin.running import CLAIM

if TYPE_CHECKING:
    from bertspec.baselines import Baseline
    from bertspec.pytest_plugin.gherkin import Example
    from bertspec.pytest_plugin.internals import ScenarioTemplate, Step
    from bertspec.results import Compared, ScenarioRecord, SessionRecord

__all__ = ["AgainstBaseline", "Recorder"]

_STEPS = pytest.StashKey[list[dict[str, Any]]]()
_PACKAGES = ("bertspec", "numpy", "pytest", "pytest-bdd", "tokenizers", "torch", "transformers")


@dataclass(eq=False)
class Recorder:
    """The hooks that record scenarios; workers of ``-n`` send theirs with their reports."""

    keeps: bool = True
    """Whether the record is written to the store; not with ``--calibrate``, which judges nothing."""
    scenarios: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The values of each scenario's record, by pytest's id."""
    tests: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The same of Python tests that judge claims; the terminal shows them, the record leaves them out."""
    started_s: float = 0.0
    """When the session started, in seconds since 1970."""
    baseline: str | None = None
    """The baseline of ``--against``, and its date."""
    compared: tuple[Compared, ...] = ()
    """What changed since the baseline."""
    reports: list[str] = field(default_factory=list)
    """The files of ``--spec-report``."""
    problem: str = ""
    """Why the record or the report could not be written."""

    def pytest_sessionstart(self) -> None:
        """Record when the session started."""
        self.started_s = time.time()

    @pytest.hookimpl(optionalhook=True)
    def pytest_bdd_before_step(self, request: pytest.FixtureRequest, step: AnyStep) -> None:
        """Record that a step started."""
        steps = request.node.stash.setdefault(_STEPS, [])
        steps.append({"outcome": "failed", "began": time.perf_counter(), "claims_before": _claims(request.node)})

    @pytest.hookimpl(optionalhook=True)
    def pytest_bdd_after_step(self, request: pytest.FixtureRequest) -> None:
        """Record that a step passed, and how long it took."""
        last = request.node.stash[_STEPS][-1]
        last.update(outcome="passed", duration_s=time.perf_counter() - last["began"])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach the scenario's record to the report that ends it, as plain values that pass between processes."""
        report = yield
        if report.when == "call" or (report.when == "setup" and not report.passed):
            scenario = scenario_of(item)
            if scenario is not None:
                report.bertspec_scenario = _scenario(item, report, *scenario)  # type: ignore[attr-defined]
            elif _claims(item):
                report.bertspec_test = _python_test(item, report)  # type: ignore[attr-defined]
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the records; with ``-n`` those of all workers arrive here."""
        for attribute, records in (("bertspec_scenario", self.scenarios), ("bertspec_test", self.tests)):
            values = getattr(report, attribute, None)
            if values is not None:
                records[report.nodeid] = values

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the record and the report; if that fails, the summary says so and the session goes on."""
        config = session.config
        if hasattr(config, "workerinput") or not self.scenarios or not self.keeps:
            return
        from bertspec.pytest_plugin.fixtures import store_root
        from bertspec.store import sessions

        record = self.record(config)
        try:
            sessions.write(record, store_root(config) / "sessions")
            self._write_reports(record, config)
        except OSError as error:
            self.problem = f"the record of this session cannot be written: {error}"
        except BertspecError as error:
            self.problem = f"the report cannot be written: {error}"

    def record(self, config: pytest.Config) -> SessionRecord:
        """Return the record of the session so far."""
        from bertspec.pytest_plugin.fixtures import session_name
        from bertspec.records import utc_now, utc_stamp, version_of
        from bertspec.results import SessionRecord

        versions = {package: version_of(package) for package in _PACKAGES}
        return SessionRecord.model_validate(
            {
                "session": session_name(config),
                "started": utc_stamp(self.started_s),
                "finished": utc_now(),
                "command": shlex.join(["pytest", *map(str, config.invocation_params.args)]),
                "versions": {"python": platform.python_version(), **versions},
                "machine": _machine(),
                "scenarios": list(self.scenarios.values()),
                "against": self.baseline,
                "compared": self.compared,
            }
        )

    def shown(self) -> list[ScenarioRecord]:
        """Return the records that the terminal shows."""
        if not self.scenarios and not self.tests:
            return []
        from bertspec.results import ScenarioRecord

        return [ScenarioRecord.model_validate(each) for each in (*self.scenarios.values(), *self.tests.values())]

    def _write_reports(self, record: SessionRecord, config: pytest.Config) -> None:
        """Write each ``--spec-report``; a GitHub job also gets the Markdown in its summary."""
        paths: list[str] = config.getoption("spec_report") or []
        if not paths:
            return
        from bertspec import report
        from bertspec.pytest_plugin.fixtures import store_root
        from bertspec.store.sweeps import sweeps

        for path in paths:
            target = config.invocation_params.dir / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(_report(record, config, target.suffix), "utf-8")
            self.reports.append(str(target))
        if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
            with Path(summary).open("a", encoding="utf-8") as stream:
                stream.write(report.markdown(record, sweeps(store_root(config))))


def _report(record: SessionRecord, config: pytest.Config, suffix: str) -> str:
    from bertspec import report
    from bertspec.pytest_plugin.fixtures import store_root
    from bertspec.sources import Sources
    from bertspec.store import Store
    from bertspec.store.sweeps import sweeps

    if suffix == ".html":
        return report.html(record, Store(store_root(config)), Sources.from_environment(config.rootpath))
    if suffix == ".ndjson":
        sources = {each.path: (config.rootpath / each.path).read_text("utf-8") for each in record.scenarios}
        return report.messages(record, sources)
    return report.markdown(record, sweeps(store_root(config)))


@dataclass(eq=False)
class AgainstBaseline:
    """The hooks of ``--against``. The baseline is read before anything is trained."""

    config: pytest.Config
    recorder: Recorder

    def __post_init__(self) -> None:
        self.baseline = _read_baseline(self.config)
        self.refusal: str | None = None
        self.recorder.baseline = f"{self.baseline.name} of {self.baseline.made}"

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Compare the session with the baseline before its record is written.

        A regression fails the session; and so does what the baseline has and the session has not, unless
        ``--allow-missing`` accepts that.
        """
        if hasattr(self.config, "workerinput"):
            return
        from bertspec import baselines
        from bertspec.catalog import Catalog
        from bertspec.pytest_plugin.fixtures import store_root
        from bertspec.store import Store

        record, root = self.recorder.record(self.config), self.config.rootpath
        studies = baselines.studies_of(record, Store(store_root(self.config)), Catalog.beside(root))
        self.recorder.compared = baselines.compare(
            (*self.baseline.studies, *self.baseline.timings), (*studies, *baselines.timings_of(record))
        )
        allowed = bool(self.config.getoption("allow_missing"))
        self.refusal = baselines.refusal(self.recorder.compared, allow_missing=allowed)
        if self.refusal is not None and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def left_out(self) -> list[str]:
        """Return what the comparison leaves out, and why."""
        remarks = []
        if not any(study.accelerator for study in self.baseline.studies):
            remarks.append("memory: not compared; only an accelerator counts the memory of a single run")
        if not self.baseline.timings:
            remarks.append("time: not compared; the session of the baseline took no interleaved timings")
        return remarks


def _read_baseline(config: pytest.Config) -> Baseline:
    from bertspec import baselines

    try:
        return baselines.read(baselines.path_of(config.getoption("against"), config.rootpath))
    except BertspecError as error:
        raise pytest.UsageError(f"--against: {error}") from error


def _scenario(
    item: pytest.Item, report: pytest.TestReport, template: ScenarioTemplate, example: Example
) -> dict[str, Any]:
    path, rule = Path(template.feature.filename), template.rule
    return {
        **_outcome(item, report),
        "path": Path(os.path.relpath(path, item.config.rootpath)).as_posix(),
        "line": example.line,
        "feature": str(template.feature.name),
        "description": str(template.feature.description or ""),
        "rule": rule.name if rule else None,
        "title": example.title,
        "tags": sorted(example.tags | template.feature.tags | (rule.tags if rule else set())),
        "steps": _steps(item, template.render(example.values).steps),
    }


def _python_test(item: pytest.Item, report: pytest.TestReport) -> dict[str, Any]:
    outcome = _outcome(item, report)
    path, line, _ = report.location
    title = str(outcome["claims"][0].get("subject", item.name))
    return {**outcome, "path": path, "line": (line or 0) + 1, "feature": path, "title": title}


def _outcome(item: pytest.Item, report: pytest.TestReport) -> dict[str, Any]:
    skipped = _reason_not_run(report)
    return {
        "node": item.nodeid,
        "outcome": "not run" if skipped is not None else "passed" if report.passed else "failed",
        "reason": skipped if skipped is not None else None if report.passed else _message(report),
        "duration_s": report.duration,
        "claims": [value for name, value in item.user_properties if name == CLAIM],
    }


def _reason_not_run(report: pytest.TestReport) -> str | None:
    """Why a scenario was not run: a capability that this machine lacks, or a skip by the user's own code."""
    facts: dict[str, Any] = getattr(report, "bertspec", {})
    if facts.get("not_run") is not None:
        return str(facts["not_run"])
    if not report.skipped or hasattr(report, "wasxfail"):
        return None
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return reason.removeprefix("Skipped: ")


def _steps(item: pytest.Item, steps: Sequence[Step]) -> list[dict[str, Any]]:
    """The steps of the scenario, with the outcome of those that started."""
    started = item.stash.get(_STEPS, [])
    ends = [*(step["claims_before"] for step in started[1:]), _claims(item)]
    return [
        {
            "keyword": step.keyword.strip(),
            "text": step.name,
            "table": [[str(cell) for cell in row] for row in (step.datatable.raw() if step.datatable else ())],
            "line": step.line_number,
            **(_progress(started[number], ends[number]) if number < len(started) else {}),
        }
        for number, step in enumerate(steps)
    ]


def _progress(step: dict[str, Any], claims_after: int) -> dict[str, Any]:
    return {
        "outcome": step["outcome"],
        "duration_s": step.get("duration_s", 0.0),
        "claims": claims_after - step["claims_before"],
    }


def _claims(item: pytest.Item) -> int:
    return sum(name == CLAIM for name, _ in item.user_properties)


def _message(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message if crash is not None else report.longrepr)


def _machine() -> str:
    """Processor, cores and system; and the accelerator, if torch is loaded and has one."""
    processor = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        named = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
        processor = named[1] if named else processor
    torch = sys.modules.get("torch")
    accelerator = [torch.cuda.get_device_name()] if torch is not None and torch.cuda.is_available() else []
    return ", ".join([processor, f"{os.cpu_count()} cores", platform.system(), *accelerator])
