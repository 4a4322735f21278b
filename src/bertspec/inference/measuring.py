"""Latency, throughput, memory and energy of encoders that answer texts.

Latency is the time of one text, from token ids to the answer on the host, building the batch included; p95 is the time
that 95 of 100 calls stayed within. Throughput is texts per second in batches, by the median batch of the median round.
The texts are random ordinary words of the vocabulary and all have exactly the requested length, so a batch has no
padding; a text of your own adds the time of its tokenization. The weights of the task head are new: speed does not
depend on them.

Two encoders answer in turns, call by call and batch by batch, in one process and in alternating order, so that other
load on the machine slows both. Claims are about ratios of such turns only. Seconds depend on the machine and the hour;
they are shown and never judged. One round warms up and is not counted.

Energy is read from the processor's own counters (RAPL) over the batches. Linux has them in ``/sys/class/powercap``;
since 2020 only root may read them, because they leak what others compute, and virtual machines have none. They count
whole processor packages, whatever runs on them, about a thousand times a second; DRAM and the rest of the machine are
not included. The energy of a GPU is not measured yet; it would come from NVML.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from bertspec.config import EncoderConfig, RecipeConfig
from bertspec.errors import DeviceError, InvalidConfig
from bertspec.inference.records import AtLength, Grid, Latencies, Measurement, OfText, Turns
from bertspec.sources import Sources
from bertspec.study.timing import Benchmark

if TYPE_CHECKING:
    from bertspec.data.tokens import Tokens
    from bertspec.device import Device
    from bertspec.inference.prediction import Subject

__all__ = ["Counter", "Meter", "Repetition", "common_device", "find_meter", "measure"]

_POWERCAP = Path("/sys/class/powercap")


@dataclass(frozen=True, slots=True)
class Counter:
    """The file that counts the energy of one processor package."""

    file: Path
    range_uj: int
    """The largest value, in microjoules; the counter then starts again at zero."""

    def read_uj(self) -> int:
        """Microjoules since some moment in the past."""
        return int(self.file.read_text("ascii"))


@dataclass(frozen=True, slots=True)
class Meter:
    """The counters of all processor packages, or the reason why there are none."""

    counters: tuple[Counter, ...] = ()
    lacks: str | None = None

    def read_uj(self) -> tuple[int, ...]:
        """The current value of each counter."""
        return tuple(counter.read_uj() for counter in self.counters)

    def joules(self, before: tuple[int, ...], after: tuple[int, ...]) -> float:
        """The energy between two readings, at most one range of a counter (minutes) apart; 0 without counters."""
        used = zip(self.counters, before, after, strict=True)
        return sum((end - start) % (counter.range_uj + 1) for counter, start, end in used) / 1e6


def common_device(recipes: Sequence[RecipeConfig], kind: Literal["auto", "cpu", "cuda"]) -> Device:
    """The one device, precision and number of threads on which encoders with these recipes are measured.

    Raises:
        DeviceError: the device is not on this machine, or lacks what a recipe asks for.
        InvalidConfig: the recipes ask for different precisions or numbers of threads.
    """
    from bertspec import device

    chosen = [device.choose(kind, recipe) for recipe in recipes]
    if len(set(chosen)) > 1:
        raise InvalidConfig(
            "encoders are compared in the same precision and with the same number of threads",
            given=" and ".join(f"{each.precision} with {each.threads}" for each in chosen),
            allowed="one recipe for both, or an explicit precision and number of threads",
            where="the recipes of the encoders",
        )
    return chosen[0]


def measure(
    encoders: Sequence[EncoderConfig], grid: Grid, *, sources: Sources, device: Device, benchmark: Benchmark
) -> Turns:
    """Measure one encoder, or two in turns. Timings are never stored.

    Raises:
        BertspecError: an encoder is not available, has fewer positions than the grid has tokens, or does not know the
            text; or a batch does not fit into memory.
    """
    from bertspec.inference.prediction import Subject

    rounds: list[_Round] = []
    meter = find_meter(device)
    with device.session(0):
        subjects = [Subject.load(encoder, sources, device) for encoder in encoders]
        for subject in subjects:
            subject.model.refuse_longer("tokens", max(grid.lengths), encoder=subject.name)
        parts = [part for length in grid.lengths for part in _of_length(length, subjects, grid)]
        parts += [] if grid.text is None else [_of_text(grid.text, subjects, grid)]

        def one_round() -> None:
            rounds.append({part.key: _in_turns(part, device, meter) for part in parts})

        device.forget_peak()
        try:
            benchmark.pedantic(one_round, rounds=grid.rounds, warmup_rounds=1)
        except (RuntimeError, MemoryError) as error:
            if not device.is_out_of_memory(error):
                raise
            raise DeviceError(
                "a batch does not fit into memory",
                given=f"{grid.batch_size} texts of {max(grid.lengths)} tokens",
                allowed="smaller batches",
                where=f"{' and '.join(encoder.name for encoder in encoders)} on {device.kind}",
            ) from error
    counted = rounds[-grid.rounds :]
    measured = tuple(_measurement(index, subject, grid, counted, meter) for index, subject in enumerate(subjects))
    return Turns(grid, measured, device.peak_memory_bytes(), meter.lacks, device.environment())


def find_meter(device: Device, powercap: Path = _POWERCAP) -> Meter:
    """The energy meter of a device.

    Args:
        device: where the computation runs.
        powercap: the folder in which Linux shows the counters.
    """
    if device.kind == "cuda":
        return Meter(lacks="the energy of a GPU is not measured yet (it would be read from NVML)")
    try:
        meter = Meter(tuple(_counter(zone) for zone in _packages(powercap)))
        meter.read_uj()
    except (OSError, ValueError) as refusal:
        return Meter(lacks=f"the processor's energy counters cannot be read: {refusal}")
    if not meter.counters:
        return Meter(lacks=f"{powercap} has no energy counter of a processor (a virtual machine has none)")
    return meter


class Repetition:
    """A benchmark outside of pytest: it repeats the target and records nothing."""

    def __init__(self) -> None:
        self.extra_info: dict[str, Any] = {}

    def pedantic(self, target: Callable[[], object], *, rounds: int, warmup_rounds: int) -> object:
        """Call the target ``warmup_rounds + rounds`` times."""
        for _ in range(warmup_rounds + rounds):
            target()
        return None


def _packages(powercap: Path) -> list[Path]:
    """One zone for each processor package. The others are parts of it, or repeat it by another interface (mmio)."""
    zones = [zone for zone in sorted(powercap.glob("intel-rapl:*")) if (zone / "energy_uj").exists()]
    by_name = {(zone / "name").read_text("ascii").strip(): zone for zone in reversed(zones)}
    return [zone for name, zone in sorted(by_name.items()) if name.startswith("package")]


def _counter(zone: Path) -> Counter:
    return Counter(zone / "energy_uj", int((zone / "max_energy_range_uj").read_text("ascii")))


@dataclass(frozen=True, slots=True)
class _Part:
    """A call that each round times repeatedly."""

    key: tuple[str, int]
    """``one``, ``many`` or ``text``, and the number of tokens."""
    calls: Sequence[Callable[[int], object]]
    """One for each subject; its argument counts the repetitions from 0."""
    times: int


@dataclass(frozen=True, slots=True)
class _Cost:
    """The cost of one part of one round for one subject."""

    seconds: tuple[float, ...]
    joules: float


_Round = dict[tuple[str, int], list[_Cost]]


def _of_length(length: int, subjects: Sequence[Subject], grid: Grid) -> Iterator[_Part]:
    texts = [subject.texts_of(length, count=grid.batch_size) for subject in subjects]
    for subject, tokens in zip(subjects, texts, strict=True):
        subject.try_out(tokens)
    every = np.arange(grid.batch_size)

    def one(subject: Subject, tokens: Tokens) -> Callable[[int], object]:
        return lambda call: subject.answer(tokens, every[[call % grid.batch_size]])

    def many(subject: Subject, tokens: Tokens) -> Callable[[int], object]:
        return lambda _: subject.answer(tokens, every)

    yield _Part(("one", length), list(map(one, subjects, texts)), grid.calls)
    yield _Part(("many", length), list(map(many, subjects, texts)), grid.batches)


def _of_text(text: str, subjects: Sequence[Subject], grid: Grid) -> _Part:
    for subject in subjects:
        subject.tokens_of(text)  # refuses a text that the tokenizer does not know before anything is measured

    def whole(subject: Subject) -> Callable[[int], object]:
        return lambda _: subject.answer(subject.tokens_of(text), np.arange(1))

    return _Part(("text", 0), list(map(whole, subjects)), grid.calls)


def _in_turns(part: _Part, device: Device, meter: Meter) -> list[_Cost]:
    """Time A B, B A, A B, ..."""
    seconds: list[list[float]] = [[] for _ in part.calls]
    joules = [0.0 for _ in part.calls]
    order = list(range(len(part.calls)))
    for repetition in range(part.times):
        for subject in order:
            energy_before = meter.read_uj()
            began = device.clock()
            part.calls[subject](repetition)
            seconds[subject].append(device.clock() - began)
            joules[subject] += meter.joules(energy_before, meter.read_uj())
        order.reverse()
    return [_Cost(tuple(each), energy) for each, energy in zip(seconds, joules, strict=True)]


def _measurement(index: int, subject: Subject, grid: Grid, rounds: Sequence[_Round], meter: Meter) -> Measurement:
    def costs(kind: str, length: int) -> list[_Cost]:
        return [each[kind, length][index] for each in rounds]

    def latencies(kind: str, length: int) -> Latencies:
        return Latencies(tuple(each.seconds for each in costs(kind, length)))

    return Measurement(
        encoder=subject.name,
        lengths=tuple(
            AtLength(
                length=length,
                batch_size=grid.batch_size,
                latencies=latencies("one", length),
                batches_s=tuple(each.seconds for each in costs("many", length)),
                joules=None if meter.lacks else sum(each.joules for each in costs("many", length)),
            )
            for length in grid.lengths
        ),
        text=None if grid.text is None else OfText(int(subject.tokens_of(grid.text).lengths[0]), latencies("text", 0)),
    )
