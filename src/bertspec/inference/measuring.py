"""Encoders measured as their users meet them: one text at a time, and many at once.

Latency is what one text takes from token ids to its answer on the host, building the batch included; p95 means that
95 of 100 such calls took at most as long. Throughput is texts a second in batches, by the median batch of the median
round. The texts are drawn from the ordinary words of the vocabulary and have exactly the length that is told, so that
a batch has no padding; a text of one's own shows what its tokenising adds. The weights of the head are new: speed does
not depend on them.

Two encoders answer in turns, call by call and batch by batch, in one process, every other time in the other order, so
that what else the machine does falls on both. Only ratios of such turns are claimed; seconds alone, which are of one
machine and one hour, are shown and never judged. One round warms up, and counts for nothing. Energy is counted over
the batches, where the processor's counters can be read (see :mod:`bertspec.inference.energy`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bertspec.config import EncoderConfig, RecipeConfig
from bertspec.errors import DeviceError, InvalidConfig
from bertspec.inference.records import AtLength, Grid, Latencies, Measurement, OfText, Turns
from bertspec.sources.locations import Locations
from bertspec.study.timing import Benchmark

if TYPE_CHECKING:
    from bertspec.data.tokens import Tokens
    from bertspec.device import Device
    from bertspec.inference.energy import Meter
    from bertspec.inference.subject import Subject

__all__ = ["Repetition", "footing", "measure"]


def footing(recipes: Sequence[RecipeConfig], kind: Literal["auto", "cpu", "cuda"]) -> Device:
    """The one device, precision and number of threads on which encoders with these recipes are measured.

    Raises:
        DeviceError: the device is not on this machine, or lacks what a recipe asks for.
        InvalidConfig: the recipes ask for different ones.
    """
    from bertspec import device

    chosen = [device.choose(kind, recipe) for recipe in recipes]
    if len(set(chosen)) > 1:
        raise InvalidConfig(
            "encoders are compared in one precision and with as many threads",
            given=" and ".join(f"{each.precision} with {each.threads}" for each in chosen),
            allowed="one recipe for both, or a precision and a number of threads",
            where="their recipes",
        )
    return chosen[0]


def measure(
    encoders: Sequence[EncoderConfig], grid: Grid, *, locations: Locations, device: Device, benchmark: Benchmark
) -> Turns:
    """Measure one encoder, or two in turns. Nothing is stored: a timing is of here and now.

    Raises:
        BertspecError: an encoder cannot be had, has fewer positions than the grid has tokens, or does not know the
            text; or a batch does not fit the memory.
    """
    from bertspec.inference import energy
    from bertspec.inference.subject import Subject

    rounds: list[_Round] = []
    meter = energy.find(device)
    with device.session(0):
        subjects = [Subject.load(encoder, locations, device) for encoder in encoders]
        for subject in subjects:
            subject.head.refuse_longer("tokens", max(grid.lengths), encoder=subject.name)
        parts = [part for length in grid.lengths for part in _of_length(length, subjects, grid)]
        parts += [] if grid.text is None else [_of_text(grid.text, subjects, grid)]

        def one_round() -> None:
            rounds.append({part.what: _in_turns(part, device, meter) for part in parts})

        device.forget_peak()
        try:
            benchmark.pedantic(one_round, rounds=grid.rounds, warmup_rounds=1)
        except (RuntimeError, MemoryError) as error:
            if not device.is_out_of_memory(error):
                raise
            raise DeviceError(
                "a batch does not fit the memory",
                given=f"{grid.batch_size} texts of {max(grid.lengths)} tokens",
                allowed="smaller batches",
                where=f"{' and '.join(encoder.name for encoder in encoders)} on {device.kind}",
            ) from error
    told = rounds[-grid.rounds :]
    measured = tuple(_measurement(place, subject, grid, told, meter) for place, subject in enumerate(subjects))
    return Turns(grid, measured, device.peak_memory_bytes(), meter.lacks, device.environment())


class Repetition:
    """A benchmark outside of pytest: so many rounds, and nothing else."""

    def __init__(self) -> None:
        self.extra_info: dict[str, Any] = {}

    def pedantic(self, target: Callable[[], object], *, rounds: int, warmup_rounds: int) -> object:
        """Call the target so often."""
        for _ in range(warmup_rounds + rounds):
            target()
        return None


@dataclass(frozen=True, slots=True)
class _Part:
    """What is timed over and over in a round."""

    what: tuple[str, int]
    acts: Sequence[Callable[[int], object]]
    """One for each subject, told how often it was called before."""
    times: int


@dataclass(frozen=True, slots=True)
class _Taken:
    """What one subject took for one part of one round."""

    seconds: tuple[float, ...]
    joules: float


_Round = dict[tuple[str, int], list[_Taken]]


def _of_length(length: int, subjects: Sequence[Subject], grid: Grid) -> Iterator[_Part]:
    texts = [subject.texts_of(length, count=grid.batch_size) for subject in subjects]
    every = np.arange(grid.batch_size)

    def one(subject: Subject, tokens: Tokens) -> Callable[[int], object]:
        return lambda call: subject.answer(tokens, every[[call % grid.batch_size]])

    def many(subject: Subject, tokens: Tokens) -> Callable[[int], object]:
        return lambda _: subject.answer(tokens, every)

    yield _Part(("one", length), list(map(one, subjects, texts)), grid.calls)
    yield _Part(("many", length), list(map(many, subjects, texts)), grid.batches)


def _of_text(text: str, subjects: Sequence[Subject], grid: Grid) -> _Part:
    for subject in subjects:
        subject.tokens_of(text)  # one that is not understood is told before anything is measured

    def whole(subject: Subject) -> Callable[[int], object]:
        return lambda _: subject.answer(subject.tokens_of(text), np.arange(1))

    return _Part(("text", 0), list(map(whole, subjects)), grid.calls)


def _in_turns(part: _Part, device: Device, meter: Meter) -> list[_Taken]:
    """A B, B A, A B, ...: each act so many times."""
    seconds: list[list[float]] = [[] for _ in part.acts]
    joules = [0.0 for _ in part.acts]
    order = list(range(len(part.acts)))
    for call in range(part.times):
        for place in order:
            shown = meter.read_uj()
            began = device.clock()
            part.acts[place](call)
            seconds[place].append(device.clock() - began)
            joules[place] += meter.joules(shown, meter.read_uj())
        order.reverse()
    return [_Taken(tuple(each), energy) for each, energy in zip(seconds, joules, strict=True)]


def _measurement(place: int, subject: Subject, grid: Grid, rounds: Sequence[_Round], meter: Meter) -> Measurement:
    def taken(what: str, length: int) -> list[_Taken]:
        return [each[what, length][place] for each in rounds]

    def latencies(what: str, length: int) -> Latencies:
        return Latencies(tuple(each.seconds for each in taken(what, length)))

    return Measurement(
        encoder=subject.name,
        lengths=tuple(
            AtLength(
                length=length,
                batch_size=grid.batch_size,
                latencies=latencies("one", length),
                batches_s=tuple(each.seconds for each in taken("many", length)),
                joules=None if meter.lacks else sum(each.joules for each in taken("many", length)),
            )
            for length in grid.lengths
        ),
        text=None if grid.text is None else OfText(int(subject.tokens_of(grid.text).lengths[0]), latencies("text", 0)),
    )
