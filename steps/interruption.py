"""A study that is cut off in the middle of its training, and taken up again."""

from __future__ import annotations

import dataclasses
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bertspec import study
from bertspec.config import RunConfig, StudyConfig
from bertspec.results import RunObserver
from bertspec.store import Store
from bertspec.study import Session, Study
from bertspec.tracking import SilentObserver, SilentTracker

__all__ = ["Pair", "cut_off_and_taken_up"]


class _CutOff(BaseException):
    """What ends the first attempt, as Ctrl-C would."""


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


@dataclass(frozen=True, slots=True)
class Pair:
    """The same study, with and without a break."""

    interrupted: Study
    whole: Study

    def difference(self) -> str | None:
        """What the break changed; none where every bit is the same."""
        for one, two in zip(self.interrupted.runs, self.whole.runs, strict=True):
            if not one.result.facts.resumed_at:
                return f"seed {one.config.seed} was not interrupted"
            if not np.array_equal(one.result.outcomes.outputs, two.result.outcomes.outputs):
                return f"seed {one.config.seed} gives other outputs"
            if not np.array_equal(one.result.curve.loss, two.result.curve.loss):
                return f"seed {one.config.seed} has another loss curve"
        return None


def cut_off_and_taken_up(plan: StudyConfig, session: Session, *, step: int, every: int) -> Pair:
    """Train a study of one seed twice: cut off after a step and taken up again, and without a break."""
    with tempfile.TemporaryDirectory() as folder:
        quiet = dataclasses.replace(session, tracker=SilentTracker(), fresh=False, device="cpu")
        apart = dataclasses.replace(quiet, store=Store(Path(folder) / "cut"), checkpoint_every=every)
        try:
            study.run(plan, dataclasses.replace(apart, tracker=_CuttingTracker(step)))
        except _CutOff:
            interrupted = study.run(plan, apart)
        whole = study.run(plan, dataclasses.replace(quiet, store=Store(Path(folder) / "whole")))
    return Pair(interrupted, whole)
