"""Feature files as pytest collects them: one file, its scenarios, one item for each example."""

from __future__ import annotations

import os
import types
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from pytest_bdd import scenario
from pytest_bdd.exceptions import GherkinParseError

from bertspec.pytest_plugin import checks, messages, names, tags
from bertspec.pytest_plugin.definitions import ambiguous
from bertspec.pytest_plugin.document import Problem, Unreadable, parse
from bertspec.pytest_plugin.internals import (
    Definition,
    Feature,
    ScenarioTemplate,
    Step,
    definitions_of,
    feature,
    settle_id,
)
from bertspec.pytest_plugin.names import Example

__all__ = ["SELECTING", "FeatureFile", "ScenarioItem"]

SELECTING = pytest.StashKey[bool]()
"""Set on the session while items are selected by ``-k``."""


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
        """Why the scenario fails without being run, although it was required."""
        self.extra_keyword_matches |= {example.title, template.feature.name, *example.values.values()}
        if rule:
            self.extra_keyword_matches.add(rule.name)

    @property
    def feature_file(self) -> FeatureFile:
        """The file that the scenario stands in."""
        return cast("FeatureFile", self.parent)

    @property
    def steps(self) -> list[Step]:
        """The steps as they will run, those of the backgrounds included."""
        return self.template.render(self.example.values).steps

    def listchain(self) -> list[Any]:
        """The nodes above; while ``-k`` selects, without folders, whose names say nothing of a scenario."""
        chain = super().listchain()
        if self.session.stash.get(SELECTING, False):
            return [node for node in chain if not isinstance(node, pytest.Directory)]
        return chain

    def runtest(self) -> None:
        """Run the steps, or say why a required scenario cannot run here."""
        if self.refusal is not None:
            pytest.fail(self.refusal, pytrace=False)
        super().runtest()

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> Any:  # type: ignore[override]  # as Function does
        """The failing step and its message where that says it all, else a traceback."""
        return messages.short(self, excinfo) or messages.located(self, super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int, str]:
        """File, line (from 0) and title."""
        return self.path, self.example.line - 1, self.example.title


class FeatureFile(pytest.Module):
    """A feature file."""

    def _getobj(self) -> types.ModuleType:
        module = types.ModuleType(self.path.stem)
        module.__file__ = str(self.path)
        return module

    def collect(self) -> Iterable[ScenarioItem]:
        """Every scenario, after the whole file was checked.

        Raises:
            CollectError: the file holds something that would not mean what it says.
        """
        try:
            document = parse(_read(self.path))
            self._refuse(checks.problems(document, known_tags=tags.known(self.config)))
            parsed = feature(self.path)
        except Unreadable as error:
            raise self._error(error.problems) from None
        except GherkinParseError as error:
            raise self._error([Problem(error.line, error.message)]) from None
        found = list(names.examples(document))
        self._refuse(names.clashes(found))
        items = list(self._items(parsed, found))
        if not self.config.getoption("check_steps"):
            self._refuse(ambiguous((step for item in items for step in item.steps), self.definitions()))
        return items

    def definitions(self) -> list[Definition]:
        """The step definitions that this file can see."""
        return definitions_of(self)

    @property
    def shown_path(self) -> str:
        """The path as messages show it: relative to where pytest was called."""
        shown = os.path.relpath(self.path, self.config.invocation_params.dir)
        return str(self.path) if shown.startswith("..") else Path(shown).as_posix()

    def _items(self, parsed: Feature, found: list[Example]) -> Iterator[ScenarioItem]:
        for example in found:
            run = scenario(self.path.name, example.scenario.title, features_base_dir=str(self.path.parent))(_nothing)
            template = parsed.scenarios[example.scenario.title]
            yield ScenarioItem.from_parent(
                self, name=example.name, callobj=_bound(run, example), example=example, template=template
            )

    def _refuse(self, problems: Iterable[Problem]) -> None:
        found = list(problems)
        if found:
            raise self._error(found)

    def _error(self, problems: Iterable[Problem]) -> pytest.Collector.CollectError:
        lines = dict.fromkeys(f"{self.shown_path}:{problem.line}: {problem.text}" for problem in problems)
        return self.CollectError("\n".join(lines))


def _nothing() -> None:
    """What pytest-bdd calls after the last step."""


def _bound(run: Callable[..., object], example: Example) -> Callable[[pytest.FixtureRequest], None]:
    """A test function that needs no parametrization, with the marks that pytest-bdd made of the tags."""

    def run_scenario(request: pytest.FixtureRequest) -> None:
        __tracebackhide__ = True
        run(request=request, _pytest_bdd_example=dict(example.values))

    marks = [mark for mark in getattr(run, "pytestmark", ()) if mark.name != "parametrize"]
    of_the_scenario = {tag.name for tag in example.scenario.tags}
    marks += [getattr(pytest.mark, tag).mark for tag in sorted(example.tags - of_the_scenario)]
    run_scenario.pytestmark = marks  # type: ignore[attr-defined]
    return run_scenario


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise Unreadable(Problem(line, "the file is not UTF-8")) from None
