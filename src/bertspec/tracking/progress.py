"""A progress bar on a terminal; nothing in a log."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

from bertspec.config import RunConfig
from bertspec.results import RunObserver, RunResult
from bertspec.statistics import Verdict
from bertspec.tracking.observers import SilentObserver

__all__ = ["ProgressTracker"]


class Stream(Protocol):
    """As much of a text stream as a bar needs."""

    def write(self, text: str, /) -> int:
        """Write."""

    def flush(self) -> None:
        """Flush."""

    def isatty(self) -> bool:
        """Whether it is a terminal."""


@dataclass(frozen=True, slots=True)
class ProgressTracker:
    """Draws one bar per run."""

    stream: Stream | None
    """Where to draw; a stream that is no terminal, or none, gets nothing."""
    columns: int | None = None
    """The width of the terminal; none leaves it to be found out."""

    def __reduce__(self) -> tuple[type[ProgressTracker], tuple[None]]:
        """In another process there is no terminal of its own: it draws nothing."""
        return type(self), (None,)

    def settle(self) -> None:
        """A terminal is there or not."""

    def observe(self, config: RunConfig, *, fingerprint: str) -> RunObserver:
        """The bar of one run."""
        del fingerprint
        if self.stream is None or not self.stream.isatty():
            return SilentObserver()
        title = f"{config.encoder.name} · {config.task.name} · {config.recipe.optimizer.word} · seed {config.seed}"
        return _Bar(self.stream, self.columns, title, config.task.metrics[0])

    def judged(self, subject: str, verdict: Verdict) -> None:
        """Verdicts are told elsewhere."""

    def close(self) -> None:
        """Nothing is left to clear: each bar goes when its run ends."""


@dataclass(slots=True)
class _Bar:
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
