from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from bertspec.pytest_plugin.capabilities import Machine
from bertspec.pytest_plugin.recording import Recorder
from bertspec.pytest_plugin.running import Running
from bertspec.pytest_plugin.terminal import (
    Summary,
    Terminal,
    bound,
    cut,
    fitted,
    measured,
    shorten,
    totals,
    verdict_of,
    write,
)
from bertspec.results import ClaimRecord, Compared, ScenarioRecord


def claim(**fields: Any) -> ClaimRecord:
    known = {"claim": "accuracy is at least 0.9", "subject": "bert", "value": 0.91234, "verdict": "PASS", "bound": 0.9}
    return ClaimRecord.model_validate(known | fields)


def scenario(*verdicts: str, outcome: str = "passed") -> ScenarioRecord:
    fields: dict[str, Any] = {"node": "n", "path": "f", "line": 1, "feature": "F", "title": "bert learns"}
    return ScenarioRecord(**fields, outcome=outcome, claims=tuple(claim(verdict=verdict) for verdict in verdicts))


def test_a_measured_value_is_shown_with_its_quantity_where_there_is_room() -> None:
    known = claim(quantity="accuracy", value=0.9, interval=(0.89, 0.91))
    assert measured(known) == "accuracy 0.900 ± 0.010"
    assert measured(known, quantity=False) == "0.900 ± 0.010"
    assert measured(known.model_copy(update={"value": math.nan})) == ""


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({"bound": 0.9}, "≥ 0.9"),
        ({"bound": 0.123456}, "≥ 0.1235"),
        ({"direction": "at most"}, "≤ 0.9"),
        ({"direction": "between", "upper": 0.95}, "0.9–0.95"),
        ({"denied": True}, "not ≥ 0.9"),
    ],
)
def test_a_bound_is_shown_with_its_sign(fields: dict[str, Any], shown: str) -> None:
    assert bound(claim(**fields)) == shown


@pytest.mark.parametrize(
    ("verdicts", "outcome", "verdict"),
    [
        (["PASS"], "passed", "PASS"),
        ([], "passed", "PASS"),
        (["PASS", "UNDECIDED"], "failed", "UNDECIDED"),
        (["FAIL", "UNDECIDED"], "failed", "FAIL"),
        (["PASS"], "failed", "FAIL"),
        ([], "failed", "FAIL"),
    ],
)
def test_a_scenario_is_undecided_if_only_an_open_claim_stopped_it(
    verdicts: list[str], outcome: str, verdict: str
) -> None:
    assert verdict_of(scenario(*verdicts, outcome=outcome)) == verdict


def test_columns_are_aligned_and_empty_ones_are_left_out() -> None:
    rows = [("a", "heading", "b"), ("long", "", "x"), ("y", "", "z")]
    assert fitted(rows, width=80, flexible=0) == ["a     b", "long  x", "y     z"]


def test_the_flexible_column_is_shortened_to_fit_the_width() -> None:
    rows = [("verdict", "title", "n"), ("PASS", "one and two and three", "1"), ("FAIL", "short", "22")]
    assert fitted(rows, width=26, flexible=1) == [
        "verdict  title          n",
        "PASS     one an… three  1",
        "FAIL     short          22",
    ]


def test_a_text_is_shortened_in_its_middle() -> None:
    assert shorten("bert learns with adamw", 11) == "bert …adamw"
    assert shorten("bert", 4) == "bert"


def test_a_text_is_cut_at_its_end() -> None:
    assert cut("one two three", 9) == "one two…"
    assert cut("one two three", 10, "...") == "one two..."


class Reporter:
    """Pytest's terminal reporter, 80 columns wide."""

    def __init__(self, verbosity: int) -> None:
        self.text, self.isatty = "", True
        writer = SimpleNamespace(fullwidth=80, _file=SimpleNamespace(encoding="utf-8"))
        self._tw = writer
        self.config = SimpleNamespace(get_terminal_writer=lambda: writer, get_verbosity=lambda: verbosity)

    def write(self, text: str, **_colours: bool) -> None:
        self.text += text

    def write_line(self, text: str, **_colours: bool) -> None:
        self.text += f"{text}\n"

    def write_sep(self, _character: str, title: str) -> None:
        self.text += f"= {title} =\n"


WORSE = Compared(
    outcome="FAIL",
    title="bert · task",
    quantity="accuracy",
    then=0.9,
    now=0.8,
    interval=(-0.11, -0.09),
    reason="it fell",
)
SAME = Compared(outcome="PASS", title="albert · task", quantity="accuracy", then=0.9, now=0.9, interval=(-0.01, 0.01))
MISSING = Compared(
    outcome="MISSING", title="bert · task", quantity="accuracy", then=0.9, reason="it was not run in this session"
)
FALLEN = [
    "verdict  study        quantity  before  now  change",
    "FAIL     bert · task  accuracy  0.9     0.8  -0.11 to -0.09",
    "    it fell",
]


@pytest.mark.parametrize(
    ("compared", "verbosity", "lines"),
    [
        ((), 0, ["0 of 0 compared, 0 worse (Holm, 5 % over all of them)"]),
        ((SAME,), -1, ["1 of 1 compared, 0 worse (Holm, 5 % over all of them)"]),
        ((SAME, WORSE), -1, [*FALLEN, "2 of 2 compared, 1 worse (Holm, 5 % over all of them)"]),
        (
            (MISSING, SAME),
            -1,
            [
                "verdict  study        quantity  before",
                "MISSING  bert · task  accuracy  0.9",
                "    it was not run in this session",
                "1 of 2 compared, 0 worse, 1 missing (Holm, 5 % over all of them)",
            ],
        ),
        ((WORSE,), 0, [*FALLEN, "1 of 1 compared, 1 worse (Holm, 5 % over all of them)"]),
    ],
)
def test_a_baseline_is_a_table_of_which_quiet_shows_what_is_worse_or_missing(
    compared: tuple[Compared, ...], verbosity: int, lines: list[str]
) -> None:
    reporter: Any = Reporter(verbosity)
    write(Summary(baseline="1.0 of 2026-01-31", compared=compared, remarks=["time: not compared"]), reporter)
    assert reporter.text.splitlines() == ["= against 1.0 of 2026-01-31 =", *lines, "time: not compared"]


@pytest.mark.parametrize(
    ("keeps", "shown", "reports"), [(True, ["passed", "not run"], ["bertspec report"]), (False, ["not run"], [])]
)
def test_a_calibration_shows_only_what_was_not_run(
    pytestconfig: pytest.Config, monkeypatch: pytest.MonkeyPatch, *, keeps: bool, shown: list[str], reports: list[str]
) -> None:
    monkeypatch.setattr("shutil.which", lambda _: "/usr/bin/bertspec")
    records = {outcome: scenario(outcome=outcome).model_dump() for outcome in ("passed", "not run")}
    summary = Terminal(Running(Machine(pytestconfig)), Recorder(keeps, records)).summary(pytestconfig)
    assert [each.outcome for each in summary.scenarios] == shown
    assert summary.reports == reports


def test_the_totals_count_scenarios_and_claims() -> None:
    scenarios = [
        scenario("PASS", "PASS"),
        scenario("PASS", "FAIL", outcome="failed"),
        scenario("UNDECIDED", outcome="failed"),
        scenario(outcome="not run"),
    ]
    parts = ["4 scenarios: 1 PASS, 1 FAIL, 1 UNDECIDED, 1 not run", "5 claims: 3 PASS, 1 FAIL, 1 UNDECIDED"]
    assert totals(scenarios, width=100) == ["; ".join(parts)]
    assert totals(scenarios, width=80) == parts


def test_one_scenario_is_counted_in_the_singular() -> None:
    assert totals([scenario("PASS")], width=100) == [
        "1 scenario: 1 PASS, 0 FAIL, 0 UNDECIDED, 0 not run; 1 claim: 1 PASS, 0 FAIL, 0 UNDECIDED"
    ]
