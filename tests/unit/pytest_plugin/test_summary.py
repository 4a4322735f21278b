from __future__ import annotations

import pytest

from bertspec.pytest_plugin.summary import ClaimLine, Record, aligned, closing, plain

ENTRY = {"claim": "accuracy is at least 0.9", "subject": "bert", "value": 0.91234, "verdict": "PASS"}


def test_a_claim_stands_under_the_title_of_its_scenario() -> None:
    assert ClaimLine.of(ENTRY, title="bert learns").scenario == "bert learns"


def test_a_claim_without_a_scenario_stands_under_its_subject() -> None:
    assert ClaimLine.of(ENTRY, title=None).scenario == "bert"


@pytest.mark.parametrize(
    ("value", "shown"), [(0.91234, "0.912"), (-0.5, "-0.500"), (12345.6, "12,346"), (0, "0.000"), (None, "")]
)
def test_a_number_is_shown_with_what_it_deserves(value: float | None, shown: str) -> None:
    assert ClaimLine.of({**ENTRY, "value": value}, title=None).measured == shown


def test_an_interval_is_shown_in_brackets() -> None:
    assert ClaimLine.of({**ENTRY, "interval": [0.9, 0.925]}, title=None).interval == "[0.900, 0.925]"


def test_a_reason_takes_the_place_of_missing_teeth_on_one_line() -> None:
    assert ClaimLine.of({**ENTRY, "detectable_drop": None, "reason": "too\n  low"}, title=None).remark == "too low"


def test_columns_start_at_the_same_place_and_empty_ones_are_left_out() -> None:
    rows = [("a", "heading", "b"), ("long", "", "x"), ("y", "", "z")]
    assert aligned(rows) == ["a     b", "long  x", "y     z"]


def test_the_odds_of_a_claim_are_kept_for_the_line_that_tells_them() -> None:
    assert ClaimLine.of({**ENTRY, "pass_rates": "passes now and then"}, title=None).pass_rates == "passes now and then"
    assert ClaimLine.of(ENTRY, title=None).pass_rates == ""


def test_the_session_in_one_line() -> None:
    claims = [ClaimLine.of({**ENTRY, "verdict": verdict}, title=None) for verdict in ("PASS", "FAIL", "PASS")]
    record = Record(claims=claims, not_run=[("why", "what")])
    assert closing(record) == "3 claims: 2 PASS, 1 FAIL, 0 UNDECIDED; 1 scenario not run"


def test_characters_beyond_ascii_are_written_out() -> None:
    assert plain("a · b ≥ 1 ± 2 ♥", ascii_only=True) == "a - b >= 1 +/- 2 ?"
    assert plain("a · b", ascii_only=False) == "a · b"
