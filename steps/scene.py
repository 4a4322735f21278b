"""What a scenario builds up: the choice of a recipe, the claims it settles, the refusal it expects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bertspec import metrics
from bertspec.errors import BertspecError
from bertspec.spec import EncoderSpec, StudySpec, TaskSpec
from bertspec.study import Workbench
from bertspec.verdict import Verdict

__all__ = ["CLAIM_PROPERTY", "Claims", "Recipe", "Refusal", "refused"]

CLAIM_PROPERTY = "bertspec.claim"
"""The name under which a settled claim travels with a test report."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """The recipe that a scenario chooses."""

    name: str | None = None
    """None means the encoder's own."""
    changes: dict[str, Any] = field(default_factory=dict)
    """Fields that the scenario sets itself."""
    promised: tuple[str, ...] = ()
    """The metrics that the scenario's Then lines claim something about."""

    def plan(
        self,
        bench: Workbench,
        encoder: EncoderSpec,
        task: TaskSpec,
        optimizer: str | None,
        seeds: Sequence[int],
    ) -> StudySpec:
        """The study that a When line asks for, all of it checked, the promised metrics too.

        Raises:
            UnknownName: a word names nothing.
            InvalidSpec: a value is not allowed, or a metric does not fit the task.
        """
        if self.promised:
            metrics.check(task.model_copy(update={"metrics": self.promised}))
        return bench.catalog.study(
            encoder, task, seeds=seeds, recipe=self.name, optimizer=optimizer, changes=self.changes
        )


@dataclass(frozen=True, slots=True)
class Claims:
    """The book of the claims that one scenario makes."""

    properties: list[tuple[str, object]]
    """The properties of the scenario's report."""
    told: Callable[[str, Verdict], None] = lambda _subject, _verdict: None
    """Who else hears of a verdict."""

    def settle(self, verdict: Verdict, *, subject: str, runs: str | None = None) -> None:
        """Enter a verdict in the book; only PASS passes.

        Raises:
            AssertionError: the verdict is not PASS.
        """
        entry = {
            "claim": verdict.claim,
            "subject": subject,
            "value": verdict.value,
            "interval": list(verdict.interval) if verdict.interval else None,
            "bound": verdict.bound,
            "verdict": verdict.outcome,
            "teeth": verdict.teeth,
            "reason": verdict.reason,
            "runs": runs,
        }
        self.properties.append((CLAIM_PROPERTY, entry))
        self.told(subject, verdict)
        assert verdict.passed, f"{subject}: {verdict}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """What came of asking for something that should be refused."""

    error: BertspecError | None
    trained: int
    """Runs that were finished all the same."""


def refused(ask: Callable[[], object], count_runs: Callable[[], int]) -> Refusal:
    """Ask, and keep the error that a user would see."""
    before = count_runs()
    try:
        ask()
    except BertspecError as error:
        return Refusal(error, count_runs() - before)
    return Refusal(None, count_runs() - before)
