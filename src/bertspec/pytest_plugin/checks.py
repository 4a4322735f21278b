"""The silent traps of plain pytest-bdd, each found with its line.

Without these checks a misspelt column or a scenario without steps would run, do nothing, and pass.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from bertspec.pytest_plugin.document import Document, Problem, Scenario, StepLine, Table, placeholders

__all__ = ["problems"]

_FIRST = ("Context", "Action", "Outcome")


def problems(document: Document, *, known_tags: Collection[str]) -> list[Problem]:
    """Everything in a feature file that would not mean what it says, by line."""
    found = [*_in_titles(document), *_in_tags(document, known_tags)]
    for background in document.backgrounds:
        found += _in_background(background)
    for scenario in document.scenarios:
        found += _in_steps(scenario)
        found += _in_tables(scenario)
    return sorted(set(found))


def _in_titles(document: Document) -> Iterator[Problem]:
    if not document.scenarios:
        yield Problem(1, "there is no scenario in this file")
    seen: dict[str, int] = {}
    for scenario in document.scenarios:
        if not scenario.title:
            yield Problem(scenario.line, "the scenario has no title")
        elif scenario.title in seen:
            first = seen[scenario.title]
            yield Problem(scenario.line, f"the title {scenario.title!r} stands on line {first} already")
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
            yield Problem(step.line, f"<{name}> in a Background: examples belong to one scenario, write it there")


def _in_steps(scenario: Scenario) -> Iterator[Problem]:
    if not scenario.steps:
        yield Problem(scenario.line, "the scenario has no steps, and would pass (`Then:` with a colon is no step)")
    yield from _first_step(scenario.steps)
    if scenario.outline and not scenario.tables:
        yield Problem(scenario.line, "the outline has no Examples")
    if not scenario.tables:
        yield from _without_value(scenario, frozenset(), "no Examples give it a value")
    for table in scenario.tables:
        if table.columns:
            columns = ", ".join(table.columns)
            yield from _without_value(
                scenario, frozenset(table.columns), f"the Examples on line {table.line} have the columns {columns}"
            )


def _first_step(steps: tuple[StepLine, ...]) -> Iterator[Problem]:
    if steps and steps[0].kind not in _FIRST:
        step = steps[0]
        yield Problem(step.line, f"the first step starts with {step.keyword!r}: start it with Given, When or Then")


def _without_value(scenario: Scenario, columns: frozenset[str], why: str) -> Iterator[Problem]:
    """Placeholders of titles, steps and tables; a docstring may hold angle brackets of its own."""
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
        yield Problem(table.line, "the Examples have no rows, and the outline would run once with its placeholders")
    for column, times in Counter(table.columns).items():
        if not column:
            yield Problem(table.line, "a column of the Examples has no name")
        elif times > 1:
            yield Problem(table.line, f"the column {column!r} stands twice in the Examples")
        elif column not in used:
            yield Problem(table.line, f"the column {column!r} is used by neither the title nor a step")
