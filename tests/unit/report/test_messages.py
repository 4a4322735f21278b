from __future__ import annotations

import json

from bertspec.report import messages
from bertspec.results import ScenarioRecord, SessionRecord, StepLine

TITLE = "one \x1b[31m\u202e"
SOURCE = f"Feature: f\n  Scenario: {TITLE}\n    Given a step\n"


def test_messages_are_escaped_and_say_what_the_feature_file_says(hostile: SessionRecord) -> None:
    step = StepLine(keyword="Given", text="a step", line=3, outcome="passed")
    scenario = ScenarioRecord(
        node="n", path="f.feature", line=2, feature="f", title=TITLE, steps=(step,), outcome="passed"
    )
    text = messages(hostile.model_copy(update={"scenarios": (scenario,)}), {"f.feature": SOURCE})
    assert all(letter.isprintable() for letter in text.replace("\n", ""))
    envelopes = [json.loads(line) for line in text.splitlines()]
    assert next(each["source"]["data"] for each in envelopes if "source" in each) == SOURCE
    assert next(each["pickle"]["name"] for each in envelopes if "pickle" in each) == TITLE
