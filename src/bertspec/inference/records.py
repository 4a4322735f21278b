"""The measurements of encoders at inference. This module does not import torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bertspec.errors import InvalidConfig
from bertspec.results import Environment

__all__ = ["PERCENTILES", "AtLength", "Grid", "Latencies", "Measurement", "OfText", "Pair", "Percentile", "Turns"]

Percentile = Literal[50, 95, 99]
PERCENTILES: tuple[Percentile, ...] = (50, 95, 99)

_MOST_ROUNDS = 1_000
_MOST = 1_000_000
"""The most tokens, texts or calls."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The lengths, sizes and repetitions of a measurement.

    Raises:
        InvalidConfig: a number is not positive or too large, or a length is given twice.
    """

    lengths: tuple[int, ...]
    """Tokens per text."""
    batch_size: int = 32
    """Texts per batch, for throughput."""
    rounds: int = 7
    """Every round measures every length, so that a noisy minute affects all of them."""
    calls: int = 100
    """Single texts at each length of each round."""
    batches: int = 4
    """Batches at each length of each round."""
    text: str | None = None
    """A text that is tokenized and answered in each call, in addition to the lengths."""

    def __post_init__(self) -> None:
        numbers = (*self.lengths, self.batch_size, self.rounds, self.calls, self.batches)
        too_much = max((*numbers, 0)) > _MOST or self.rounds > _MOST_ROUNDS
        if too_much or not self.lengths or min(numbers) < 1 or len(set(self.lengths)) < len(self.lengths):
            raise InvalidConfig(
                "these sizes cannot be measured",
                given=f"lengths {', '.join(map(str, self.lengths))}; {self.rounds} rounds of {self.calls} calls "
                f"and {self.batches} batches of {self.batch_size}",
                allowed=f"different lengths, and positive numbers: up to {_MOST_ROUNDS:,} rounds, else {_MOST:,}",
                where="the grid of a measurement",
            )


@dataclass(frozen=True, slots=True)
class Latencies:
    """Seconds from one text to its answer."""

    rounds: tuple[tuple[float, ...], ...]
    """For each round, the seconds of its calls."""

    def at(self, percentile: Percentile) -> float:
        """The seconds that this percentage of all calls stayed within."""
        return _at([call for calls in self.rounds for call in calls], percentile)

    def of_rounds(self, percentile: Percentile) -> tuple[float, ...]:
        """The same for each round alone."""
        return tuple(_at(calls, percentile) for calls in self.rounds)


@dataclass(frozen=True, slots=True)
class AtLength:
    """How one encoder answers texts of one length."""

    length: int
    """Tokens per text."""
    batch_size: int
    latencies: Latencies
    """Of single texts: a batch of one."""
    batches_s: tuple[tuple[float, ...], ...]
    """For each round, the seconds of its batches."""
    joules: float | None
    """The energy of the processor during all batches; ``None`` where it cannot be read."""

    @property
    def rates(self) -> tuple[float, ...]:
        """Texts per second in batches, for each round by its median batch, which brief other load does not affect."""
        return tuple(self.batch_size / float(np.median(seconds)) for seconds in self.batches_s)

    @property
    def examples_per_second(self) -> float:
        """Texts per second in batches: the median of the rounds."""
        return float(np.median(self.rates))

    @property
    def tokens_per_second(self) -> float:
        """Tokens per second in batches."""
        return self.examples_per_second * self.length

    @property
    def joules_per_1000(self) -> float | None:
        """The energy of 1,000 texts in batches, in joules."""
        answered = self.batch_size * sum(map(len, self.batches_s))
        return None if self.joules is None else 1000 * self.joules / answered


@dataclass(frozen=True, slots=True)
class OfText:
    """How one encoder answers one text, tokenization included."""

    length: int
    """Tokens of the text, special ones included, after it was cut to the encoder's positions."""
    latencies: Latencies


@dataclass(frozen=True, slots=True)
class Measurement:
    """How one encoder answers, over a grid of lengths."""

    encoder: str
    lengths: tuple[AtLength, ...]
    text: OfText | None

    def at(self, length: int) -> AtLength:
        """The measurement at a length.

        Raises:
            InvalidConfig: the length was not measured.
        """
        for each in self.lengths:
            if each.length == length:
                return each
        known = ", ".join(str(each.length) for each in self.lengths)
        raise InvalidConfig("this length was not measured", given=length, allowed=known, where=self.encoder)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two encoders at one length, measured in turns. Every ratio is the first divided by the second."""

    first: AtLength
    second: AtLength

    def latency_ratios(self, percentile: Percentile) -> tuple[float, ...]:
        """Ratio of the latencies of one text, for each round."""
        return _by(*(each.latencies.of_rounds(percentile) for each in (self.first, self.second)))

    def rate_ratios(self) -> tuple[float, ...]:
        """Ratio of the texts per second in batches, for each round."""
        return _by(self.first.rates, self.second.rates)


@dataclass(frozen=True, slots=True)
class Turns:
    """The measurements of one encoder, or of two in turns."""

    grid: Grid
    measurements: tuple[Measurement, ...]
    """In the order in which the encoders were named."""
    peak_memory_bytes: int
    """On a CPU the peak of the whole process: Python, torch, loading the weights, and both of two encoders."""
    no_energy: str | None
    """Why no energy was read; ``None`` where it was."""
    environment: Environment

    def pair(self, first: str, second: str, length: int) -> Pair:
        """The two encoders at one length, in the given order.

        Raises:
            InvalidConfig: these encoders, or this length, were not measured.
        """
        names = [each.encoder for each in self.measurements]
        if sorted(names) != sorted((first, second)):
            raise InvalidConfig(
                "these encoders were not measured in turns",
                given=f"{first} and {second}",
                allowed=" and ".join(names),
            )
        one, two = self.measurements if names[0] == first else self.measurements[::-1]
        return Pair(one.at(length), two.at(length))


def _at(seconds: Sequence[float], percentile: Percentile) -> float:
    """A percentile that is one of the measured values, without interpolation."""
    return float(np.percentile(seconds, percentile, method="inverted_cdf"))


def _by(ones: Sequence[float], others: Sequence[float]) -> tuple[float, ...]:
    return tuple(one / other for one, other in zip(ones, others, strict=True))
