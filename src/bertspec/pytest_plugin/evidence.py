"""What a session showed, written beside the runs: every scenario in its own words, with its steps and its claims."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import sys
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bertspec.errors import BertspecError
from bertspec.pytest_plugin import bound
from bertspec.pytest_plugin.definitions import AnyStep

if TYPE_CHECKING:
    from bertspec.pytest_plugin.internals import ScenarioTemplate, Step
    from bertspec.pytest_plugin.names import Example
    from bertspec.results import Compared, SessionRecord

__all__ = ["EvidenceTaker"]

_CLAIM = "bertspec.claim"
_STEPS = pytest.StashKey[list[dict[str, Any]]]()


@dataclass(eq=False)
class EvidenceTaker:
    """The hooks that gather evidence; workers of ``-n`` send theirs with their reports."""

    scenarios: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Pytest's id of each scenario that came to an end, and its evidence."""
    started: str = ""
    against: str | None = None
    """The baseline that the session is compared with."""
    compared: tuple[Compared, ...] = ()
    """What came of that."""
    written: str = ""
    """The file of the report."""
    trouble: str = ""

    def pytest_sessionstart(self) -> None:
        """Look at the clock."""
        from bertspec.records import utc_now

        self.started = utc_now()

    @pytest.hookimpl(optionalhook=True)
    def pytest_bdd_before_step(self, request: pytest.FixtureRequest, step: AnyStep) -> None:
        """A step begins."""
        steps = request.node.stash.setdefault(_STEPS, [])
        steps.append({"outcome": "failed", "began": time.perf_counter(), "claims_before": _claims(request.node)})

    @pytest.hookimpl(optionalhook=True)
    def pytest_bdd_after_step(self, request: pytest.FixtureRequest) -> None:
        """It went through."""
        last = request.node.stash[_STEPS][-1]
        last.update(outcome="passed", duration_s=time.perf_counter() - last["began"])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Attach the evidence to the report that ends the scenario, as plain values that travel."""
        report = yield
        if report.when == "call" or (report.when == "setup" and not report.passed):
            played = bound.played(item)
            if played is not None:
                report.bertspec_evidence = _scenario(item, report, *played)  # type: ignore[attr-defined]
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep it; with ``-n`` this is where those of all workers meet."""
        found = getattr(report, "bertspec_evidence", None)
        if found is not None:
            self.scenarios[report.nodeid] = found

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Write the record of the session; a disk that refuses costs a warning."""
        config = session.config
        if hasattr(config, "workerinput") or not self.scenarios:
            return
        from bertspec.pytest_plugin.fixtures import store_root
        from bertspec.store import sessions

        evidence = self.evidence(config)
        try:
            sessions.write(evidence, store_root(config) / "sessions")
            if config.getoption("spec_report"):
                self._report(evidence, config)
        except OSError as refusal:
            self.trouble = f"what this session showed cannot be written: {refusal}"
        except BertspecError as refusal:
            self.trouble = f"the report cannot be written: {refusal}"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say where the report is, or why there is none."""
        if self.trouble:
            terminalreporter.write_line(self.trouble, red=True)
        if self.written:
            terminalreporter.write_line(f"report: {self.written}")

    def _report(self, evidence: SessionRecord, config: pytest.Config) -> None:
        """Write the report that was asked for; a job of GitHub's shows it in its summary, too."""
        from bertspec import report
        from bertspec.pytest_plugin.fixtures import store_root
        from bertspec.sources.locations import Locations
        from bertspec.store import Store
        from bertspec.store.sweeps import sweeps

        target = config.invocation_params.dir / config.getoption("spec_report")
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.suffix == ".html":
            text = report.html(evidence, Store(store_root(config)), Locations.from_environment(config.rootpath))
        elif target.suffix == ".ndjson":
            sources = {one.path: (config.rootpath / one.path).read_text("utf-8") for one in evidence.scenarios}
            text = report.messages(evidence, sources)
        else:
            text = report.markdown(evidence, sweeps(store_root(config)))
        target.write_text(text, "utf-8")
        self.written = str(target)
        if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
            with Path(summary).open("a", encoding="utf-8") as stream:
                stream.write(report.markdown(evidence, sweeps(store_root(config))))

    def evidence(self, config: pytest.Config) -> SessionRecord:
        """All that was gathered so far."""
        from importlib import metadata

        from bertspec.pytest_plugin.fixtures import session_name
        from bertspec.records import utc_now
        from bertspec.results import SessionRecord

        packages = ("bertspec", "numpy", "pytest", "pytest-bdd", "tokenizers", "torch", "transformers")
        return SessionRecord.model_validate(
            {
                "session": session_name(config),
                "started": self.started,
                "finished": utc_now(),
                "command": " ".join(["pytest", *map(str, config.invocation_params.args)]),
                "versions": {
                    "python": platform.python_version(),
                    **{package: metadata.version(package) for package in packages},
                },
                "machine": _machine(),
                "scenarios": list(self.scenarios.values()),
                "against": self.against,
                "compared": self.compared,
            }
        )


def _scenario(
    item: pytest.Item, report: pytest.TestReport, template: ScenarioTemplate, example: Example
) -> dict[str, Any]:
    left_out = _left_out(report)
    outcome = "not run" if left_out is not None else "passed" if report.passed else "failed"
    path, rule = Path(template.feature.filename), template.rule
    return {
        "node": item.nodeid,
        "path": Path(os.path.relpath(path, item.config.rootpath)).as_posix(),
        "line": example.line,
        "feature": str(template.feature.name),
        "description": str(template.feature.description or ""),
        "rule": rule.name if rule else None,
        "title": example.title,
        "tags": sorted(example.tags | template.feature.tags | (rule.tags if rule else set())),
        "steps": _steps(item, template.render(example.values).steps),
        "outcome": outcome,
        "reason": left_out if left_out is not None else None if report.passed else _message(report),
        "duration_s": report.duration,
        "claims": [value for name, value in item.user_properties if name == _CLAIM],
    }


def _left_out(report: pytest.TestReport) -> str | None:
    """Why a scenario was not run: by what this machine lacks, or by a skip of the user's own."""
    facts: dict[str, Any] = getattr(report, "bertspec", {})
    if facts.get("not_run") is not None:
        return str(facts["not_run"])
    if not report.skipped or hasattr(report, "wasxfail"):
        return None
    told = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return told.removeprefix("Skipped: ")


def _steps(item: pytest.Item, steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Every step of the scenario, with what came of those that were reached."""
    reached = item.stash.get(_STEPS, [])
    ends = [*(step["claims_before"] for step in reached[1:]), _claims(item)]
    found = []
    for number, step in enumerate(steps):
        came = reached[number] if number < len(reached) else {}
        rows = step.datatable.raw() if step.datatable else []
        found.append(
            {
                "keyword": step.keyword.strip(),
                "text": step.name,
                "table": [[str(cell) for cell in row] for row in rows],
                "line": step.line_number,
                "outcome": came.get("outcome", "skipped"),
                "duration_s": came.get("duration_s", 0.0),
                "claims": ends[number] - came["claims_before"] if came else 0,
            }
        )
    return found


def _claims(item: pytest.Item) -> int:
    return sum(name == _CLAIM for name, _ in item.user_properties)


def _message(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    return str(crash.message if crash is not None else report.longrepr)


def _machine() -> str:
    """Processor, cores and system, and the accelerator where torch was loaded and has one."""
    processor = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):
        named = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
        processor = named[1] if named else processor
    torch = sys.modules.get("torch")
    accelerator = [torch.cuda.get_device_name()] if torch is not None and torch.cuda.is_available() else []
    return ", ".join([processor, f"{os.cpu_count()} cores", platform.system(), *accelerator])
