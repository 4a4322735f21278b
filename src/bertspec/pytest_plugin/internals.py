"""The only module that uses private names of pytest, pytest-bdd 9 and pytest-xdist.

A canary test looks up each of them, so that a release that drops one fails with its name.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pytest_bdd.compat import get_fixture_names, getfixturedefs
from pytest_bdd.feature import get_feature
from pytest_bdd.parser import Feature, ScenarioTemplate, Step
from pytest_bdd.scenario import scenario_wrapper_template_registry
from pytest_bdd.steps import StepFunctionContext, step_function_context_registry

__all__ = [
    "Definition",
    "Feature",
    "ScenarioTemplate",
    "Step",
    "bound_example",
    "bound_scenario",
    "definitions_in",
    "definitions_of",
    "encoding",
    "feature",
    "filter_reported_logs",
    "scheduler",
    "settle_id",
]


@dataclass(frozen=True, slots=True)
class Definition:
    """A step definition."""

    kind: str | None
    """``given``, ``when`` or ``then``; ``None`` matches all three."""
    pattern: str
    parser: Any
    module: str
    visible_from: str
    """The node id under which it is visible: empty for plugins and for the conftest of the root folder."""
    where: str
    """File and line of its function."""
    gives: str | None = None
    """The name of its ``target_fixture``."""
    arguments: frozenset[str] = frozenset()
    """The names of its function's arguments."""

    def matches(self, kind: str, text: str) -> bool:
        """Return whether the definition matches a step."""
        return self.kind in (None, kind) and bool(self.parser.is_matching(text))


def feature(path: Path) -> Feature:
    """Parse a feature file with pytest-bdd."""
    return get_feature(str(path.parent), path.name)


def definitions_of(node: pytest.Collector) -> list[Definition]:
    """Return the step definitions that are visible from a node."""
    manager = node.session._fixturemanager  # noqa: SLF001 - pytest has no public list of fixtures
    contexts = (
        (step_function_context_registry.get(fixture.func), fixture.baseid)
        for name in get_fixture_names(manager)
        for fixture in getfixturedefs(manager, name, node) or ()
    )
    return [_definition(context, visible_from=baseid) for context, baseid in contexts if context is not None]


def definitions_in(module: object) -> Iterator[Definition]:
    """Yield the step definitions of a loaded module."""
    functions = vars(module)
    for context in list(step_function_context_registry.values()):
        if getattr(context.step_func, "__globals__", None) is functions:
            yield _definition(context, visible_from="")


def bound_scenario(item: pytest.Item) -> ScenarioTemplate | None:
    """Return the scenario that a test module binds to a test by ``scenario()`` or ``scenarios()``."""
    function = getattr(item, "function", None)
    template: ScenarioTemplate | None = scenario_wrapper_template_registry.get(function) if function else None
    return template


def bound_example(item: pytest.Item) -> dict[str, str]:
    """Return the example values of such a test; empty for a scenario without examples."""
    callspec = getattr(item, "callspec", None)
    return dict(callspec.params.get("_pytest_bdd_example", {})) if callspec else {}


def settle_id(item: pytest.Item) -> None:
    """Parse the brackets of an item's id as ``--lf`` does when it reads its cache.

    Since pytest 9.2 ids have parts, and the brackets of an item without parametrization end up in its name.
    """
    if hasattr(item, "_id"):
        item._id = type(item._id).parse(item.nodeid)  # noqa: SLF001 - no public way to set it


def encoding(reporter: pytest.TerminalReporter) -> str:
    """Return the encoding of the stream that the terminal reporter writes to."""
    stream = reporter._tw._file  # noqa: SLF001 - no public name exists
    return getattr(stream, "encoding", None) or "ascii"


def filter_reported_logs(config: pytest.Config, keep: Callable[[logging.LogRecord], bool]) -> None:
    """Leave log records out of the "Captured log" sections; log files, ``--log-cli`` and ``caplog`` get all of them."""
    plugin = config.pluginmanager.get_plugin("logging-plugin")
    if plugin is not None:
        plugin.report_handler.addFilter(keep)


def scheduler(config: pytest.Config, log: Any, group: Callable[[str], str | None]) -> Any:
    """Return xdist's scheduler for ``--dist loadgroup``, grouped by a function of the node id.

    Args:
        config: pytest's own.
        log: xdist's logger.
        group: the name of a test's group, or ``None`` to leave it to xdist.
    """
    from xdist.scheduler import LoadGroupScheduling  # type: ignore[import-untyped]  # late: it may not be installed

    class ByGroup(LoadGroupScheduling):  # type: ignore[misc]  # xdist is untyped
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid) or str(super()._split_scope(nodeid))

    return ByGroup(config, log)


def _definition(context: StepFunctionContext, *, visible_from: str) -> Definition:
    function = inspect.unwrap(context.step_func)
    code = getattr(function, "__code__", None)
    return Definition(
        kind=context.type,
        pattern=str(context.parser.name),
        parser=context.parser,
        module=getattr(function, "__module__", ""),
        visible_from=visible_from,
        where=f"{code.co_filename}:{code.co_firstlineno}" if code else repr(function),
        gives=context.target_fixture,
        arguments=frozenset(inspect.signature(function).parameters),
    )
