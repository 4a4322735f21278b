"""Trackers: each gives every run an observer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bertspec.config import RunConfig
from bertspec.results import RunObserver, RunResult
from bertspec.statistics import Verdict

__all__ = ["SilentTracker", "Tracker", "combine"]


class Tracker(Protocol):
    """A place where runs are shown."""

    def settle(self) -> None:
        """Runs may follow: find out where they will be shown, and tell now what a user would not expect."""

    def observe(self, config: RunConfig, *, fingerprint: str) -> RunObserver:
        """The observer of one run that is about to start."""

    def judged(self, subject: str, verdict: Verdict) -> None:
        """A claim about some runs, named by the subject, was judged."""

    def close(self) -> None:
        """No run will follow."""


class SilentObserver:
    """Hears everything and says nothing."""

    def started(self, total_steps: int) -> None:
        """Nothing."""

    def stepped(self, step: int, loss: float, learning_rate: float) -> None:
        """Nothing."""

    def evaluated(self, step: int, score: float) -> None:
        """Nothing."""

    def finished(self, result: RunResult) -> None:
        """Nothing."""

    def failed(self, error: BaseException) -> None:
        """Nothing."""


class SilentTracker:
    """Shows nothing."""

    def settle(self) -> None:
        """Nothing."""

    def observe(self, config: RunConfig, *, fingerprint: str) -> RunObserver:
        """An observer that says nothing."""
        del config, fingerprint
        return SilentObserver()

    def judged(self, subject: str, verdict: Verdict) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class _Observers:
    parts: tuple[RunObserver, ...]

    def started(self, total_steps: int) -> None:
        for part in self.parts:
            part.started(total_steps)

    def stepped(self, step: int, loss: float, learning_rate: float) -> None:
        for part in self.parts:
            part.stepped(step, loss, learning_rate)

    def evaluated(self, step: int, score: float) -> None:
        for part in self.parts:
            part.evaluated(step, score)

    def finished(self, result: RunResult) -> None:
        for part in self.parts:
            part.finished(result)

    def failed(self, error: BaseException) -> None:
        for part in self.parts:
            part.failed(error)


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


def combine(*trackers: Tracker) -> Tracker:
    """One tracker that shows every run in several locations."""
    return _Trackers(trackers)
