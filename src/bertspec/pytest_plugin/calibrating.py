"""``--calibrate``: run the studies of feature files on reference seeds and write their calibration records."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from bertspec.pytest_plugin.collection import ScenarioItem

if TYPE_CHECKING:
    from pytest_bdd.parser import Feature, Scenario

__all__ = ["Calibrating"]

_RECORD = "bertspec.record"


@dataclass(eq=False)
class Calibrating:
    """The hooks of ``--calibrate``."""

    records: dict[str, str] = field(default_factory=dict)
    """A summary of each record that was written, by its file."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Keep the scenarios that claim a quality: sabotaged, timed and refused ones have no calibration record."""
        kept = [item for item in items if isinstance(item, ScenarioItem) and _claims_quality(item)]
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept

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


def _claims_quality(item: ScenarioItem) -> bool:
    from bertspec.steps.scene import expectations

    return any(each.quality for each in expectations(step.name for step in item.steps if step.type == "then"))


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
