"""What a scenario builds up: the choice of a recipe, the claims it settles, the refusal it expects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bertspec import claims, metrics
from bertspec.config import EncoderConfig, StudyConfig, TaskConfig
from bertspec.errors import BertspecError
from bertspec.inference import measuring
from bertspec.inference.records import Grid, Turns
from bertspec.results import ClaimRecord
from bertspec.statistics import Verdict
from bertspec.study import Session, Study
from bertspec.study.timing import Benchmark

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
    calibrated: tuple[str, ...] = ()
    """Those of them whose bound stands in a calibration record."""
    bounds: tuple[tuple[str, float], ...] = ()
    """The bounds that the Then lines give for means of metrics."""

    def plan(
        self,
        session: Session,
        encoder: EncoderConfig,
        task: TaskConfig,
        optimizer: str | None,
        seeds: Sequence[int],
    ) -> StudyConfig:
        """The study that a When line asks for, all of it checked, the promised metrics too.

        Raises:
            UnknownName: a word names nothing.
            InvalidConfig: a value is not allowed, a metric does not fit the task, or can never have what is claimed.
        """
        seeds = session.reference_seeds or tuple(seed + session.seed_shift for seed in seeds)
        if self.promised:
            metrics.check(task.model_copy(update={"metrics": self.promised}))
        for metric, bound in self.bounds:
            metrics.check_bound(metric, bound)
        plan = session.catalog.plan(
            encoder=encoder, task=task, seeds=seeds, recipe=self.name, optimizer=optimizer, **self.changes
        )
        if not session.reference_seeds:
            claims.require(plan, session, self.calibrated)
        return plan

    def measure(self, session: Session, encoders: Sequence[EncoderConfig], grid: Grid, benchmark: Benchmark) -> Turns:
        """Let encoders answer in turns, in the precision and with the threads that this recipe, or their own, says.

        Raises:
            BertspecError: see :func:`bertspec.inference.measuring.measure`.
        """
        recipes = [
            session.catalog.recipe(self.name or encoder.recipe, encoder=encoder, changes=self.changes)
            for encoder in encoders
        ]
        device = measuring.common_device(recipes, session.device)
        return measuring.measure(encoders, grid, sources=session.sources, device=device, benchmark=benchmark)


@dataclass(frozen=True, slots=True)
class Claims:
    """The book of the claims that one scenario makes."""

    properties: list[tuple[str, object]]
    """The properties of the scenario's report."""
    told: Callable[[str, Verdict], None] = lambda _subject, _verdict: None
    """Who else hears of a verdict."""
    source: str | None = None
    """Where the bounds of the scenario come from."""

    def settle(
        self,
        verdict: Verdict,
        *,
        subject: str,
        study: Study | None = None,
        other: Study | None = None,
        origin: str | None = None,
    ) -> None:
        """Enter a verdict in the book; only PASS passes.

        Args:
            verdict: the verdict.
            subject: what it is about.
            study: the study whose runs it was judged by, where there is one.
            other: the study that this one was compared with.
            origin: where the measurements came from, where there is no study.

        Raises:
            AssertionError: the verdict is not PASS.
        """
        verdict = replace(verdict, claim=replace(verdict.claim, source=verdict.claim.source or self.source))
        entry = _evidence(verdict, subject, (study, other), origin)
        self.properties.append((CLAIM_PROPERTY, entry.model_dump(mode="json")))
        self.told(subject, verdict)
        assert verdict.passed, f"{subject}: {verdict}"


def _evidence(
    verdict: Verdict, subject: str, studies: tuple[Study | None, Study | None], origin: str | None
) -> ClaimRecord:
    claim, spread, (study, other) = verdict.claim, verdict.spread, studies
    return ClaimRecord(
        claim=str(claim),
        subject=subject,
        quantity=claim.quantity,
        verdict=verdict.outcome,
        value=verdict.value,
        bound=claim.bound,
        direction=claim.direction,
        upper=claim.upper,
        promise=_promises(verdict),
        denied=claim.denied,
        interval=verdict.interval,
        split_interval=verdict.split_interval,
        rule=verdict.rule,
        values=verdict.values,
        spread=spread.std_upper if spread else None,
        spread_source=spread.source if spread else None,
        detectable_drop=verdict.detectable_drop,
        pass_rates=verdict.pass_rates,
        reason=verdict.reason,
        bound_source=claim.source,
        origin=_origin(study, other) if study else origin,
        runs=_runs(study),
        others=_runs(other),
    )


def _runs(study: Study | None) -> tuple[str, ...]:
    return tuple(run.fingerprint for run in study.runs) if study else ()


def _origin(study: Study, other: Study | None) -> str:
    return f"{study.origin}, against {other.origin}" if other else study.origin


def _promises(verdict: Verdict) -> bool:
    """Whether it says that something is good: of a metric, by the way in which it improves; of a ratio, always."""
    claim = verdict.claim
    if claim.denied or verdict.rule in _GOOD:
        return not claim.denied
    quantity = claim.quantity.removeprefix("lead in ")
    known = [metric for metric in metrics.METRICS.values() if quantity in (metric.name, metric.title)]
    return known[0].promised_by(claim.direction) if known else claim.direction != "at most"


_GOOD = ("ratio", "best", "steps", "sensitivity")
"""The rules of claims that always say that something is good."""


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
