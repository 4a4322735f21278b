"""What a user reads when a scenario fails: the step, where it stands, and what it said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pytest_bdd.exceptions import StepDefinitionNotFoundError

from bertspec.errors import BertspecError
from bertspec.pytest_plugin.definitions import AnyStep, close_matches, givers

if TYPE_CHECKING:
    from bertspec.pytest_plugin.collect import ScenarioItem

__all__ = ["FAILED_STEP", "located", "said", "short"]

FAILED_STEP = pytest.StashKey[AnyStep]()
"""The step at which a scenario stopped."""

_REWRITTEN = "\nassert "


def short(item: ScenarioItem, excinfo: pytest.ExceptionInfo[BaseException]) -> Any:
    """The failure in a few lines, or none where only a traceback tells what happened.

    A traceback is also left to whoever asks for it, by ``--full-trace``, ``--tb=long`` or ``--tb=native``.
    """
    option = item.config.getoption
    if option("fulltrace", default=False) or option("tbstyle", default="auto") in ("long", "native"):
        return None
    step = item.stash.get(FAILED_STEP, None)
    message = _message(item, step, excinfo.value)
    if not message:
        return None
    where = [_where(item, step)] if step else []
    failure = pytest.fail.Exception("\n".join([*where, message]), pytrace=False).with_traceback(excinfo.tb)
    shown = pytest.ExceptionInfo.from_exception(failure).getrepr(style="value")
    if shown.reprcrash is not None:
        shown.reprcrash.message = message
    return shown


def located(item: ScenarioItem, shown: Any) -> Any:
    """A traceback that also says at which step it happened."""
    step = item.stash.get(FAILED_STEP, None)
    if step is not None and hasattr(shown, "addsection"):
        shown.addsection("step", _where(item, step))
    return shown


def said(error: AssertionError) -> str:
    """The message that an assertion was given, without pytest's explanation where it has one of its own."""
    text = str(error)
    return text if text.startswith(_REWRITTEN.lstrip()) else text.partition(_REWRITTEN)[0]


def _where(item: ScenarioItem, step: AnyStep) -> str:
    return f"{item.feature_file.shown_path}:{step.line_number}: {step.keyword} {step.name}"


def _message(item: ScenarioItem, step: AnyStep | None, error: BaseException) -> str:
    if isinstance(error, BertspecError):
        return str(error)
    if step is not None and isinstance(error, StepDefinitionNotFoundError):
        return "undefined step" + close_matches(step, item.feature_file.definitions())
    if step is not None and isinstance(error, pytest.FixtureLookupError):
        return _ungiven(error.argname, item)
    if step is not None and step.type == "then" and isinstance(error, AssertionError):
        return said(error)
    return ""


def _ungiven(name: str | None, item: ScenarioItem) -> str:
    """What an earlier step should have given; empty where none could."""
    known = givers(name, item.feature_file.definitions()) if name else []
    return f"no step before this one gives the {name}; write one such as {' or '.join(known)}" if known else ""
