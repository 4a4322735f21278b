"""The fixtures of the step definitions."""

from __future__ import annotations

import sys
import uuid
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bertspec.errors import BertspecError
from bertspec.pytest_plugin.collection import FAILED_STEP
from bertspec.pytest_plugin.running import CLAIM
from bertspec.steps.scene import Claims, Expectation, Recipe, SeedPolicy, expectations

if TYPE_CHECKING:
    from pytest_bdd.parser import Feature, Scenario

    from bertspec.results import ClaimRecord
    from bertspec.study import Session

__all__ = [
    "bertspec_session",
    "claims",
    "pytest_bdd_before_scenario",
    "pytest_configure_node",
    "recipe",
    "seed_policy",
    "session_name",
    "store_root",
    "workbench",
]

_EXPECTED = pytest.StashKey[tuple[Expectation, ...]]()


@pytest.fixture(scope="session")
def bertspec_session(pytestconfig: pytest.Config) -> Iterator[Session]:
    """The catalog, the sources, the store and the trackers of this test session."""
    from bertspec.study import Session
    from bertspec.tracking import ProgressTracker

    columns = pytestconfig.get_terminal_writer().fullwidth
    session = Session.open(
        store_root(pytestconfig),
        root=pytestconfig.rootpath,
        progress=ProgressTracker(_terminal(pytestconfig), columns=columns),
        device=pytestconfig.getoption("bertspec_device"),
        id=session_name(pytestconfig),
        fresh=pytestconfig.getoption("fresh"),
        checkpoint_every=pytestconfig.getoption("checkpoint_every"),
        keep_models=pytestconfig.getoption("keep_models"),
    )
    with session:
        yield session


@pytest.fixture(scope="session")
def workbench(bertspec_session: Session) -> Session:
    """The former name of ``bertspec_session``."""
    warnings.warn("the fixture workbench is called bertspec_session", pytest.PytestDeprecationWarning, stacklevel=1)
    return bertspec_session


@pytest.fixture(scope="session")
def seed_policy(pytestconfig: pytest.Config) -> SeedPolicy:
    """Which seeds this test session runs, by ``--calibrate``, ``--seed-shift``, ``--least-runs`` and ``--against``."""
    from bertspec.claims import REFERENCE_SEEDS
    from bertspec.statistics import FEWEST_COMPARED

    compared = FEWEST_COMPARED if pytestconfig.getoption("against") else 0
    return SeedPolicy(
        reference=tuple(REFERENCE_SEEDS + n for n in range(pytestconfig.getoption("calibrate") or 0)),
        shift=pytestconfig.getoption("seed_shift") or 0,
        least_runs=pytestconfig.getoption("least_runs") or compared,
    )


@pytest.fixture
def recipe(request: pytest.FixtureRequest, seed_policy: SeedPolicy) -> Recipe:
    """The encoder's own recipe, unless a Given line names one; it holds what the Then lines claim."""
    return Recipe(expected=request.node.stash.get(_EXPECTED, ()), policy=seed_policy)


@pytest.fixture
def claims(request: pytest.FixtureRequest, bertspec_session: Session) -> Claims:
    """The claims that this scenario settles."""

    def keep(record: ClaimRecord) -> None:
        request.node.user_properties.append((CLAIM, record.model_dump(mode="json")))

    return Claims(keep, bertspec_session.tracker.judged)


def store_root(config: pytest.Config) -> Path:
    """Return the folder of finished runs: ``--bertspec-store``, else ``BERTSPEC_STORE``, else ``.bertspec``."""
    from bertspec.store import store_folder

    return store_folder(config.getoption("bertspec_store"), root=config.rootpath)


def pytest_bdd_before_scenario(request: pytest.FixtureRequest, feature: Feature, scenario: Scenario) -> None:
    """Read the Then steps ahead, so that a wrong metric or bound is refused before anything is trained."""
    del feature
    expected: list[Expectation] = []
    for step in scenario.steps:
        if step.type == "then":
            try:
                expected += [replace(each, step=step) for each in expectations([step.name])]
            except BertspecError:
                request.node.stash[FAILED_STEP] = step
                raise
    request.node.stash[_EXPECTED] = tuple(expected)


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
