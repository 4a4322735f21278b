"""A session whose texts try to become markup."""

from __future__ import annotations

import json

import pytest

from bertspec.results import ClaimRecord, ScenarioRecord, SessionRecord, StepLine

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def hostile() -> SessionRecord:
    """Every text in it tries to run."""
    claim = ClaimRecord(
        claim=f"accuracy {HOSTILE} is at least 0.9",
        subject=HOSTILE,
        verdict="FAIL",
        value=0.5,
        bound=0.9,
        interval=(0.4, 0.6),
        values=(0.45, 0.5, 0.55),
        reason=HOSTILE,
        bound_source=HOSTILE,
        rule="mean",
    )
    scenario = ScenarioRecord(
        node="x",
        path="features/x.feature",
        line=3,
        feature=HOSTILE,
        description=HOSTILE,
        rule=HOSTILE,
        title=HOSTILE,
        steps=(StepLine(keyword="Given", text=HOSTILE, table=((HOSTILE,),), line=4),),
        outcome="failed",
        reason=HOSTILE,
        claims=(claim,),
    )
    left_out = scenario.model_copy(update={"outcome": "not run", "claims": (), "line": 9})
    return SessionRecord(
        session="a" * 32,
        started="2026-11-23T10:00:00+00:00",
        finished="2026-11-23T10:05:00+00:00",
        command=HOSTILE,
        machine=HOSTILE,
        versions={"torch": HOSTILE},
        scenarios=(scenario, left_out),
    )


ACTING = "\x1b[31m\x9b2J\u202egnp\ttab\nline"
"""What a terminal, or the reader's eye, could act on."""
ESCAPED = r"\x1b[31m\x9b2J\u202egnp\ttab\nline"


@pytest.fixture
def acting(hostile: SessionRecord) -> SessionRecord:
    """Every text in it could act on a terminal."""
    text = hostile.model_dump_json().replace(json.dumps(HOSTILE)[1:-1], json.dumps(ACTING)[1:-1])
    return SessionRecord.model_validate_json(text)
