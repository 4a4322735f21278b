from __future__ import annotations

import re
from pathlib import Path

import pytest
from bertspec.steps.then import it_is_refused
from bertspec.steps.when import a_fine_tuning_is_asked_for

from bertspec.pytest_plugin import gherkin
from bertspec.study import Session

FEATURE = Path(__file__).parents[3] / "features" / "bad_input" / "refusals.feature"
REFUSALS = list(gherkin.examples(gherkin.parse(FEATURE.read_text("utf-8"))))


def test_the_feature_of_refusals_has_examples() -> None:
    assert len(REFUSALS) > 10


@pytest.mark.parametrize("example", REFUSALS, ids=[example.name for example in REFUSALS])
def test_every_example_of_the_feature_is_refused_with_its_words(example: gherkin.Example, session: Session) -> None:
    asked, answer = example.scenario.steps
    cells = [gherkin.fill(cell, example.values) for cell in asked.cells]
    refusal = a_fine_tuning_is_asked_for([cells[at : at + 2] for at in range(0, len(cells), 2)], session)
    words = re.fullmatch('it is refused before training: "(.+)"', gherkin.fill(answer.text, example.values))
    assert words is not None
    it_is_refused(words[1], refusal)
