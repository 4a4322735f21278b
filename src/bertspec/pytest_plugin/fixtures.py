"""The fixtures of the step definitions."""

from __future__ import annotations

import re
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bertspec.steps.scene import Claims, Recipe

if TYPE_CHECKING:
    from pytest_bdd.parser import Feature, Scenario

    from bertspec.study import Session

__all__ = [
    "bertspec_session",
    "claims",
    "pytest_bdd_before_scenario",
    "pytest_configure_node",
    "recipe",
    "session_name",
    "store_root",
    "then_lines",
]

_PROMISED = pytest.StashKey[tuple[str, ...]]()
_CALIBRATED = pytest.StashKey[tuple[str, ...]]()
_BOUNDS = pytest.StashKey[tuple[tuple[str, float], ...]]()
_THEN_LINES = pytest.StashKey[tuple[str, ...]]()
_CLAIM = re.compile(
    r"(?:its|the|a claim that its) (.+?) (?:is at (?:least|most) -?[\d.]|is between|of \".+\" (?:exceeds|is at least))"
)
_BOUND = re.compile(
    r"(?:its|a claim that its) (.+?) is (?:at least|at most|between) (-?\d[\d.e+-]*)(?: and (-?\d[\d.e+-]*))?"
)
_AT_ITS_RECORD = re.compile(r"it is at its calibrated (.+)")


@pytest.fixture(scope="session")
def bertspec_session(pytestconfig: pytest.Config) -> Iterator[Session]:
    """The catalog, the sources, the store and the trackers of this test session."""
    from bertspec.claims import REFERENCE_SEEDS
    from bertspec.statistics import FEWEST_COMPARED
    from bertspec.study import Session
    from bertspec.tracking import ProgressTracker

    against = pytestconfig.getoption("against")
    columns = pytestconfig.get_terminal_writer().fullwidth
    session = Session.open(
        store_root(pytestconfig),
        root=pytestconfig.rootpath,
        progress=ProgressTracker(_terminal(pytestconfig), columns=columns),
        device=pytestconfig.getoption("bertspec_device"),
        id=session_name(pytestconfig),
        fresh=pytestconfig.getoption("fresh"),
        checkpoint_every=pytestconfig.getoption("checkpoint_every"),
        reference_seeds=tuple(REFERENCE_SEEDS + n for n in range(pytestconfig.getoption("calibrate") or 0)),
        seed_shift=pytestconfig.getoption("seed_shift") or 0,
        least_runs=pytestconfig.getoption("least_runs") or (FEWEST_COMPARED if against else 0),
        keep_models=pytestconfig.getoption("keep_models"),
    )
    with session:
        yield session


@pytest.fixture
def recipe(request: pytest.FixtureRequest) -> Recipe:
    """The recipe of the scenario; the encoder's own until a step names another."""
    stash = request.node.stash
    return Recipe(
        promised=stash.get(_PROMISED, ()), calibrated=stash.get(_CALIBRATED, ()), bounds=stash.get(_BOUNDS, ())
    )


@pytest.fixture
def then_lines(request: pytest.FixtureRequest) -> tuple[str, ...]:
    """What this scenario claims, line by line, before anything is trained."""
    lines: tuple[str, ...] = request.node.stash.get(_THEN_LINES, ())
    return lines


@pytest.fixture
def claims(request: pytest.FixtureRequest, bertspec_session: Session) -> Claims:
    """The book in which this scenario's claims are settled."""
    return Claims(request.node.user_properties, bertspec_session.tracker.judged)


def store_root(config: pytest.Config) -> Path:
    """Return the folder of finished runs: ``--bertspec-store``, else ``BERTSPEC_STORE``, else ``.bertspec``."""
    from bertspec.store import store_folder

    return store_folder(config.getoption("bertspec_store"), root=config.rootpath)


def pytest_bdd_before_scenario(request: pytest.FixtureRequest, feature: Feature, scenario: Scenario) -> None:
    """Read the Then steps ahead, so that a wrong metric or bound is refused before anything is trained."""
    del feature
    claimed, calibrated = (_metrics(scenario, words) for words in (_CLAIM, _AT_ITS_RECORD))
    request.node.stash[_PROMISED] = (*claimed, *calibrated)
    request.node.stash[_CALIBRATED] = calibrated
    request.node.stash[_BOUNDS] = tuple(_bounds(scenario))
    request.node.stash[_THEN_LINES] = tuple(step.name for step in scenario.steps if step.type == "then")


def _bounds(scenario: Scenario) -> Iterator[tuple[str, float]]:
    for step in scenario.steps:
        found = _BOUND.match(step.name) if step.type == "then" else None
        yield from [(found[1], float(number)) for number in found.groups()[1:] if number] if found else ()


def _metrics(scenario: Scenario, words: re.Pattern[str]) -> tuple[str, ...]:
    found = (words.match(step.name) for step in scenario.steps if step.type == "then")
    return tuple(dict.fromkeys(match[1] for match in found if match))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Pass the session's id to an xdist worker, so that ``--fresh`` trains a run once, not once per worker."""
    node.workerinput[_SESSION] = session_name(node.config)


def session_name(config: pytest.Config) -> str:
    """Return the random id of this session; its workers share it."""
    inherited: str | None = getattr(config, "workerinput", {}).get(_SESSION)
    return inherited or config.stash.setdefault(_OWN_SESSION, uuid.uuid4().hex)


_SESSION = "bertspec_session"
_OWN_SESSION = pytest.StashKey[str]()


@dataclass(frozen=True, slots=True)
class _Terminal:
    """Pytest's terminal, for use while pytest captures the output of a test."""

    reporter: Any
    capture: Any

    def write(self, text: str) -> int:
        """Write to the terminal in spite of the capture, starting on a new line."""
        with self.capture.global_and_fixture_disabled():
            self.reporter.ensure_newline()
            written = sys.stdout.write(text)
            sys.stdout.flush()
        return written

    def flush(self) -> None:
        """Do nothing: every write is flushed."""

    def isatty(self) -> bool:
        """Return whether the output is a terminal."""
        with self.capture.global_and_fixture_disabled():
            return sys.stdout.isatty()


def _terminal(config: pytest.Config) -> _Terminal | None:
    plugins = [config.pluginmanager.get_plugin(name) for name in ("terminalreporter", "capturemanager")]
    return None if None in plugins else _Terminal(*plugins)
