"""What scenarios are called: node ids that survive an edited threshold, titles, keywords."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bertspec.pytest_plugin.document import Document, Problem, Scenario, placeholders

__all__ = ["Example", "clashes", "examples", "fill"]

_NOT_A_WORD = re.compile(r"\W+")
_COLUMN = re.compile(r"<(.+?)>")  # as pytest-bdd fills in the steps


@dataclass(frozen=True, slots=True)
class Example:
    """A scenario as it will run: an outline gives one for each of its rows."""

    scenario: Scenario
    line: int
    """The line of the row, or of the scenario where it has no rows."""
    name: str
    """The last part of the node id."""
    title: str
    """The title with the row's values."""
    values: Mapping[str, str]
    tags: frozenset[str]
    """The tags of the scenario and of its examples, without those it inherits."""


def examples(document: Document) -> Iterator[Example]:
    """Every scenario of a file as it will run, in order."""
    for scenario in document.scenarios:
        own = frozenset(tag.name for tag in scenario.tags)
        if not scenario.tables:
            yield Example(scenario, scenario.line, _slug(scenario), scenario.title, {}, own)
        for table in scenario.tables:
            tags = own | {tag.name for tag in table.tags}
            for row in table.rows:
                values = dict(zip(table.columns, row.cells, strict=True))
                name = f"{_slug(scenario)}[{_example_id(scenario, values)}]"
                yield Example(scenario, row.line, name, fill(scenario.title, values), values, tags)


def clashes(found: list[Example]) -> list[Problem]:
    """Examples that would get the id of an earlier one."""
    first: dict[str, int] = {}
    problems = []
    for example in found:
        if example.name in first:
            problems.append(
                Problem(
                    example.line,
                    f"the id {example.name!r} belongs to line {first[example.name]} already: "
                    "name in the title what tells the two apart",
                )
            )
        first.setdefault(example.name, example.line)
    return problems


def fill(text: str, values: Mapping[str, str]) -> str:
    """Put the values of a row where their columns are named."""
    return _COLUMN.sub(lambda match: values.get(match[1], match[0]), text)


def _slug(scenario: Scenario) -> str:
    return _NOT_A_WORD.sub("_", scenario.title).strip("_").lower() or f"line_{scenario.line}"


def _example_id(scenario: Scenario, values: Mapping[str, str]) -> str:
    """The cells that the title names; where it names none, all of them."""
    columns = [name for name in placeholders(scenario.title) if name in values] or list(values)
    return "-".join(" ".join(values[column].split()) for column in columns)
