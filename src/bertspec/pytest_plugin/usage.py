"""How scenarios use bertspec's steps: what pytest-bdd would ignore, or run without a claim, is refused with its line.

Steps that others define are theirs to use.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from bertspec.pytest_plugin import gherkin
from bertspec.pytest_plugin.definitions import AnyStep
from bertspec.pytest_plugin.gherkin import Example, Problem
from bertspec.pytest_plugin.internals import Definition, ScenarioTemplate, Step

__all__ = ["NO_THEN", "claims_nothing", "problems"]

NO_THEN = "the scenario has no Then: it claims nothing, and would pass"

_OURS = "bertspec.steps."
_DECIDED_BY_WHEN = ("encoder", "task", "recipe")
"""What a Given changes in vain once the When has run."""

_Use = tuple[Step, Definition]


def claims_nothing(steps: Sequence[AnyStep], definitions: Sequence[Definition]) -> bool:
    """Return whether steps use one of ours and have no Then."""
    return all(step.type != "then" for step in steps) and any(_ours(step, definitions) for step in steps)


def problems(template: ScenarioTemplate, example: Example, definitions: Sequence[Definition]) -> Iterator[Problem]:
    """Yield the errors of a scenario, backgrounds included.

    Args:
        template: the scenario.
        example: one of its examples, whose values fill the placeholders.
        definitions: the step definitions that it may use.
    """
    values = {column: value or "1" for column, value in example.values.items()}
    background = len(template.all_background_steps)
    uses: list[list[_Use]] = [[], []]
    for number, step in enumerate(template.steps):
        definition = _ours(step, definitions, gherkin.fill(step.name, values))
        if definition is not None:
            uses[number >= background].append((step, definition))
    both = [*uses[0], *uses[1]]
    for step, definition in both:
        yield from _in_arguments(step, definition)
    yield from _in_order(both)
    for block in uses:
        yield from _given_twice(block)
    yield from _in_examples(both, example)


def _ours(step: AnyStep, definitions: Sequence[Definition], text: str | None = None) -> Definition | None:
    """The definition of ours that a step uses; None if it uses another."""
    matching = [each for each in definitions if each.matches(step.type, step.name if text is None else text)]
    ours = all(each.module.startswith(_OURS) for each in matching)
    return matching[0] if matching and ours else None


def _in_arguments(step: Step, definition: Definition) -> Iterator[Problem]:
    if step.docstring is not None and "docstring" not in definition.arguments:
        yield Problem(step.line_number, f"the step reads no doc string: {step.keyword} {step.name}")
    reads_table = "datatable" in definition.arguments
    if step.datatable is None:
        if reads_table:
            yield Problem(step.line_number, f"the step needs a table below it: {step.keyword} {step.name}")
    elif not reads_table:
        yield Problem(step.line_number, f"the step reads no table: {step.keyword} {step.name}")
    else:
        yield from _in_table([(row.location.line, [cell.value for cell in row.cells]) for row in step.datatable.rows])


def _in_table(rows: Iterable[tuple[int, list[str]]]) -> Iterator[Problem]:
    lines: dict[str, int] = {}
    for line, cells in rows:
        if not all(cells):
            yield Problem(line, f"a cell is empty: | {' | '.join(cells)} |")
        elif cells[0] in lines and not gherkin.placeholders(cells[0]):
            yield Problem(line, f"{cells[0]!r} is already in the table, on line {lines[cells[0]]}")
        lines.setdefault(cells[0], line)


def _in_order(uses: Sequence[_Use]) -> Iterator[Problem]:
    acts = [step for step, _ in uses if step.type == "when"]
    for step in acts[1:]:
        text = f"a second When, after that of line {acts[0].line_number}: write a scenario for each"
        yield Problem(step.line_number, text)
    after = False
    for step, definition in uses:
        after = after or step.type == "when"
        if after and step.type == "given" and definition.gives in _DECIDED_BY_WHEN:
            yield Problem(step.line_number, "this Given changes nothing: it comes after the When")


def _given_twice(uses: Iterable[_Use]) -> Iterator[Problem]:
    """A name that a later line replaces; across a Background and its scenario, that is meant."""
    lines: dict[str, int] = {}
    for step, definition in uses:
        named = definition.gives if step.type == "given" and '"{' in definition.pattern else None
        if named is not None and named in lines:
            yield Problem(step.line_number, f"the {named} is given twice, first on line {lines[named]}")
        elif named is not None:
            lines[named] = step.line_number


def _in_examples(uses: Iterable[_Use], example: Example) -> Iterator[Problem]:
    tables = [step.datatable for step, _ in uses if step.datatable is not None]
    cells = [cell.value for table in tables for row in table.rows for cell in row.cells]
    used = gherkin.placeholders(*(step.name for step, _ in uses), *cells)
    for table in example.scenario.tables:
        for row in table.rows:
            for column, cell in zip(table.columns, row.cells, strict=True):
                if not cell and column in used:
                    yield Problem(row.line, f"a cell is empty, in the column {column!r}")
