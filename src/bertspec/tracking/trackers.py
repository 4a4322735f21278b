"""Trackers show runs as they go on: each gives every run an observer. Here are the no-op one and the progress bar."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from bertspec.config import RunConfig
from bertspec.printing import printable
from bertspec.results import RunObserver, RunResult, Stop
from bertspec.statistics import Verdict

__all__ = ["ProgressTracker", "SilentObserver", "SilentTracker", "Tracker", "combine"]


class Tracker(Protocol):
    """Shows runs, and the verdicts about them."""

    def settle(self) -> None:
        """Decide where runs will be shown, before the first one, and warn where a user would not expect it."""

    def observe(self, config: RunConfig, *, fingerprint: str) -> RunObserver:
        """The observer of one run that is about to start."""

    def judged(self, subject: str, verdict: Verdict) -> None:
        """Show the verdict on a claim about the runs that the subject names."""

    def close(self) -> None:
        """End the session; no run follows."""


class SilentObserver:
    """Does nothing. Other observers inherit what they do not need."""

    __slots__ = ()

    def started(self, total_steps: int) -> None:
        """Do nothing."""

    def stepped(self, step: int, loss: float, learning_rate: float) -> None:
        """Do nothing."""

    def evaluated(self, step: int, score: float) -> Stop | None:
        """Do nothing."""

    def finished(self, result: RunResult) -> None:
        """Do nothing."""

    def failed(self, error: BaseException) -> None:
        """Do nothing."""


class SilentTracker:
    """Shows nothing. Other trackers inherit what they do not need."""

    __slots__ = ()

    def settle(self) -> None:
        """Do nothing."""

    def observe(self, config: RunConfig, *, fingerprint: str) -> RunObserver:
        """An observer that does nothing."""
        del config, fingerprint
        return SilentObserver()

    def judged(self, subject: str, verdict: Verdict) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


def combine(*trackers: Tracker) -> Tracker:
    """One tracker that passes everything on to several."""
    return _Trackers(trackers)


class Stream(Protocol):
    """The part of a text stream that a bar needs."""

    def write(self, text: str, /) -> int:
        """Write."""

    def flush(self) -> None:
        """Flush."""

    def isatty(self) -> bool:
        """Whether it is a terminal."""


@dataclass(frozen=True, slots=True)
class ProgressTracker(SilentTracker):
    """Draws a progress bar for each run."""

    stream: Stream | None
    """The terminal. Nothing is drawn on other streams, or on ``None``."""
    columns: int | None = None
    """The width of the terminal; ``None`` detects it."""

    def __reduce__(self) -> tuple[type[ProgressTracker], tuple[None]]:
        """In another process it draws nothing: that process has no terminal."""
        return type(self), (None,)

    def observe(self, config: RunConfig, *, fingerprint: str) -> RunObserver:
        """The bar of one run."""
        del fingerprint
        if self.stream is None or not self.stream.isatty():
            return SilentObserver()
        title = f"{config.encoder.name} · {config.task.name} · {config.recipe.optimizer.word} · seed {config.seed}"
        return _Bar(self.stream, self.columns, printable(title), config.task.metrics[0])


@dataclass(slots=True)
class _Bar(SilentObserver):
    stream: Stream
    columns: int | None
    title: str
    metric: str
    bar: Any = field(default=None)
    loss: str = field(default="")
    score: str = field(default="")

    def started(self, total_steps: int) -> None:
        from tqdm import tqdm

        self.bar = tqdm(
            total=total_steps, desc=self.title, file=self.stream, unit="step", leave=False, ncols=self.columns
        )

    def stepped(self, step: int, loss: float, learning_rate: float) -> None:
        del learning_rate
        self.loss = f"loss {loss:.3f}"
        self.bar.set_postfix_str(f"{self.loss}{self.score}", refresh=False)
        self.bar.update(step - self.bar.n)

    def evaluated(self, step: int, score: float) -> None:
        self.score = f", {self.metric} {score:.3f} at {step}"
        self.bar.set_postfix_str(f"{self.loss}{self.score}")

    def finished(self, result: RunResult) -> None:
        del result
        self._clear()

    def failed(self, error: BaseException) -> None:
        del error
        self._clear()

    def _clear(self) -> None:
        if self.bar is not None:
            self.bar.close()


@dataclass(frozen=True, slots=True)
class _Trackers:
    parts: tuple[Tracker, ...]

    def settle(self) -> None:
        for part in self.parts:
            part.settle()

    def observe(self, config: RunConfig, *, fingerprint: str) -> RunObserver:
        return _Observers(tuple(part.observe(config, fingerprint=fingerprint) for part in self.parts))

    def judged(self, subject: str, verdict: Verdict) -> None:
        for part in self.parts:
            part.judged(subject, verdict)

    def close(self) -> None:
        for part in self.parts:
            part.close()


@dataclass(frozen=True, slots=True)
class _Observers:
    parts: tuple[RunObserver, ...]

    def started(self, total_steps: int) -> None:
        for part in self.parts:
            part.started(total_steps)

    def stepped(self, step: int, loss: float, learning_rate: float) -> None:
        for part in self.parts:
            part.stepped(step, loss, learning_rate)

    def evaluated(self, step: int, score: float) -> Stop | None:
        stops = [part.evaluated(step, score) for part in self.parts]  # every part sees the evaluation
        return next((stop for stop in stops if stop is not None), None)

    def finished(self, result: RunResult) -> None:
        for part in self.parts:
            part.finished(result)

    def failed(self, error: BaseException) -> None:
        for part in self.parts:
            part.failed(error)
