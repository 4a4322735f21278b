"""What Then steps check of finished runs: an interruption changed no bit, and W&B's record is complete."""

from __future__ import annotations

import dataclasses
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bertspec import study
from bertspec.config import RunConfig, StudyConfig
from bertspec.results import RunObserver
from bertspec.store import Store, StoredRun
from bertspec.study import Session, Study
from bertspec.tracking import SilentObserver, SilentTracker, find_run, sampled_steps

__all__ = ["Pair", "cut_off_and_resumed", "tracking_problem"]


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
    """Train a study of one seed twice: cut off after a step and resumed, and without an interruption."""
    with tempfile.TemporaryDirectory() as folder:
        quiet = dataclasses.replace(session, tracker=SilentTracker(), fresh=False, device="cpu")
        apart = dataclasses.replace(quiet, store=Store(Path(folder) / "cut"), checkpoint_every=every)
        try:
            study.run(plan, dataclasses.replace(apart, tracker=_CuttingTracker(step)))
        except _CutOff:
            interrupted = study.run(plan, apart)
        whole = study.run(plan, dataclasses.replace(quiet, store=Store(Path(folder) / "whole")))
    return Pair(interrupted, whole)


def tracking_problem(run: StoredRun, directory: Path) -> str | None:
    """What the offline W&B record of a run lacks or has wrong; None if it agrees with the store."""
    record, facts = find_run(directory, run.fingerprint), run.result.facts
    if record is None:
        return f"seed {run.config.seed} has no record below {directory}"
    sampled = [run.result.curve.loss[step - 1] for step in sampled_steps(facts.steps)]
    agrees = {
        "loss curve": record.curve("training/loss") == sampled,
        "seed": record.config.get("seed") == run.config.seed,
        "group": run.config.task.name in record.group,
        "scores": all(record.summary.get(f"evaluation/{name}") == value for name, value in facts.scores.items()),
        "end": record.exit_code == 0,
    }
    wrong = [name for name, right in agrees.items() if not right]
    return f"seed {run.config.seed}: the record's {', '.join(wrong)} differ" if wrong else None


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
