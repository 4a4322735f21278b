"""The pytest plugin: feature files as tests.

Pytest loads this module in every environment that has bertspec installed, so it imports nothing but pytest. Everything
else is loaded once there are feature files.
"""

from __future__ import annotations

import argparse
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bertspec.arguments import int_between, positive_int

if TYPE_CHECKING:
    from bertspec.pytest_plugin.capabilities import Machine
    from bertspec.pytest_plugin.collection import FeatureFile

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
    """Add the command-line options and the ini option."""
    group = parser.getgroup("bertspec", "bertspec: feature files as benchmarks")
    group.addoption("--fresh", action="store_true", help="train again instead of using stored runs")
    group.addoption(
        "--bertspec-store",
        metavar="PATH",
        help="the folder of finished runs (default: $BERTSPEC_STORE, else .bertspec in the root folder)",
    )
    group.addoption(
        "--bertspec-device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="the device to train on (default: cuda if available, else cpu)",
    )
    group.addoption(
        "--checkpoint-every",
        type=positive_int,
        metavar="STEPS",
        help="save the state of a run every STEPS steps, so that an interrupted run can resume",
    )
    group.addoption("--keep-models", action="store_true", help="save the fine-tuned encoders beside their runs")
    group.addoption("--download", action="store_true", help="allow @hub and @mirror scenarios to download from the hub")
    group.addoption("--check-steps", action="store_true", help="list undefined and ambiguous steps; run nothing")
    group.addoption(
        "--spec-report",
        action="append",
        type=_report,
        metavar="PATH",
        help="write the session's report to this file: .html, .md, or .ndjson for Cucumber Messages; may be repeated",
    )
    group.addoption(
        "--seed-shift",
        type=positive_int,
        metavar="N",
        help="add N to every seed in the scenarios: their verdicts should hold for other seeds, too (try 1000)",
    )
    group.addoption(
        "--least-runs",
        type=positive_int,
        metavar="RUNS",
        help="make at least RUNS runs of every study, if it has that many seeds; a baseline needs 5",
    )
    group.addoption(
        "--against",
        metavar="NAME",
        help="fail if a study is worse than in this baseline, or is missing (see bertspec baseline --help)",
    )
    group.addoption(
        "--allow-missing",
        action="store_true",
        help="with --against: let the session pass without studies, recipes and timings that the baseline has",
    )
    group.addoption(
        "--calibrate",
        type=int_between(1, 1000),
        metavar="RUNS",
        help="run every study on RUNS reference seeds and write its calibration record (see bertspec calibrate --help)",
    )
    group.addoption(
        "--require",
        metavar="TAG,TAG",
        default="",
        help="fail, instead of reporting scenarios as not run, if this machine lacks what these tags need",
    )
    parser.addini(
        "bertspec_collect",
        "which .feature files to collect: auto (those named, and those that use bertspec's steps), always or never",
        default="auto",
    )


def _report(text: str) -> str:
    if not text.endswith(_REPORTS):
        suffixes = f"{', '.join(_REPORTS[:-1])} or {_REPORTS[-1]}"
        raise argparse.ArgumentTypeError(f"{text!r} is not a report; its name must end in {suffixes}")
    return text


@pytest.hookimpl(wrapper=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, Any, Any]:
    """Run ``--check-steps`` in this process, without xdist's workers."""
    if config.getoption("check_steps"):
        config.option.numprocesses = None
        config.option.tx = []
    return (yield)


def pytest_configure(config: pytest.Config) -> None:
    """Register the tags and, if pytest-bdd is loaded, the hooks for scenarios."""
    from bertspec.pytest_plugin.capabilities import Machine, register_tags

    register_tags(config)
    machine = Machine(config, required=_required(config))
    mode = _collects(config)
    if mode == "never" or not _bdd_loaded(config):
        return
    from bertspec.pytest_plugin import definitions

    _register_hooks(config, machine)
    if definitions.in_sight(config, every=mode == "always"):
        definitions.load(config)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> FeatureFile | None:
    """Collect a feature file that was named on the command line or uses our steps; ignore others."""
    if file_path.suffix != ".feature":
        return None
    mode = _collects(parent.config)
    if mode == "never" or not _bdd_loaded(parent.config):
        return None
    from bertspec.pytest_plugin import definitions

    asked_for = mode == "always" or parent.session.isinitpath(file_path)
    if not asked_for and not definitions.uses_our_steps(file_path, parent.config):
        return None
    from bertspec.pytest_plugin.collection import FeatureFile

    definitions.load(parent.config)
    return FeatureFile.from_parent(parent, path=file_path)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With ``--dist loadgroup``, run the scenarios that share a run on one worker."""
    if not config.pluginmanager.has_plugin("bertspec-running"):
        return None
    from bertspec.pytest_plugin import running

    return running.scheduler(config, log)


def _register_hooks(config: pytest.Config, machine: Machine) -> None:
    from bertspec.pytest_plugin.recording import AgainstBaseline, Recorder
    from bertspec.pytest_plugin.running import Calibrating, Running, StepCheck
    from bertspec.pytest_plugin.terminal import Terminal

    manager = config.pluginmanager
    running, recorder = Running(machine), Recorder(keeps=not config.getoption("calibrate"))
    manager.register(running, "bertspec-running")
    manager.register(recorder, "bertspec-recorder")  # after Running, whose reports it reads
    against = None
    runs = not (config.getoption("check_steps") or config.getoption("calibrate") or config.option.collectonly)
    if config.getoption("against") and runs:
        against = AgainstBaseline(config, recorder)
        manager.register(against, "bertspec-against")
    manager.register(Terminal(running, recorder, against), "bertspec-terminal")
    if config.getoption("calibrate"):
        manager.register(Calibrating(), "bertspec-calibrating")
    if config.getoption("check_steps"):
        manager.register(StepCheck(), "bertspec-step-check")


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
    """Loaded by its entry point, or by ``-p`` with PYTEST_DISABLE_PLUGIN_AUTOLOAD."""
    return any(config.pluginmanager.has_plugin(name) for name in ("pytest-bdd", "pytest_bdd.plugin"))
