"""Two recipes measured in turns, A B A B, in one process: the only speeds that are compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from bertspec import statistics
from bertspec.config import StudyConfig
from bertspec.results import RunFacts
from bertspec.statistics import Claim, Verdict
from bertspec.study.seeds import gather
from bertspec.study.session import Session
from bertspec.tracking import SilentTracker

__all__ = ["Act", "Benchmark", "Timing", "time_in_turns"]

Act = Literal["trains on", "evaluates"]


class Benchmark(Protocol):
    """The part of pytest-benchmark's fixture that is used."""

    extra_info: dict[str, Any]

    def pedantic(self, target: Callable[[], object], *, rounds: int, warmup_rounds: int) -> object:
        """Call the target so often, keeping the time of each call."""


@dataclass(frozen=True, slots=True)
class Timing:
    """What each round measured of the first and of the second encoder."""

    rounds: tuple[tuple[RunFacts, RunFacts], ...]

    def ratios(self, act: Act) -> tuple[float, ...]:
        """For each round, how many times as many examples a second the first one takes."""
        return tuple(_examples_per_second(one, act) / _examples_per_second(two, act) for one, two in self.rounds)

    def judge(self, act: Act, bound: float) -> Verdict:
        """The verdict on a claim about the median of the ratios."""
        claim = Claim(f"examples a second it {act}, as a ratio,", "at least", bound)
        return statistics.judge_ratio(claim, self.ratios(act))


def time_in_turns(
    first: StudyConfig, second: StudyConfig, session: Session, *, rounds: int, benchmark: Benchmark
) -> Timing:
    """Run the first seed of both studies in turns, after one round of warming up.

    Nothing is stored and nothing comes from the store: a timing is of here and now.
    """
    from bertspec import device, engine

    parts = [
        (s.runs()[0], gather(s, session.sources), device.choose(session.device, s.recipe)) for s in (first, second)
    ]
    measured: list[tuple[RunFacts, RunFacts]] = []

    def one_round() -> None:
        facts = [
            engine.run(
                config,
                inputs,
                SilentTracker().observe(config, fingerprint=""),
                device=chosen,
                cache=session.store.token_cache,
            ).facts
            for config, inputs, chosen in parts
        ]
        measured.append((facts[0], facts[1]))

    benchmark.pedantic(one_round, rounds=rounds, warmup_rounds=1)
    timing = Timing(tuple(measured[-rounds:]))
    benchmark.extra_info.update(
        training_ratios=timing.ratios("trains on"), evaluation_ratios=timing.ratios("evaluates")
    )
    return timing


def _examples_per_second(facts: RunFacts, act: Act) -> float:
    if act == "trains on":
        return facts.train_examples / facts.timings.train_s
    return facts.evaluation_examples / facts.timings.evaluate_s
