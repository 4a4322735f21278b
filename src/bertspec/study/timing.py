"""Two recipes timed in turns, A B A B, in one process. Only speeds that were measured so are compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from bertspec.config import StudyConfig
from bertspec.errors import InvalidConfig
from bertspec.results import RunFacts
from bertspec.study.session import Session
from bertspec.study.study import gather
from bertspec.tracking import SilentTracker

__all__ = ["Act", "Benchmark", "Timing", "time_in_turns"]

Act = Literal["trains on", "evaluates"]

_MOST_ROUNDS = 1_000


class Benchmark(Protocol):
    """The part of pytest-benchmark's fixture that timings use."""

    extra_info: dict[str, Any]

    def pedantic(self, target: Callable[[], object], *, rounds: int, warmup_rounds: int) -> object:
        """Call the target once a round, and keep the time of each call."""


@dataclass(frozen=True, slots=True)
class Timing:
    """The measurements of both encoders, round by round."""

    rounds: tuple[tuple[RunFacts, RunFacts], ...]

    def ratios(self, act: Act) -> tuple[float, ...]:
        """For each round, the examples a second of the first encoder divided by those of the second."""
        return tuple(_examples_per_second(one, act) / _examples_per_second(two, act) for one, two in self.rounds)


def time_in_turns(
    first: StudyConfig, second: StudyConfig, session: Session, *, rounds: int, benchmark: Benchmark
) -> Timing:
    """Run the first seed of both studies in turns, after one warm-up round.

    The store is not used: a timing holds for this machine and this moment.

    Raises:
        InvalidConfig: there are no rounds, or more than 1,000.
    """
    if not 1 <= rounds <= _MOST_ROUNDS:
        raise InvalidConfig("this number of rounds cannot be timed", given=rounds, allowed=f"1 to {_MOST_ROUNDS:,}")
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
