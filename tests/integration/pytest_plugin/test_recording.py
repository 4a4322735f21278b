from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest
from cucumber_messages import Envelope, message_converter
from pydantic import TypeAdapter

from bertspec.results import SessionRecord
from bertspec.store import sessions

if TYPE_CHECKING:
    from .conftest import Project

pytest_plugins = ["pytester"]

FEATURE = """
@bundled
Feature: Learning
  Small networks learn fast.

  Background:
    Given a board
      | field | value |
      | steps | 4     |

  Rule: Claims must hold

    Scenario Outline: <network> learns
      Given a network "<network>"
      When it learns with "adamw"
      Then its score is at least <score>

      Examples:
        | network    | score |
        | distilbert | 0.8   |
        | albert     | 0.95  |

  @hub
  Scenario: A network of the hub learns
    Given a network "far"
    When it learns with "adamw"
    Then its score is at least 0.1

  Scenario: A misspelt name is reported
    Given a network "misspelt-net"
    When it learns with "adamw"
    Then its score is at least 0.1
"""


def record_of(project: Project, *options: str) -> SessionRecord:
    project.write("features/learning.feature", FEATURE)
    project.run("features", *options)
    file = sessions.latest(project.pytester.path / ".bertspec" / "sessions")
    assert file is not None
    return sessions.read(file)


@pytest.mark.parametrize("options", [(), ("-n2",)], ids=["one process", "two workers"])
def test_the_record_and_every_report_hold_all_scenarios_and_claims(
    project: Project, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project.pytester.path
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(folder / "summary.md"))
    reports = [f"--spec-report=out/spec{suffix}" for suffix in (".html", ".md", ".ndjson")]
    session = record_of(project, "--junitxml=junit.xml", *reports, *options)
    assert {one.title: one.outcome for one in session.scenarios} == {
        "distilbert learns": "passed",
        "albert learns": "failed",
        "A network of the hub learns": "not run",
        "A misspelt name is reported": "failed",
    }
    assert "features" in session.command.split()
    assert session.started <= session.finished

    page = (folder / "out" / "spec.html").read_text("utf-8")
    assert (page.count('data-verdict="PASS"'), page.count('data-verdict="FAIL"')) == (1, 1)
    for markdown in ("out/spec.md", "summary.md"):
        assert "### bertspec: 1 PASS, 1 FAIL" in (folder / markdown).read_text("utf-8")

    suite = ET.parse(folder / "junit.xml").getroot()
    claims = [json.loads(str(each.get("value"))) for each in suite.iter("property")]
    assert sorted((claim["verdict"], claim["value"], claim["bound"]) for claim in claims) == [
        ("FAIL", 0.912, 0.95),
        ("PASS", 0.912, 0.8),
    ]
    assert {each.get("name") for each in suite.iter("property")} == {"bertspec.claim.1"}

    envelopes = [json.loads(line) for line in (folder / "out" / "spec.ndjson").read_text("utf-8").splitlines()]
    assert all(fits_its_schema(envelope) for envelope in envelopes)
    kinds = Counter(kind for envelope in envelopes for kind in envelope)
    assert (kinds["pickle"], kinds["testCase"], kinds["testCaseFinished"], kinds["attachment"]) == (4, 4, 4, 2)
    assert (kinds["testStepStarted"], kinds["testStepFinished"]) == (16, 16)
    assert envelopes[-1]["testRunFinished"]["success"] is False


def test_a_scenario_is_recorded_in_its_own_words(project: Project) -> None:
    one = next(one for one in record_of(project).scenarios if one.title == "distilbert learns")
    assert (one.feature, one.rule, one.path) == ("Learning", "Claims must hold", "features/learning.feature")
    assert one.description.strip() == "Small networks learn fast."
    assert [(step.keyword, step.text) for step in one.steps] == [
        ("Given", "a board"),
        ("Given", 'a network "distilbert"'),
        ("When", 'it learns with "adamw"'),
        ("Then", "its score is at least 0.8"),
    ]
    assert one.steps[0].table == (("field", "value"), ("steps", "4"))
    assert {step.outcome for step in one.steps} == {"passed"}
    assert one.tags == ("bundled",)


def test_a_claim_is_recorded_whether_it_passed_or_not(project: Project) -> None:
    claims = {one.title: one.claims for one in record_of(project).scenarios}
    assert [(c.verdict, c.value, c.bound) for c in claims["distilbert learns"]] == [("PASS", 0.912, 0.8)]
    assert [(c.verdict, c.value, c.bound) for c in claims["albert learns"]] == [("FAIL", 0.912, 0.95)]


def test_the_reason_why_a_scenario_stopped_is_recorded(project: Project) -> None:
    scenarios = {one.title: one for one in record_of(project).scenarios}
    assert "no such encoder" in str(scenarios["A misspelt name is reported"].reason)
    assert [step.outcome for step in scenarios["A misspelt name is reported"].steps] == [
        "passed",
        "passed",
        "failed",
        "skipped",
    ]
    assert "mirror" in str(scenarios["A network of the hub learns"].reason)


@pytest.mark.parametrize("option", ["--collect-only", "--check-steps"])
def test_nothing_is_recorded_where_nothing_is_run(project: Project, option: str) -> None:
    project.write("features/learning.feature", FEATURE)
    project.run("features", option)
    assert sessions.latest(project.pytester.path / ".bertspec" / "sessions") is None


def test_a_scenario_that_a_test_module_binds_is_recorded_as_any_other(project: Project) -> None:
    project.write("features/learning.feature", FEATURE)
    project.write(
        "tests/test_mine.py", 'from pytest_bdd import scenarios\n\nscenarios("../features/learning.feature")\n'
    )
    project.run("tests", "--spec-report=out.ndjson", "-n2")
    file = sessions.latest(project.pytester.path / ".bertspec" / "sessions")
    assert file is not None
    scenarios = {one.title: one for one in sessions.read(file).scenarios}
    assert [claim.verdict for claim in scenarios["distilbert learns"].claims] == ["PASS"]
    assert (scenarios["albert learns"].path, scenarios["albert learns"].line) == ("features/learning.feature", 20)
    assert [step.outcome for step in scenarios["A misspelt name is reported"].steps] == [
        "passed",
        "passed",
        "failed",
        "skipped",
    ]
    assert '"FAILED"' in (project.pytester.path / "out.ndjson").read_text("utf-8")


def test_a_skip_of_the_users_own_is_no_failure(project: Project) -> None:
    project.write("features/learning.feature", FEATURE)
    project.write(
        "features/conftest.py",
        "import pytest\n\n@pytest.fixture(autouse=True)\ndef moody():\n    pytest.skip('not today')\n",
    )
    one = next(one for one in record_of(project).scenarios if one.title == "distilbert learns")
    assert (one.outcome, one.reason) == ("not run", "not today")


def test_other_peoples_tests_leave_no_record(project: Project) -> None:
    project.write("test_python.py", "def test_it():\n    pass\n")
    project.run(".")
    assert not (project.pytester.path / ".bertspec").exists()


def test_a_disk_that_refuses_costs_a_warning(project: Project) -> None:
    project.write("features/learning.feature", FEATURE)
    project.write(".bertspec/sessions", "in the way")
    result = project.run("features", "-k", "distilbert")
    assert result.ret == pytest.ExitCode.OK


MEDDLING = """
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def meddle():
    yield
    Path(__file__).with_name("learning.feature").write_text("Feature: Another\\n")
"""


def test_a_report_that_cannot_be_written_is_reported_and_breaks_nothing(project: Project) -> None:
    project.write("features/learning.feature", FEATURE)
    project.write("features/conftest.py", MEDDLING)
    result = project.run("features", "--spec-report=out.ndjson", "-k", "distilbert")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["*the report cannot be written: the feature file has changed since it was run*"])


def test_a_report_of_an_unknown_kind_is_refused_at_once(project: Project) -> None:
    project.write("features/learning.feature", FEATURE)
    result = project.run("features", "--spec-report=spec.pdf")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*'spec.pdf' is not a report; its name must end in .html, .md or .ndjson*"])


def fits_its_schema(envelope: dict[str, Any]) -> bool:
    """Whether it has all required fields, no unknown ones, and the types that Cucumber generates from its schema."""
    try:
        read = message_converter.from_dict(envelope, Envelope)
        TypeAdapter(Envelope).validate_python(asdict(read))
    except (TypeError, ValueError):
        return False
    return bool(message_converter.to_dict(read) == envelope)


@pytest.mark.parametrize(
    "wrong",
    [{"meta": {}}, {"nonsense": {}}, {"testRunStarted": {}}, {"testRunStarted": {"timestamp": "today"}}],
    ids=str,
)
def test_an_invalid_cucumber_message_is_detected(wrong: dict[str, Any]) -> None:
    assert fits_its_schema({"testRunStarted": {"timestamp": {"seconds": 1, "nanos": 2}}})
    assert not fits_its_schema(wrong)


def test_cucumber_messages_hold_failures_and_what_was_not_run(project: Project) -> None:
    project.write("features/learning.feature", FEATURE)
    project.run("features", "--spec-report=out.ndjson")
    lines = (project.pytester.path / "out.ndjson").read_text("utf-8").splitlines()
    results = [json.loads(line).get("testStepFinished", {}).get("testStepResult") for line in lines]
    assert Counter(result["status"] for result in results if result) == {"PASSED": 9, "FAILED": 2, "SKIPPED": 5}
    assert any("no such encoder" in result.get("message", "") for result in results if result)
    attachments = [json.loads(line)["attachment"] for line in lines if "attachment" in json.loads(line)]
    assert [json.loads(each["body"])["verdict"] for each in attachments] == ["PASS", "FAIL"]
