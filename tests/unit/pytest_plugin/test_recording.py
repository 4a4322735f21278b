from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest

from bertspec import baselines
from bertspec.pytest_plugin.recording import AgainstBaseline
from bertspec.results import Compared, SessionRecord


@pytest.fixture
def hooks(tmp_path: Path) -> AgainstBaseline:
    """Those of a session that is compared with a baseline of nothing."""
    empty = SessionRecord(session="s", started="", finished="", command="pytest", versions={})
    baselines.write(
        baselines.Baseline(name="1.0", made="2026-01-31", session="s", versions={}, studies=()),  # type: ignore[arg-type]
        baselines.path_of("1.0", tmp_path),
    )
    options = {"against": "1.0", "bertspec_store": str(tmp_path / "store")}
    config: Any = SimpleNamespace(getoption=options.get, rootpath=tmp_path)
    recorder: Any = SimpleNamespace(record=lambda _: empty, baseline=None, compared=())
    return AgainstBaseline(config, recorder)


@pytest.mark.parametrize(
    ("outcome", "before", "after"),
    [
        ("FAIL", pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED),
        ("PASS", pytest.ExitCode.OK, pytest.ExitCode.OK),
        ("UNDECIDED", pytest.ExitCode.OK, pytest.ExitCode.OK),
        ("MISSING", pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED),
        ("FAIL", pytest.ExitCode.NO_TESTS_COLLECTED, pytest.ExitCode.TESTS_FAILED),
        ("FAIL", pytest.ExitCode.INTERRUPTED, pytest.ExitCode.INTERRUPTED),
    ],
)
def test_a_regression_or_a_missing_study_fails_a_session_that_passed_otherwise(
    outcome: Literal["PASS", "FAIL", "UNDECIDED", "MISSING"],
    before: pytest.ExitCode,
    after: pytest.ExitCode,
    hooks: AgainstBaseline,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    compared = tuple(Compared(outcome=each, title="bert", quantity="accuracy") for each in ("PASS", outcome))
    monkeypatch.setattr(baselines, "compare", lambda *_: compared)
    session: Any = SimpleNamespace(exitstatus=before)
    hooks.pytest_sessionfinish(session)
    assert session.exitstatus == after
    assert (hooks.recorder.baseline, hooks.recorder.compared) == ("1.0 of 2026-01-31", compared)


def test_missing_studies_may_be_allowed(hooks: AgainstBaseline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        baselines, "compare", lambda *_: (Compared(outcome="MISSING", title="bert", quantity="accuracy"),)
    )
    monkeypatch.setattr(hooks.config, "getoption", {"allow_missing": True, "bertspec_store": "store"}.get)
    session: Any = SimpleNamespace(exitstatus=pytest.ExitCode.OK)
    hooks.pytest_sessionfinish(session)
    assert session.exitstatus == pytest.ExitCode.OK


def test_a_comparison_of_nothing_fails_the_session_and_says_so(hooks: AgainstBaseline) -> None:
    session: Any = SimpleNamespace(exitstatus=pytest.ExitCode.OK)
    hooks.pytest_sessionfinish(session)
    assert session.exitstatus == pytest.ExitCode.TESTS_FAILED
    assert str(hooks.refusal).startswith("nothing of the baseline could be compared")
