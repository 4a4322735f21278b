"""A session as Cucumber Messages, one JSON envelope per line: the format that Cucumber's formatters read."""

from __future__ import annotations

import datetime
import json
import platform
from collections.abc import Iterator, Mapping
from typing import Any

from bertspec.errors import InvalidConfig
from bertspec.printing import printable_json
from bertspec.results import ClaimRecord, ScenarioRecord, SessionRecord, StepLine

__all__ = ["PROTOCOL", "messages"]

PROTOCOL = "34.2.0"
"""The version of the schema."""

Envelope = dict[str, Any]
_CLAIM_TYPE = "application/json"


def messages(session: SessionRecord, sources: Mapping[str, str]) -> str:
    """The envelopes of a session, newline-delimited.

    Each claim is attached, as JSON, to its Then step. A scenario that was not run has skipped steps, with the reason
    as their message.

    Args:
        session: the record of the session.
        sources: the text of every feature file, by its path in the session.

    Raises:
        InvalidConfig: a feature file is missing, or has changed since it was run.
    """
    lines = _Writer(session, sources).envelopes()
    return "".join(f"{printable_json(json.dumps(envelope, ensure_ascii=False))}\n" for envelope in lines)


class _Writer:
    def __init__(self, session: SessionRecord, sources: Mapping[str, str]) -> None:
        from gherkin.stream.id_generator import IdGenerator

        self.session, self.sources = session, sources
        self.ids = IdGenerator()
        self.now = datetime.datetime.fromisoformat(session.started)

    def new_id(self) -> str:
        return str(self.ids.get_next_id())

    def envelopes(self) -> Iterator[Envelope]:
        """The envelopes in the order of the protocol."""
        yield {"meta": _meta(self.session)}
        pickles: dict[tuple[str, int], Envelope] = {}
        for path in dict.fromkeys(scenario.path for scenario in self.session.scenarios):
            yield from self._document(path, pickles)
        run = self.new_id()
        yield {"testRunStarted": {"id": run, "timestamp": self._stamp()}}
        cases = [self._case(scenario, pickles, run) for scenario in self.session.scenarios]
        yield from ({"testCase": case} for case in cases)
        for scenario, case in zip(self.session.scenarios, cases, strict=True):
            yield from self._played(scenario, case)
        passed = all(scenario.outcome != "failed" for scenario in self.session.scenarios)
        yield {"testRunFinished": {"testRunStartedId": run, "success": passed, "timestamp": self._stamp()}}

    def _document(self, path: str, pickles: dict[tuple[str, int], Envelope]) -> Iterator[Envelope]:
        """The source, its syntax tree, and a pickle for each example, which ``pickles`` keeps by its line."""
        from gherkin.ast_builder import AstBuilder
        from gherkin.parser import Parser
        from gherkin.pickles.compiler import Compiler

        if path not in self.sources:
            raise InvalidConfig("the feature file of a scenario does not exist any more", given=path)
        text = self.sources[path]
        yield {"source": {"uri": path, "data": text, "mediaType": "text/x.cucumber.gherkin+plain"}}
        document: Any = {**Parser(AstBuilder(self.ids)).parse(text), "uri": path}
        yield {"gherkinDocument": document}
        lines = dict(_lines(document))
        for compiled in Compiler(self.ids).compile(document):
            pickle: Envelope = dict(compiled)
            pickles[path, lines[pickle["astNodeIds"][-1]]] = pickle
            yield {"pickle": pickle}

    def _case(self, scenario: ScenarioRecord, pickles: Mapping[tuple[str, int], Envelope], run: str) -> Envelope:
        pickle = pickles.get((scenario.path, scenario.line))
        if pickle is None or len(pickle["steps"]) != len(scenario.steps):
            raise InvalidConfig(
                "the feature file has changed since it was run",
                given=f"{scenario.path}:{scenario.line}: {scenario.title}",
                allowed="the file as it was run, or a new session",
            )
        steps = [{"id": self.new_id(), "pickleStepId": step["id"], "stepDefinitionIds": []} for step in pickle["steps"]]
        return {"id": self.new_id(), "pickleId": pickle["id"], "testSteps": steps, "testRunStartedId": run}

    def _played(self, scenario: ScenarioRecord, case: Envelope) -> Iterator[Envelope]:
        started = self.new_id()
        yield {
            "testCaseStarted": {
                "id": started,
                "testCaseId": case["id"],
                "attempt": 0,
                "timestamp": self._stamp(),
            }
        }
        claims = iter(scenario.claims)
        failing = _failing(scenario)
        for number, (step, test_step) in enumerate(zip(scenario.steps, case["testSteps"], strict=True)):
            where = {"testCaseStartedId": started, "testStepId": test_step["id"]}
            yield {"testStepStarted": {**where, "timestamp": self._stamp()}}
            for claim in (next(claims) for _ in range(step.claims)):
                yield {"attachment": {**where, **_attachment(claim), "timestamp": self._stamp()}}
            self.now += datetime.timedelta(seconds=step.duration_s)
            result = _result(scenario, step, failed_here=number == failing)
            yield {"testStepFinished": {**where, "testStepResult": result, "timestamp": self._stamp()}}
        yield {"testCaseFinished": {"testCaseStartedId": started, "timestamp": self._stamp(), "willBeRetried": False}}

    def _stamp(self) -> dict[str, int]:
        since = self.now - datetime.datetime.fromtimestamp(0, datetime.UTC)
        return _seconds(since.total_seconds())


def _meta(session: SessionRecord) -> Envelope:
    return {
        "protocolVersion": PROTOCOL,
        "implementation": {"name": "bertspec", "version": session.versions.get("bertspec", "")},
        "runtime": {"name": platform.python_implementation(), "version": platform.python_version()},
        "os": {"name": platform.system()},
        "cpu": {"name": platform.machine()},
    }


def _lines(node: Any) -> Iterator[tuple[str, int]]:
    """The id and the line of every node of a syntax tree that has both."""
    if isinstance(node, dict):
        if "id" in node and "location" in node:
            yield node["id"], node["location"]["line"]
        for part in node.values():
            yield from _lines(part)
    elif isinstance(node, list | tuple):
        for part in node:
            yield from _lines(part)


def _failing(scenario: ScenarioRecord) -> int | None:
    """The index of the step that failed, else of the first one that was skipped, else of the last one."""
    if scenario.outcome != "failed":
        return None
    steps = scenario.steps
    blamed = (number for wanted in ("failed", "skipped") for number, s in enumerate(steps) if s.outcome == wanted)
    return next(blamed, len(steps) - 1)


def _result(scenario: ScenarioRecord, step: StepLine, *, failed_here: bool) -> Envelope:
    status = "FAILED" if failed_here else {"passed": "PASSED"}.get(step.outcome, "SKIPPED")
    result: Envelope = {"status": status, "duration": _seconds(step.duration_s)}
    if scenario.reason and (failed_here or scenario.outcome == "not run"):
        result["message"] = scenario.reason
    return result


def _attachment(claim: ClaimRecord) -> Envelope:
    return {
        "body": claim.model_dump_json(),
        "contentEncoding": "IDENTITY",
        "mediaType": _CLAIM_TYPE,
        "fileName": "claim.json",
    }


def _seconds(value: float) -> dict[str, int]:
    whole = int(value)
    return {"seconds": whole, "nanos": int((value - whole) * 1e9)}
