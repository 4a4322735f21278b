"""Scenarios that a test module binds itself, by pytest-bdd's ``scenario()`` or ``scenarios()``.

They run there, where the module's own step definitions are, and not a second time from the feature file.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bertspec.pytest_plugin import names, shipped
from bertspec.pytest_plugin.collect import ScenarioItem
from bertspec.pytest_plugin.document import Unreadable, parse
from bertspec.pytest_plugin.internals import ScenarioTemplate, bound_example, bound_scenario

__all__ = ["give_way", "played"]


def give_way(session: pytest.Session, items: list[pytest.Item]) -> None:
    """Deselect the scenarios of feature files that a test module binds; give these modules our steps."""
    bound = {_key(found) for item in items if (found := bound_scenario(item))}
    if any(shipped.may_be_ours(path) for path in {path for path, _ in bound}):
        # The feature files may lie in a folder that pytest was not asked to collect.
        shipped.load(session.config)
    twice = [item for item in items if isinstance(item, ScenarioItem) and _key(item.template) in bound]
    if twice:
        session.config.hook.pytest_deselected(items=twice)
        items[:] = [item for item in items if item not in twice]


def played(item: pytest.Item) -> tuple[ScenarioTemplate, names.Example] | None:
    """The scenario of ours that a test plays, and which of its examples; none where it plays none."""
    if isinstance(item, ScenarioItem):
        return item.template, item.example
    template = bound_scenario(item)
    if template is None or not shipped.may_be_ours(Path(template.feature.filename)):
        return None
    try:
        document = parse(Path(template.feature.filename).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, Unreadable):
        return None
    values = bound_example(item)
    found = (one for one in names.examples(document) if one.scenario.title == template.name)
    example = next((one for one in found if dict(one.values) == values), None)
    return (template, example) if example else None


def _key(scenario: ScenarioTemplate) -> tuple[Path, str]:
    return Path(scenario.feature.filename).resolve(), scenario.name
