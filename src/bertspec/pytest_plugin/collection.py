"""Feature files as pytest collects them: one file, its scenarios, one item per example."""

from __future__ import annotations

import functools
import os
import types
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from pytest_bdd import scenario
from pytest_bdd.exceptions import GherkinParseError, StepDefinitionNotFoundError

from bertspec.errors import BertspecError
from bertspec.files import read_regular
from bertspec.pytest_plugin import capabilities, definitions, gherkin, usage
from bertspec.pytest_plugin.definitions import LARGEST, AnyStep, Line
from bertspec.pytest_plugin.gherkin import Example, Problem, Unreadable
from bertspec.pytest_plugin.internals import (
    Definition,
    Feature,
    ScenarioTemplate,
    Step,
    bound_example,
    bound_scenario,
    definitions_of,
    feature,
    settle_id,
)

__all__ = ["FAILED_STEP", "SELECTING", "FeatureFile", "ScenarioItem", "deselect_bound", "scenario_of"]

FAILED_STEP = pytest.StashKey[AnyStep]()
"""The step at which an item failed."""
SELECTING = pytest.StashKey[bool]()
"""Set on the session while ``-k`` selects items."""

_REWRITTEN = "\nassert "


class ScenarioItem(pytest.Function):
    """A scenario, or one example of an outline."""

    def __init__(self, *, example: Example, template: ScenarioTemplate, **settings: Any) -> None:
        super().__init__(**settings)
        settle_id(self)
        self.example = example
        self.template = template
        rule = template.rule
        self.tags = frozenset(example.tags | template.feature.tags | (rule.tags if rule else set()))
        self.refusal: str | None = None
        """Why a scenario that ``--require`` names fails without being run."""
        self.extra_keyword_matches |= {example.title, template.feature.name, *example.values.values()}
        if rule:
            self.extra_keyword_matches.add(rule.name)

    @property
    def feature_file(self) -> FeatureFile:
        """The file of the scenario."""
        return cast("FeatureFile", self.parent)

    @property
    def steps(self) -> list[Step]:
        """The steps as they will run, including those of the backgrounds."""
        return self.template.render(self.example.values).steps

    @property
    def lines(self) -> Iterator[AnyStep]:
        """The steps as :attr:`steps` has them, without their tables: copying these would take most of a collection."""
        return (
            Line(step.type, gherkin.fill(step.name, self.example.values), step.keyword, step.line_number)
            for step in self.template.steps
        )

    def listchain(self) -> list[Any]:
        """Return the nodes above; without folders while ``-k`` selects, as their names do not describe a scenario."""
        chain = super().listchain()
        if self.session.stash.get(SELECTING, False):
            return [node for node in chain if not isinstance(node, pytest.Directory)]
        return chain

    def runtest(self) -> None:
        """Run the steps, or fail if the scenario is required and cannot run here."""
        if self.refusal is not None:
            pytest.fail(self.refusal, pytrace=False)
        super().runtest()

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> Any:  # type: ignore[override]  # as Function does
        """Return the message and the failing step; with a traceback where the message alone would not do."""
        step = self.stash.get(FAILED_STEP, None)
        message = "" if _wants_traceback(self.config) else _failure_message(self, step, excinfo.value)
        if message:
            return _short_failure(message, self._location(step), excinfo)
        shown = super().repr_failure(excinfo)
        if step is not None and hasattr(shown, "addsection"):
            shown.addsection("step", self._location(step))
        return shown

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return file, line (from 0) and title."""
        return self.path, self.example.line - 1, self.example.title

    def _location(self, step: AnyStep | None) -> str:
        if step is None:
            return ""
        return f"{self.feature_file.shown_path}:{step.line_number}: {step.keyword} {step.name}"


class FeatureFile(pytest.Module):
    """A feature file."""

    def _getobj(self) -> types.ModuleType:
        module = types.ModuleType(self.path.stem)
        module.__file__ = str(self.path)
        return module

    def collect(self) -> Iterable[ScenarioItem]:
        """Check the whole file, then return its scenarios.

        Raises:
            CollectError: the file has errors; they are listed with their lines.
        """
        try:
            document = gherkin.parse(_read(self.path))
            self._refuse(gherkin.problems(document, known_tags=capabilities.known_tags(self.config)))
            parsed = feature(self.path)
        except Unreadable as error:
            raise self._error(error.problems) from None
        except GherkinParseError as error:
            raise self._error([Problem(error.line, error.message)]) from None
        examples = list(gherkin.examples(document))
        self._refuse(gherkin.clashes(examples))
        items = list(self._items(parsed, examples))
        known = self.definitions()
        first = {item.template.name: item for item in reversed(items)}
        self._refuse(
            problem for item in first.values() for problem in usage.problems(item.template, item.example, known)
        )
        if not self.config.getoption("check_steps"):
            self._refuse(definitions.ambiguous((step for item in items for step in item.lines), known))
        return items

    def definitions(self) -> list[Definition]:
        """Return the step definitions that are visible from this file."""
        return definitions_of(self)

    @property
    def shown_path(self) -> str:
        """The path for messages: relative to the folder in which pytest was called."""
        shown = os.path.relpath(self.path, self.config.invocation_params.dir)
        return str(self.path) if shown.startswith("..") else Path(shown).as_posix()

    def _items(self, parsed: Feature, examples: list[Example]) -> Iterator[ScenarioItem]:
        runs: dict[str, Callable[..., object]] = {}  # pytest-bdd goes through all rows of an outline each time
        for example in examples:
            title = example.scenario.title
            if title not in runs:
                runs[title] = scenario(self.path.name, title, features_base_dir=str(self.path.parent))(_no_body)
            run, template = runs[title], parsed.scenarios[title]
            yield ScenarioItem.from_parent(
                self, name=example.name, callobj=_test_function(run, example), example=example, template=template
            )

    def _refuse(self, problems: Iterable[Problem]) -> None:
        listed = list(problems)
        if listed:
            raise self._error(listed)

    def _error(self, problems: Iterable[Problem]) -> pytest.Collector.CollectError:
        lines = dict.fromkeys(f"{self.shown_path}:{problem.line}: {problem.text}" for problem in problems)
        return self.CollectError("\n".join(lines))


def deselect_bound(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Deselect the scenarios that a test module binds by ``scenario()`` or ``scenarios()``, and load our steps for it.

    Such a scenario runs in its module, with the module's own step definitions, and not again from the feature file.
    """
    bound = {_key(template) for item in items if (template := bound_scenario(item))}
    if any(definitions.may_be_ours(path) for path in {path for path, _ in bound}):
        # The feature files may lie in a folder that pytest was not asked to collect.
        definitions.load(session.config)
    twice = (
        {item for item in items if isinstance(item, ScenarioItem) and _key(item.template) in bound} if bound else set()
    )
    if twice:
        session.config.hook.pytest_deselected(items=[item for item in items if item in twice])
        items[:] = [item for item in items if item not in twice]


def scenario_of(item: pytest.Item) -> tuple[ScenarioTemplate, Example] | None:
    """Return the scenario and the example that a test runs, or ``None`` if it runs no scenario of ours."""
    if isinstance(item, ScenarioItem):
        return item.template, item.example
    template = bound_scenario(item)
    if template is None or not definitions.may_be_ours(Path(template.feature.filename)):
        return None
    try:
        examples = _examples_by_values(_read(Path(template.feature.filename)))
    except (UnicodeDecodeError, Unreadable):
        return None
    example = examples.get((template.name, frozenset(bound_example(item).items())))
    return (template, example) if example else None


@functools.lru_cache(maxsize=4)
def _examples_by_values(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], Example]:
    """The examples of a feature file by title and values; the tests that bind its rows ask one by one."""
    found: dict[tuple[str, frozenset[tuple[str, str]]], Example] = {}
    for example in gherkin.examples(gherkin.parse(text)):
        found.setdefault((example.scenario.title, frozenset(example.values.items())), example)
    return found


def _wants_traceback(config: pytest.Config) -> bool:
    full = config.getoption("fulltrace", default=False)
    return full or config.getoption("tbstyle", default="auto") in ("long", "native")


def _failure_message(item: ScenarioItem, step: AnyStep | None, error: BaseException) -> str:
    """The failure in words, or empty if only a traceback explains it."""
    if isinstance(error, BertspecError):
        return str(error)
    if step is not None and isinstance(error, StepDefinitionNotFoundError):
        return "undefined step" + definitions.advice(step, item.feature_file.definitions())
    if step is not None and isinstance(error, pytest.FixtureLookupError):
        return _missing_fixture(error.argname, item)
    if step is not None and step.type == "then" and isinstance(error, AssertionError):
        return _assertion_message(error)
    return ""


def _missing_fixture(name: str | None, item: ScenarioItem) -> str:
    known = definitions.givers(name, item.feature_file.definitions()) if name else []
    return f"no earlier step gives the {name}; write one such as {' or '.join(known)}" if known else ""


def _assertion_message(error: AssertionError) -> str:
    """The author's message, or pytest's explanation if there is none."""
    text = str(error)
    return text if text.startswith(_REWRITTEN.lstrip()) else text.partition(_REWRITTEN)[0]


def _short_failure(message: str, location: str, excinfo: pytest.ExceptionInfo[BaseException]) -> Any:
    """The message and the step's line, in place of a traceback."""
    text = f"{message}\n{location}" if location else message
    failure = pytest.fail.Exception(text, pytrace=False).with_traceback(excinfo.tb)
    shown = pytest.ExceptionInfo.from_exception(failure).getrepr(style="value")
    if shown.reprcrash is not None:
        shown.reprcrash.message = message
    return shown


def _key(template: ScenarioTemplate) -> tuple[Path, str]:
    return Path(template.feature.filename).resolve(), template.name


def _no_body() -> None:
    """The test body that pytest-bdd calls after the last step."""


def _test_function(run: Callable[..., object], example: Example) -> Callable[[pytest.FixtureRequest], None]:
    """A test function without parametrization, with the marks that pytest-bdd made of the tags."""

    def run_scenario(request: pytest.FixtureRequest) -> None:
        __tracebackhide__ = True
        run(request=request, _pytest_bdd_example=dict(example.values))

    marks = [mark for mark in getattr(run, "pytestmark", ()) if mark.name != "parametrize"]
    scenario_tags = {tag.name for tag in example.scenario.tags}
    marks += [getattr(pytest.mark, tag).mark for tag in sorted(example.tags - scenario_tags)]
    run_scenario.pytestmark = marks  # type: ignore[attr-defined]
    return run_scenario


def _read(path: Path) -> str:
    try:
        return read_regular(path, limit=LARGEST).decode("utf-8")
    except OSError as error:
        raise Unreadable(Problem(1, f"the file cannot be read: {error.strerror}")) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise Unreadable(Problem(line, "the file is not UTF-8")) from None
