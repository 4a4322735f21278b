"""The one place that knows private names of pytest and of pytest-bdd 9.

A canary test asks for each of them, so that a release without one fails with that name.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
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
    "settle_id",
]


@dataclass(frozen=True, slots=True)
class Definition:
    """A step definition."""

    kind: str | None
    """``given``, ``when`` or ``then``; none means all of them."""
    pattern: str
    parser: Any
    module: str
    visible_from: str
    """The node id under which it is visible: empty for plugins and for the conftest of the root folder."""
    where: str
    """File and line of its function."""
    gives: str | None = None
    """The fixture that later steps find what it made under, where it makes anything."""

    def matches(self, kind: str, text: str) -> bool:
        """Whether the definition answers to a step."""
        return self.kind in (None, kind) and bool(self.parser.is_matching(text))


def feature(path: Path) -> Feature:
    """A feature file as pytest-bdd reads it."""
    return get_feature(str(path.parent), path.name)


def definitions_of(node: pytest.Collector) -> list[Definition]:
    """The step definitions that a node can see."""
    manager = node.session._fixturemanager  # noqa: SLF001 - pytest has no public list of fixtures
    found = []
    for name in get_fixture_names(manager):
        for fixture in getfixturedefs(manager, name, node) or ():
            context = step_function_context_registry.get(fixture.func)
            if context is not None:
                found.append(_definition(context, visible_from=fixture.baseid))
    return found


def definitions_in(module: object) -> Iterator[Definition]:
    """The step definitions that a loaded module holds."""
    functions = vars(module)
    for context in list(step_function_context_registry.values()):
        if getattr(context.step_func, "__globals__", None) is functions:
            yield _definition(context, visible_from="")


def bound_scenario(item: pytest.Item) -> ScenarioTemplate | None:
    """The scenario that a test module binds to a test, by ``scenario()`` or ``scenarios()``."""
    function = getattr(item, "function", None)
    found: ScenarioTemplate | None = scenario_wrapper_template_registry.get(function) if function else None
    return found


def bound_example(item: pytest.Item) -> dict[str, str]:
    """The values of the example that such a test plays; none for a scenario without examples."""
    callspec = getattr(item, "callspec", None)
    return dict(callspec.params.get("_pytest_bdd_example", {})) if callspec else {}


def settle_id(item: pytest.Item) -> None:
    """Let an item's id know its brackets, as it will be read back from the cache of ``--lf``.

    Since pytest 9.2 ids have parts, and an item that was not parametrized gets its brackets into its name.
    """
    if hasattr(item, "_id"):
        item._id = type(item._id).parse(item.nodeid)  # noqa: SLF001 - no public way to set it


def encoding(reporter: pytest.TerminalReporter) -> str:
    """The encoding of the stream that the terminal reporter writes to."""
    stream = reporter._tw._file  # noqa: SLF001 - no public name exists
    return getattr(stream, "encoding", None) or "ascii"


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
    )
