"""The pytest plugin: feature files as tests.

Pytest loads this module in every run of an environment that has bertspec, so it imports nothing but pytest.
What feature files need is loaded once there are feature files.
"""

from __future__ import annotations

import argparse
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bertspec.arguments import positive_int

if TYPE_CHECKING:
    from bertspec.pytest_plugin.collect import FeatureFile

__all__ = [
    "pytest_addoption",
    "pytest_cmdline_main",
    "pytest_collect_file",
    "pytest_configure",
    "pytest_xdist_make_scheduler",
]

_COLLECT = ("auto", "always", "never")
_REPORTS = (".html", ".md", ".ndjson")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the group ``bertspec``."""
    group = parser.getgroup("bertspec", "bertspec: feature files as benchmarks")
    group.addoption("--fresh", action="store_true", help="ignore the runs that are stored, and train again")
    group.addoption(
        "--bertspec-store",
        metavar="PATH",
        help="where finished runs are kept (default: the variable BERTSPEC_STORE, else .bertspec in the root folder)",
    )
    group.addoption(
        "--bertspec-device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="where to train (default: the best there is)",
    )
    group.addoption(
        "--checkpoint-every",
        type=positive_int,
        metavar="STEPS",
        help="keep the state of a run every so many steps; an interrupted run goes on from there",
    )
    group.addoption("--keep-models", action="store_true", help="keep the fine-tuned encoders, beside their runs")
    group.addoption("--download", action="store_true", help="let @hub and @mirror scenarios download from the hub")
    group.addoption(
        "--check-steps", action="store_true", help="report steps with no definition or several, and run nothing"
    )
    group.addoption(
        "--spec-report",
        type=_report,
        metavar="PATH",
        help="write what the session showed to this file: .html, .md, or .ndjson for Cucumber Messages",
    )
    group.addoption(
        "--seed-shift",
        type=positive_int,
        metavar="N",
        help="add this to every seed of the scenarios: their verdicts should hold with other seeds, too (try 1000)",
    )
    group.addoption(
        "--least-runs",
        type=positive_int,
        metavar="RUNS",
        help="make at least so many runs of every study, as far as its seeds allow; a baseline needs 5",
    )
    group.addoption(
        "--against",
        metavar="NAME",
        help="fail where a study became worse than in this baseline (see bertspec baseline --help)",
    )
    group.addoption(
        "--calibrate",
        type=positive_int,
        metavar="RUNS",
        help="run the studies on so many reference seeds and write their records (see bertspec calibrate --help)",
    )
    group.addoption(
        "--require",
        metavar="TAG,TAG",
        default="",
        help="fail, instead of leaving scenarios out, where this machine lacks what these tags ask for",
    )
    parser.addini(
        "bertspec_collect",
        "which .feature files to collect: auto (those named, and those that use bertspec's steps), always, never",
        default="auto",
    )


def _report(text: str) -> str:
    if not text.endswith(_REPORTS):
        raise argparse.ArgumentTypeError(f"{text!r} is not a report; it ends in {', '.join(_REPORTS)}")
    return text


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, Any, Any]:
    """Keep ``--check-steps`` in this process: there is nothing to share out among workers."""
    if config.getoption("check_steps"):
        config.option.numprocesses = None
        config.option.tx = []
    return (yield)


def pytest_configure(config: pytest.Config) -> None:
    """Register the tags; and, where pytest-bdd is there, what scenarios need."""
    from bertspec.pytest_plugin import tags
    from bertspec.pytest_plugin.capabilities import Machine

    tags.register(config)
    machine = Machine(config, required=_required(config))
    mode = _collects(config)
    if mode == "never" or not _bdd_loaded(config):
        return
    from bertspec.pytest_plugin import shipped
    from bertspec.pytest_plugin.running import Running
    from bertspec.pytest_plugin.step_check import StepCheck

    config.pluginmanager.register(Running(machine), "bertspec-running")
    if not (config.getoption("check_steps") or config.getoption("calibrate") or config.option.collectonly):
        from bertspec.pytest_plugin.evidence import EvidenceTaker

        taker = EvidenceTaker()
        config.pluginmanager.register(taker, "bertspec-evidence")
        if config.getoption("against"):
            from bertspec.pytest_plugin.against import Against

            config.pluginmanager.register(Against(config, taker), "bertspec-against")
    if config.getoption("calibrate"):
        from bertspec.pytest_plugin.calibrating import Calibrating

        config.pluginmanager.register(Calibrating(), "bertspec-calibrating")
    if config.getoption("check_steps"):
        config.pluginmanager.register(StepCheck(), "bertspec-step-check")
    if shipped.in_sight(config, every=mode == "always"):
        shipped.load(config)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> FeatureFile | None:
    """Collect a feature file that was named, or that speaks our language; leave other people's alone."""
    if file_path.suffix != ".feature":
        return None
    mode = _collects(parent.config)
    if mode == "never" or not _bdd_loaded(parent.config):
        return None
    from bertspec.pytest_plugin import shipped

    asked_for = mode == "always" or parent.session.isinitpath(file_path)
    if not asked_for and not shipped.speaks_our_language(file_path, parent.config):
        return None
    from bertspec.pytest_plugin.collect import FeatureFile

    shipped.load(parent.config)
    return FeatureFile.from_parent(parent, path=file_path)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With ``--dist loadgroup``, keep the scenarios that share a run on one worker."""
    if not config.pluginmanager.has_plugin("bertspec-running"):
        return None
    from bertspec.pytest_plugin import schedule

    return schedule.make(config, log)


def _required(config: pytest.Config) -> frozenset[str]:
    from bertspec.pytest_plugin.capabilities import CAPABILITIES

    names = frozenset(name.strip() for name in str(config.getoption("require")).split(",") if name.strip())
    unknown = sorted(names - CAPABILITIES.keys())
    if unknown:
        known = ", ".join(CAPABILITIES)
        raise pytest.UsageError(f"--require: unknown tag {', '.join(unknown)}; known are {known}")
    return names


def _collects(config: pytest.Config) -> str:
    mode = str(config.getini("bertspec_collect"))
    if mode not in _COLLECT:
        raise pytest.UsageError(f"bertspec_collect is {mode!r}; allowed are {', '.join(_COLLECT)}")
    return mode


def _bdd_loaded(config: pytest.Config) -> bool:
    """By its entry point, or by its module where PYTEST_DISABLE_PLUGIN_AUTOLOAD and ``-p`` load it."""
    return any(config.pluginmanager.has_plugin(name) for name in ("pytest-bdd", "pytest_bdd.plugin"))
