"""Every figure in the features that travel with bertspec says where it comes from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from gherkin.parser import Parser

FEATURES = Path(__file__).resolve().parents[2] / "features"
FIGURE = re.compile(r"(?:at least|at most|between|exceeds that of .* by at least) (?:-?[\d.]|<)")
SOURCE = re.compile(r'bounds from ".{10,}"')


def scenarios(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Each scenario's title, and its steps with those of the backgrounds before it."""
    feature: Any = Parser().parse(path.read_text("utf-8"))["feature"]

    def walk(children: list[Any], before: list[str]) -> Iterator[tuple[str, list[str]]]:
        for child in children:
            if "background" in child:
                before = [*before, *(step["text"] for step in child["background"]["steps"])]
            elif "rule" in child:
                yield from walk(child["rule"]["children"], before)
            else:
                yield child["scenario"]["name"], [*before, *(step["text"] for step in child["scenario"]["steps"])]

    yield from walk(feature["children"], [])


@pytest.mark.parametrize("path", sorted(FEATURES.rglob("*.feature")), ids=lambda path: path.stem)
def test_every_figure_has_a_source(path: Path) -> None:
    without = [
        title
        for title, steps in scenarios(path)
        if any(FIGURE.search(step) for step in steps) and not any(SOURCE.search(step) for step in steps)
    ]
    assert without == []


def test_there_are_figures_to_look_at() -> None:
    found = [step for path in FEATURES.rglob("*.feature") for _, steps in scenarios(path) for step in steps]
    assert sum(FIGURE.search(step) is not None for step in found) > 10
