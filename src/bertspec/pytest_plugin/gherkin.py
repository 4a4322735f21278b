"""A feature file: its parsed document, the errors in it, and the names of its scenarios. Pure; no pytest.

Plain pytest-bdd runs a misspelt column or a scenario without steps, does nothing, and passes; :func:`problems` reports
each of these traps with its line.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gherkin.dialect import Dialect
from gherkin.errors import CompositeParserException
from gherkin.parser import Parser

from bertspec.printing import printable

__all__ = [
    "Document",
    "Example",
    "Problem",
    "Row",
    "Scenario",
    "StepLine",
    "Table",
    "Tag",
    "Unreadable",
    "clashes",
    "examples",
    "fill",
    "parse",
    "placeholders",
    "problems",
]

_PLACEHOLDER = re.compile(r"<([^<>\s](?:[^<>]*[^<>\s])?)>")
_COLUMN = re.compile(r"<(.+?)>")
"""A column in a title or a step, as pytest-bdd fills it in."""
_NOT_A_WORD = re.compile(r"\W+")
_PARSER_LOCATION = re.compile(r"^\(\d+:\d+\):\s*")
_FIRST_KINDS = ("Context", "Action", "Outcome")


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """An error in a feature file."""

    line: int
    text: str


class Unreadable(Exception):
    """The feature file cannot be parsed as Gherkin."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(f"line {problem.line}: {problem.text}" for problem in problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Tag:
    """A tag, without its ``@``."""

    name: str
    line: int


@dataclass(frozen=True, slots=True)
class StepLine:
    """A step with its table and its docstring."""

    line: int
    keyword: str
    kind: str
    """``Context``, ``Action`` or ``Outcome``; ``And``, ``But`` and ``*`` have kinds of their own."""
    text: str
    cells: tuple[str, ...]
    docstring: str


@dataclass(frozen=True, slots=True)
class Row:
    """One row of an ``Examples:`` table."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """One ``Examples:`` table."""

    line: int
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    tags: tuple[Tag, ...]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A scenario, or an outline with its ``Examples:`` tables."""

    line: int
    title: str
    outline: bool
    """Whether its keyword is that of an outline, which must have examples."""
    steps: tuple[StepLine, ...]
    tables: tuple[Table, ...]
    tags: tuple[Tag, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed feature file."""

    scenarios: tuple[Scenario, ...]
    backgrounds: tuple[tuple[StepLine, ...], ...]
    tags: tuple[Tag, ...]
    """The tags of the feature and of its rules."""

    def all_tags(self) -> Iterator[Tag]:
        """All tags of the file, in no particular order."""
        yield from self.tags
        for scenario in self.scenarios:
            yield from scenario.tags
            for table in scenario.tables:
                yield from table.tags


@dataclass(frozen=True, slots=True)
class Example:
    """A scenario as it will run; an outline has one for each of its rows."""

    scenario: Scenario
    line: int
    """The line of the row, or of the scenario if it has no rows."""
    name: str
    """The last part of the node id."""
    title: str
    """The title, with the values of the row filled in."""
    values: Mapping[str, str]
    tags: frozenset[str]
    """The tags of the scenario and of its ``Examples:``, without those of the feature and the rule."""


def parse(text: str) -> Document:
    """Parse the content of a feature file.

    Raises:
        Unreadable: the text is not Gherkin, or has no feature.
    """
    if text.startswith("\ufeff"):
        raise Unreadable(Problem(1, "the file starts with a byte-order mark (BOM): save it as UTF-8 without one"))
    try:
        feature: Any = Parser().parse(text).get("feature")
    except CompositeParserException as error:
        raise Unreadable(*(_parser_problem(one) for one in error.errors)) from None
    if not feature:
        raise Unreadable(Problem(1, "the file has no Feature"))
    children = list(_flat(feature["children"]))
    dialect = Dialect.for_name(feature["language"])
    outline_keywords = dialect.scenario_outline_keywords if dialect else []
    return Document(
        scenarios=tuple(_scenario(c["scenario"], outline_keywords) for c in children if "scenario" in c),
        backgrounds=tuple(_steps(c["background"]) for c in children if "background" in c),
        tags=_tags(feature) + tuple(tag for c in children if "rule" in c for tag in _tags(c["rule"])),
    )


def placeholders(*texts: str) -> tuple[str, ...]:
    """Return the names in angle brackets, each once, in order."""
    return tuple(dict.fromkeys(name for text in texts for name in _PLACEHOLDER.findall(text)))


def problems(document: Document, *, known_tags: Collection[str]) -> list[Problem]:
    """Return the errors that pytest-bdd would ignore, sorted by line.

    Args:
        document: the parsed file.
        known_tags: the registered markers; any other tag is an error.
    """
    errors = [*_in_titles(document), *_in_tags(document, known_tags)]
    for background in document.backgrounds:
        errors += _in_background(background)
    for scenario in document.scenarios:
        errors += _in_steps(scenario)
        errors += _in_tables(scenario)
    return sorted(set(errors))


def examples(document: Document) -> Iterator[Example]:
    """Yield the scenarios of a file as they will run, in order."""
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


def clashes(candidates: Sequence[Example]) -> list[Problem]:
    """Return an error for each example whose name is taken by an earlier one."""
    first: dict[str, int] = {}
    problems = []
    for example in candidates:
        if example.name in first:
            problems.append(
                Problem(
                    example.line,
                    f"the test id {example.name!r} is already used on line {first[example.name]}: "
                    "name the columns that differ in the title",
                )
            )
        first.setdefault(example.name, example.line)
    return problems


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace each ``<column>`` by its value in the row."""
    return _COLUMN.sub(lambda match: values.get(match[1], match[0]), text)


def _parser_problem(error: Any) -> Problem:
    return Problem(error.location["line"], _PARSER_LOCATION.sub("", str(error)))


def _flat(children: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    for child in children:
        yield child
        if "rule" in child:
            yield from _flat(child["rule"]["children"])


def _scenario(node: Mapping[str, Any], outline_keywords: Sequence[str]) -> Scenario:
    return Scenario(
        line=node["location"]["line"],
        title=node["name"],
        outline=node["keyword"] in outline_keywords,
        steps=_steps(node),
        tables=tuple(_table(examples) for examples in node["examples"]),
        tags=_tags(node),
    )


def _steps(node: Mapping[str, Any]) -> tuple[StepLine, ...]:
    return tuple(
        StepLine(
            line=step["location"]["line"],
            keyword=step["keyword"].strip(),
            kind=step["keywordType"],
            text=step["text"],
            cells=tuple(cell for row in step.get("dataTable", {}).get("rows", ()) for cell in _cells(row)),
            docstring=step.get("docString", {}).get("content", ""),
        )
        for step in node["steps"]
    )


def _table(node: Mapping[str, Any]) -> Table:
    header = node.get("tableHeader")
    return Table(
        line=node["location"]["line"],
        columns=_cells(header) if header else (),
        rows=tuple(Row(row["location"]["line"], _cells(row)) for row in node.get("tableBody", ())),
        tags=_tags(node),
    )


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(cell["value"] for cell in row["cells"])


def _tags(node: Mapping[str, Any]) -> tuple[Tag, ...]:
    return tuple(Tag(tag["name"].removeprefix("@"), tag["location"]["line"]) for tag in node["tags"])


def _in_titles(document: Document) -> Iterator[Problem]:
    if not document.scenarios:
        yield Problem(1, "the file has no scenario")
    seen: dict[str, int] = {}
    for scenario in document.scenarios:
        if not scenario.title:
            yield Problem(scenario.line, "the scenario has no title")
        elif scenario.title in seen:
            first = seen[scenario.title]
            yield Problem(scenario.line, f"the title {scenario.title!r} is already used on line {first}")
        seen.setdefault(scenario.title, scenario.line)


def _in_tags(document: Document, known: Collection[str]) -> Iterator[Problem]:
    for tag in document.all_tags():
        if tag.name not in known:
            yield Problem(
                tag.line,
                f"unknown tag @{tag.name}: register it under `markers` in pytest's configuration, or correct it",
            )


def _in_background(steps: tuple[StepLine, ...]) -> Iterator[Problem]:
    yield from _first_step(steps)
    for step in steps:
        for name in placeholders(step.text, *step.cells):
            yield Problem(
                step.line,
                f"<{name}> in a Background has no value: move the step into the scenario that has the Examples",
            )


def _in_steps(scenario: Scenario) -> Iterator[Problem]:
    if not scenario.steps:
        yield Problem(
            scenario.line,
            "the scenario has no steps and would pass (a step keyword takes no colon: `Then`, not `Then:`)",
        )
    yield from _first_step(scenario.steps)
    if scenario.outline and not scenario.tables:
        yield Problem(scenario.line, "the outline has no Examples")
    if not scenario.tables:
        yield from _without_value(scenario, frozenset(), "the scenario has no Examples")
    for table in scenario.tables:
        if table.columns:
            columns = ", ".join(table.columns)
            yield from _without_value(
                scenario, frozenset(table.columns), f"the Examples on line {table.line} have only the columns {columns}"
            )


def _first_step(steps: tuple[StepLine, ...]) -> Iterator[Problem]:
    if steps and steps[0].kind not in _FIRST_KINDS:
        step = steps[0]
        yield Problem(step.line, f"the first step starts with {step.keyword!r}; start it with Given, When or Then")


def _without_value(scenario: Scenario, columns: frozenset[str], why: str) -> Iterator[Problem]:
    """Placeholders without a value in the title, steps and tables; a docstring may use angle brackets as it likes."""
    lines = [(scenario.line, (scenario.title,)), *((step.line, (step.text, *step.cells)) for step in scenario.steps)]
    for line, texts in lines:
        for name in placeholders(*texts):
            if name not in columns:
                yield Problem(line, f"<{name}> has no value: {why}")


def _in_tables(scenario: Scenario) -> Iterator[Problem]:
    texts = [scenario.title, *(t for step in scenario.steps for t in (step.text, *step.cells, step.docstring))]
    used = frozenset(placeholders(*texts))
    for table in scenario.tables:
        yield from _in_table(table, used)


def _in_table(table: Table, used: frozenset[str]) -> Iterator[Problem]:
    if not table.rows:
        yield Problem(
            table.line, "the Examples have no rows; the outline would run once, with its placeholders unfilled"
        )
    for column, times in Counter(table.columns).items():
        if not column:
            yield Problem(table.line, "the Examples have a column without a name")
        elif times > 1:
            yield Problem(table.line, f"the Examples have the column {column!r} twice")
        elif column not in used:
            yield Problem(table.line, f"neither the title nor a step uses the column {column!r}")


def _slug(scenario: Scenario) -> str:
    return _NOT_A_WORD.sub("_", scenario.title).strip("_").lower() or f"line_{scenario.line}"


def _example_id(scenario: Scenario, values: Mapping[str, str]) -> str:
    """The cells of the columns that the title names, or all cells if it names none."""
    columns = [name for name in placeholders(scenario.title) if name in values] or list(values)
    return printable("-".join(" ".join(values[column].split()) for column in columns))
