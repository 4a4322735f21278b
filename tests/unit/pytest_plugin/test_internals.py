"""A canary: each private name that the plugin uses, looked up by itself."""

from __future__ import annotations

import importlib
import inspect
from importlib.metadata import version

import pytest

PRIVATE = [
    "pytest_bdd.compat:get_fixture_names",
    "pytest_bdd.compat:getfixturedefs",
    "pytest_bdd.feature:get_feature",
    "pytest_bdd.parser:ScenarioTemplate.render",
    "pytest_bdd.parser:Step",
    "pytest_bdd.scenario:scenario_wrapper_template_registry",
    "pytest_bdd.steps:step_function_context_registry",
    "pytest:Module._getobj",
    "pytest:Function.listchain",
    "xdist.scheduler:LoadGroupScheduling._split_scope",
]


@pytest.mark.parametrize("name", PRIVATE)
def test_a_private_name_is_still_there(name: str) -> None:
    module, _, path = name.partition(":")
    attribute = importlib.import_module(module)
    for part in path.split("."):
        attribute = getattr(attribute, part)
    assert attribute is not None


def test_pytest_bdd_is_a_release_that_was_looked_at() -> None:
    assert version("pytest-bdd").partition(".")[0] == "9"


def test_a_session_still_has_its_fixture_manager(request: pytest.FixtureRequest) -> None:
    assert hasattr(request.session, "_fixturemanager")


def test_the_logging_plugin_still_has_the_handler_of_its_report_sections(pytestconfig: pytest.Config) -> None:
    plugin = pytestconfig.pluginmanager.get_plugin("logging-plugin")
    assert callable(plugin.report_handler.addFilter)


def test_a_terminal_reporter_still_has_its_stream(pytestconfig: pytest.Config) -> None:
    reporter = pytestconfig.pluginmanager.get_plugin("terminalreporter")
    if reporter is None:
        pytest.skip("workers have no terminal")
    assert hasattr(reporter, "_tw")
    assert hasattr(reporter._tw, "_file")


def test_a_step_definition_still_has_its_fields() -> None:
    from pytest_bdd.steps import StepFunctionContext

    assert {"type", "step_func", "parser"} <= StepFunctionContext.__dataclass_fields__.keys()


def test_a_test_function_still_takes_its_callable_and_its_name() -> None:
    assert {"name", "parent", "callobj"} <= inspect.signature(pytest.Function.__init__).parameters.keys()


def test_a_node_id_still_reads_its_brackets(request: pytest.FixtureRequest) -> None:
    node_id = getattr(request.node, "id", None)
    if node_id is None:
        pytest.skip("before pytest 9.2 node ids are plain strings")
    assert type(node_id).parse("a.feature::b[c]").params == "c"
    assert hasattr(request.node, "_id")
