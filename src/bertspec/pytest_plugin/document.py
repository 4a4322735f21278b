"""A feature file as Gherkin's own parser reads it, flattened to what is checked and collected."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gherkin.dialect import Dialect
from gherkin.errors import CompositeParserException
from gherkin.parser import Parser

__all__ = ["Document", "Problem", "Row", "Scenario", "StepLine", "Table", "Tag", "Unreadable", "parse", "placeholders"]

_PLACEHOLDER = re.compile(r"<([^<>\s](?:[^<>]*[^<>\s])?)>")
_PARSER_LOCATION = re.compile(r"^\(\d+:\d+\):\s*")


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something that a feature file must not hold."""

    line: int
    text: str


class Unreadable(Exception):
    """A feature file that is no Gherkin."""

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
    """``Context``, ``Action`` or ``Outcome``; anything else continues the step before it."""
    text: str
    cells: tuple[str, ...]
    docstring: str


@dataclass(frozen=True, slots=True)
class Row:
    """One example."""

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
    """A scenario, or an outline with its examples."""

    line: int
    title: str
    outline: bool
    """Whether the keyword itself promises examples."""
    steps: tuple[StepLine, ...]
    tables: tuple[Table, ...]
    tags: tuple[Tag, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A feature file."""

    scenarios: tuple[Scenario, ...]
    backgrounds: tuple[tuple[StepLine, ...], ...]
    tags: tuple[Tag, ...]
    """The tags of the feature and of its rules."""

    def all_tags(self) -> Iterator[Tag]:
        """Every tag of the file, in no particular order."""
        yield from self.tags
        for scenario in self.scenarios:
            yield from scenario.tags
            for table in scenario.tables:
                yield from table.tags


def parse(text: str) -> Document:
    """The content of a feature file → its document.

    Raises:
        Unreadable: there is no feature in it, or it is no Gherkin.
    """
    if text.startswith("\ufeff"):
        raise Unreadable(Problem(1, "the file starts with a byte-order mark (BOM): save it as UTF-8 without one"))
    try:
        feature: Any = Parser().parse(text).get("feature")
    except CompositeParserException as error:
        raise Unreadable(*(_parser_problem(one) for one in error.errors)) from None
    if not feature:
        raise Unreadable(Problem(1, "there is no Feature in this file"))
    children = list(_flat(feature["children"]))
    dialect = Dialect.for_name(feature["language"])
    outline_keywords = dialect.scenario_outline_keywords if dialect else []
    return Document(
        scenarios=tuple(_scenario(c["scenario"], outline_keywords) for c in children if "scenario" in c),
        backgrounds=tuple(_steps(c["background"]) for c in children if "background" in c),
        tags=_tags(feature) + tuple(tag for c in children if "rule" in c for tag in _tags(c["rule"])),
    )


def placeholders(*texts: str) -> tuple[str, ...]:
    """The names that stand in angle brackets, each once, in order."""
    return tuple(dict.fromkeys(name for text in texts for name in _PLACEHOLDER.findall(text)))


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
