"""What a scenario builds up: its recipe, the claims that its Then lines announce, and the claims that it settles."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np
from pytest_bdd import then
from pytest_bdd.parsers import StepParser

from bertspec import claims, metrics, study
from bertspec.config import EncoderConfig, RunConfig, StudyConfig, SweepConfig, TaskConfig
from bertspec.errors import BertspecError, InvalidConfig, UnknownName
from bertspec.inference import measuring
from bertspec.inference.records import Grid, Turns
from bertspec.results import ClaimRecord, RunObserver
from bertspec.statistics import Claim, Direction, Verdict
from bertspec.store import Store
from bertspec.study import Session, Study
from bertspec.study.timing import Benchmark
from bertspec.sweeps import files
from bertspec.tracking import SilentObserver, SilentTracker

__all__ = [
    "Claims",
    "Expectation",
    "Pair",
    "Recipe",
    "Refusal",
    "SeedPolicy",
    "cut_off_and_resumed",
    "expect_at_record",
    "expect_contrast",
    "expect_mean",
    "expect_nothing",
    "expect_ranking",
    "expect_ratio",
    "expectations",
    "refused",
    "then_claims",
]

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class SeedPolicy:
    """Which seeds a test session runs, and how many at least."""

    reference: tuple[int, ...] = ()
    """Seeds that replace those of every scenario, while studies are calibrated."""
    shift: int = 0
    """Added to every seed of a scenario: a verdict should not depend on the choice of seeds."""
    least_runs: int = 0
    """Runs that every study begins with, as far as its seeds allow, even if the first look needs fewer."""

    def seeds(self, seeds: Sequence[int]) -> tuple[int, ...]:
        """The seeds to run instead of those of a scenario."""
        return self.reference or tuple(seed + self.shift for seed in seeds)


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a Then line claims, known before anything is trained."""

    metric: str | None = None
    """The metric of a study that it claims something about."""
    bounds: tuple[float, ...] = ()
    """The values that it says the metric's mean can have."""
    calibrated: bool = False
    """Whether its bound comes from the study's calibration record."""
    quality: bool = False
    """Whether it claims that a study is good; ``--calibrate`` runs the reference seeds of such studies."""
    refuse: Callable[[SweepConfig], None] | None = None
    """Refuses the claim if no sweep could settle it."""
    target: float | None = None
    """The score that it says a sweep's runs reach."""
    lead: float | None = None
    """How much of the metric it says one study is ahead of another."""
    multiple: float | None = None
    """How many times another study's metric it says that of a study is."""
    pair: tuple[str, str] | None = None
    """The names of the two studies or encoders that it compares."""
    length: int | None = None
    """The tokens of the texts at which it compares them."""
    step: object = None
    """The step of its line, which its errors are blamed on."""

    def check_study(self, config: StudyConfig, session: Session, *, calibrating: bool) -> None:
        """Refuse a claim that the study could never settle.

        Raises:
            UnknownName: no metric has that name.
            InvalidConfig: the metric does not fit the task or cannot have such a value, or no record has its bound.
        """
        if self.metric is None:
            return
        metrics.check(config.task.model_copy(update={"metrics": (self.metric,)}))
        self._check_numbers(self.metric)
        if self.calibrated and not calibrating:
            claims.require(config, session, (self.metric,))

    def check_pair(self, names: Sequence[str]) -> None:
        """Refuse a comparison of studies of which one is missing.

        Raises:
            UnknownName: no study has that name.
            InvalidConfig: a study is compared with itself.
        """
        for name in self.pair or ():
            if name not in names:
                raise UnknownName("name of what is compared", name, names)
        if self.pair is not None and self.pair[0] == self.pair[1]:
            raise InvalidConfig("a name is compared with itself", given=self.pair[0])

    def check_timed(self, names: tuple[str, str]) -> None:
        """Refuse a ratio of other encoders than those that are timed, or the other way round.

        Raises:
            UnknownName: no encoder that is timed has that name.
            InvalidConfig: the line names them in the other order.
        """
        self.check_pair(names)
        if self.pair is not None and self.pair != names:
            given, allowed = (" against ".join(pair) for pair in (self.pair, names))
            raise InvalidConfig("the encoders are timed in the other order", given=given, allowed=allowed)

    def check_measured(self, names: Sequence[str], lengths: Sequence[int]) -> None:
        """Refuse a ratio of other encoders, or at another length, than those that are measured.

        Raises:
            UnknownName: no encoder that is measured has that name.
            InvalidConfig: the length is not measured.
        """
        self.check_pair(names)
        if self.length is not None and self.length not in lengths:
            listed = ", ".join(map(str, lengths))
            raise InvalidConfig("this length is not measured", given=self.length, allowed=listed)

    def _check_numbers(self, metric: str) -> None:
        for bound in self.bounds:
            metrics.check_bound(metric, bound)
        if len(self.bounds) == 2 and not self.bounds[0] < self.bounds[1]:
            low, high = self.bounds
            raise InvalidConfig(
                "the range is empty", given=f"between {low:g} and {high:g}", allowed="the lower bound first"
            )
        if self.lead is not None:
            metrics.check_lead(metric, self.lead)
        if self.multiple is not None and not 0 < self.multiple < math.inf:
            raise InvalidConfig("the factor is not a positive number", given=self.multiple, allowed="such as 1.2")

    def check_sweep(self, config: SweepConfig, session: Session) -> None:
        """Refuse a claim that the sweep could never settle.

        Raises:
            UnknownName: no contender has that name.
            InvalidConfig: a number is out of range, or the recipe does not evaluate on the way to a target.
        """
        if self.refuse is not None:
            self.refuse(config)
        if self.target is not None:
            values = config.model_dump(mode="json", exclude_unset=True)
            values["parameters"]["target"] = {"value": self.target}
            files.parse(values, session, name=str(config.name), where="the Then line")


@dataclass(frozen=True, slots=True)
class _ThenStep:
    """A registered Then step: how its line is read, and what the line claims."""

    parser: StepParser
    expects: Callable[..., Expectation]
    converters: Mapping[str, Callable[[str], Any]]

    def read(self, line: str) -> Expectation | None:
        """What the line claims; None if the step does not match it."""
        words = self.parser.parse_arguments(line) if self.parser.is_matching(line) else None
        if words is None:
            return None
        convert = self.converters
        return self.expects(**{name: convert[name](word) if name in convert else word for name, word in words.items()})


_THEN_STEPS: list[_ThenStep] = []
"""Every Then step, in the order of definition; :func:`then_claims` adds to it."""


def then_claims(
    parser: StepParser,
    expects: Callable[..., Expectation],
    *,
    converters: dict[str, Callable[[str], Any]] | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Define a Then step together with what its line claims, so that the claim is checked before anything is trained.

    Args:
        parser: reads the line.
        expects: the words of the line → what it claims.
        converters: as for :func:`pytest_bdd.then`; ``expects`` gets converted words, too.
    """

    def define(step: Callable[P, R]) -> Callable[P, R]:
        _THEN_STEPS.append(_ThenStep(parser, expects, converters or {}))
        return then(parser, converters=converters, stacklevel=2)(step)

    return define


def expectations(lines: Iterable[str]) -> tuple[Expectation, ...]:
    """What Then lines claim, by the step definitions that match them."""
    read = [step.read(line) for line in lines for step in _THEN_STEPS]
    return tuple(each for each in read if each is not None)


def expect_mean(direction: Direction, *, denied: bool = False) -> Callable[..., Expectation]:
    """For a line with a ``metric`` and its bounds."""

    def expects(metric: str, rule: str | None = None, **bounds: float) -> Expectation:
        del rule
        good = claims.promises(Claim(metric, direction, min(bounds.values()), denied=denied))
        return Expectation(metric, tuple(bounds.values()), quality=good)

    return expects


def expect_at_record(metric: str) -> Expectation:
    """For a line whose bound comes from a calibration record."""
    return Expectation(metric, calibrated=True, quality=True)


def expect_contrast(
    metric: str, first: str, second: str, bound: float | None = None, factor: float | None = None
) -> Expectation:
    """For a line that compares the means of two studies; one of them is claimed to be good."""
    return Expectation(metric, lead=bound, multiple=factor, pair=(first, second), quality=True)


def expect_ratio(*, bound: float, first: str, second: str, length: int | None = None, **_: object) -> Expectation:
    """For a line about a ratio of speeds.

    Raises:
        InvalidConfig: every ratio is at least zero, and none is at most zero.
    """
    if bound <= 0:
        raise InvalidConfig("the factor is not a positive number", given=bound, allowed="such as 1.2")
    return Expectation(pair=(first, second), length=length)


def expect_ranking(refuse: Callable[..., None]) -> Callable[..., Expectation]:
    """For a line about a sweep, with what refuses its words if no sweep could settle the claim."""
    return lambda **words: Expectation(refuse=partial(refuse, **words), target=words.get("target"))


def expect_nothing(**_: object) -> Expectation:
    """For a line with nothing to check before training."""
    return Expectation()


@dataclass(frozen=True, slots=True)
class Recipe:
    """The recipe that a scenario chooses."""

    name: str | None = None
    """None means the encoder's own."""
    changes: dict[str, Any] = field(default_factory=dict)
    """Fields that the scenario sets itself."""
    expected: tuple[Expectation, ...] = ()
    """What the scenario's Then lines claim."""
    policy: SeedPolicy = SeedPolicy()

    def plan(
        self,
        session: Session,
        encoder: EncoderConfig,
        task: TaskConfig,
        optimizer: str | None,
        seeds: Sequence[int],
    ) -> StudyConfig:
        """The study that a When line asks for, checked together with the claims of the Then lines.

        Raises:
            UnknownName: a word names nothing.
            InvalidConfig: a value is not allowed, or the study could never settle a claim.
        """
        plan = session.catalog.plan(
            encoder=encoder,
            task=task,
            seeds=self.policy.seeds(seeds),
            recipe=self.name,
            optimizer=optimizer,
            **self.changes,
        )
        self.check(lambda each: each.check_study(plan, session, calibrating=bool(self.policy.reference)))
        return plan

    def plans(
        self, session: Session, encoder: EncoderConfig, task: TaskConfig, names: Sequence[str], seeds: Sequence[int]
    ) -> dict[str, StudyConfig]:
        """The studies of a When line that compares optimizers, by the optimizers' names; see :meth:`plan`.

        Raises:
            UnknownName: as above, or a claim compares another study.
            InvalidConfig: as above, or a study would be compared with itself.
        """
        if len(set(names)) < len(names):
            raise InvalidConfig("an optimizer is compared with itself", given=names[0])
        self.check(lambda each: each.check_pair(names))
        return {name: self.plan(session, encoder, task, name, seeds) for name in names}

    def timed(self, session: Session, task: TaskConfig, names: tuple[str, str]) -> list[StudyConfig]:
        """The studies of a When line that times two encoders; see :meth:`plan`.

        Raises:
            UnknownName: as above, or a claim names another encoder.
            InvalidConfig: as above, or a claim names the encoders in the other order.
        """
        self.check(lambda each: each.check_timed(names))
        return [self.plan(session, session.catalog.encoder(name), task, None, (1,)) for name in names]

    def check(self, check: Callable[[Expectation], None]) -> None:
        """Check what each Then line claims.

        Raises:
            BertspecError: the first refusal; its ``blamed`` is the step of the line.
        """
        for each in self.expected:
            try:
                check(each)
            except BertspecError as refusal:
                vars(refusal)["blamed"] = each.step
                raise

    def measure(self, session: Session, encoders: Sequence[EncoderConfig], grid: Grid, benchmark: Benchmark) -> Turns:
        """Let encoders answer in turns, with the precision and threads of this recipe, or of their own.

        Raises:
            BertspecError: see :func:`bertspec.inference.measuring.measure`.
        """
        self.check(lambda each: each.check_measured([encoder.name for encoder in encoders], grid.lengths))
        recipes = [
            session.catalog.recipe(self.name or encoder.recipe, encoder=encoder, changes=self.changes)
            for encoder in encoders
        ]
        device = measuring.common_device(recipes, session.device)
        return measuring.measure(encoders, grid, sources=session.sources, device=device, benchmark=benchmark)


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims that one scenario settles."""

    on_record: Callable[[ClaimRecord], None]
    """Called with the record of every claim."""
    on_verdict: Callable[[str, Verdict], None] = lambda _subject, _verdict: None
    """Called with the subject and the verdict of every claim."""
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
        """Record a verdict; only PASS passes.

        Args:
            verdict: the verdict.
            subject: what it is about.
            study: the study whose runs it was judged by, if there is one.
            other: the study that this one was compared with.
            origin: where the measurements came from, if there is no study.

        Raises:
            AssertionError: the verdict is not PASS.
        """
        verdict = replace(verdict, claim=replace(verdict.claim, source=verdict.claim.source or self.source))
        self.on_record(_record(verdict, subject, (study, other), origin))
        self.on_verdict(subject, verdict)
        assert verdict.passed, f"{subject}: {verdict}"


@dataclass(frozen=True, slots=True)
class Refusal:
    """The result of asking for something that should be refused."""

    error: BertspecError | None
    trained: int
    """Runs that were finished although it should have been refused."""


def refused(ask: Callable[[], object], count_runs: Callable[[], int]) -> Refusal:
    """Ask, and keep the error that a user would see."""
    before = count_runs()
    try:
        ask()
    except BertspecError as error:
        return Refusal(error, count_runs() - before)
    return Refusal(None, count_runs() - before)


@dataclass(frozen=True, slots=True)
class Pair:
    """The same study, with and without an interruption."""

    interrupted: Study
    whole: Study

    def difference(self) -> str | None:
        """What the interruption changed; None if every bit is the same."""
        for one, two in zip(self.interrupted.runs, self.whole.runs, strict=True):
            if not one.result.facts.resumed_at:
                return f"seed {one.config.seed} was not interrupted"
            if not np.array_equal(one.result.outcomes.outputs, two.result.outcomes.outputs):
                return f"seed {one.config.seed} has other outputs"
            if not np.array_equal(one.result.curve.loss, two.result.curve.loss):
                return f"seed {one.config.seed} has another loss curve"
        return None


def cut_off_and_resumed(plan: StudyConfig, session: Session, *, step: int, every: int) -> Pair:
    """Train a study of one seed twice: cut off after a step and resumed, and without an interruption.

    Raises:
        InvalidConfig: the training ends before that step, or a number is not positive.
    """
    if step < 1 or every < 1:
        given = f"a checkpoint every {every} steps, cut off after step {step}"
        raise InvalidConfig("a step is counted from 1", given=given, allowed="positive numbers")
    with tempfile.TemporaryDirectory() as folder:
        quiet = replace(session, tracker=SilentTracker(), fresh=False, device="cpu")
        apart = replace(quiet, store=Store(Path(folder) / "cut"), checkpoint_every=every)
        try:
            study.run(plan, replace(apart, tracker=_CuttingTracker(step)))
        except _CutOff:
            interrupted = study.run(plan, apart)
        else:
            raise InvalidConfig("training ends before the step at which it is to be cut off", given=step)
        whole = study.run(plan, replace(quiet, store=Store(Path(folder) / "whole")))
    return Pair(interrupted, whole)


def _record(
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
        promise=claims.promises(verdict),
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


class _CutOff(BaseException):
    """Ends the first attempt, as Ctrl-C would."""


@dataclass
class _Cutter(SilentObserver):
    step: int

    def stepped(self, step: int, loss: float, learning_rate: float) -> None:
        if step == self.step:
            raise _CutOff


@dataclass
class _CuttingTracker(SilentTracker):
    step: int

    def observe(self, config: RunConfig, *, fingerprint: str) -> RunObserver:
        return _Cutter(self.step)
