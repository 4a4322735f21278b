"""The W&B run of a trial that a W&B agent has started: one for all its seeds, where a study has one for each."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertspec.config import RunConfig
from bertspec.network import answers
from bertspec.results import Point, RunObserver, RunResult, TrialRecord
from bertspec.statistics import Verdict
from bertspec.tracking.connection import abandon, within, without_secrets
from bertspec.tracking.offline import keep_link, link
from bertspec.tracking.wandb_runs import WandbTracker, sampled_steps

if TYPE_CHECKING:
    import wandb

__all__ = ["TrialTracker", "under_an_agent"]

_log = logging.getLogger("bertspec.tracking")

_FINISH_S = 30.0


def under_an_agent() -> bool:
    """Whether a W&B agent has started this process, to run one trial of a sweep."""
    return bool(os.environ.get("WANDB_SWEEP_ID") and os.environ.get("WANDB_RUN_ID"))


@dataclass(slots=True)
class TrialTracker:
    """Shows one trial in the W&B run that its agent has set out; the first trouble ends that, with one warning.

    A service that fails on the way gets the trial from an offline record, by a sync.
    """

    directory: Path
    """The tracking folder."""
    parameters: Mapping[str, Any]
    """What the agent asked for."""
    rows: list[tuple[dict[str, Any], str]] = field(default_factory=list, init=False)
    """What was logged so far: it is logged again where the service failed on the way."""
    defined: set[str] = field(default_factory=set, init=False)
    """The quantities of which W&B knows over what they are drawn."""
    broken: bool = field(default=False, init=False)
    _places: WandbTracker = field(init=False)
    _run: wandb.Run | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Where the run lies is settled as for every other run."""
        self._places = WandbTracker(self.directory)

    def settle(self) -> None:
        """Open the run. W&B's client finds its name, its sweep and its parameters in the environment."""
        if self._run is None and not self.broken:
            self._run = self._places.opened(self._description, os.environ["WANDB_RUN_ID"])
            self.broken = self._run is None

    @property
    def _description(self) -> dict[str, Any]:
        return {"job_type": "trial", "tags": ["trial"], "config": dict(self.parameters)}

    def observe(self, config: RunConfig, *, fingerprint: str) -> RunObserver:
        """The observer of the run of one seed, whose loss is drawn over its own steps."""
        del fingerprint
        return _SeedObserver(self, f"seed-{config.seed}", config.task.metrics[0])

    def judged(self, subject: str, verdict: Verdict) -> None:
        """No claim is judged within a trial."""

    def close(self) -> None:
        """A trial ends by :meth:`finished`, :meth:`failed` or :meth:`stopped`."""

    def reached(self, point: Point, metric: str) -> None:
        """Log what the trial has reached on the way, under the metric's plain name: early stopping looks for it."""
        self.log({"step": point.step, metric: point.value}, over="step")

    def log(self, row: dict[str, Any], *, over: str) -> None:
        """Log one row, drawn over one of its quantities."""
        self.settle()
        self.rows.append((row, over))
        self._log_row(row, over)

    def finished(self, trial: TrialRecord, scores: Mapping[str, float]) -> None:
        """Log how the trial ended, each score under its plain name, and end the run; a failed trial is a failed run.

        Args:
            trial: what came of it.
            scores: metric → the mean over its seeds; none of a trial that failed.
        """
        code = 1 if trial.state == "failed" else 0
        self._end(lambda run: _summarise(run, trial, scores), code)
        self._keep_links(trial)

    def failed(self, error: BaseException) -> None:
        """Log why there is no result, and end the run as a failed one."""
        said = without_secrets(f"{type(error).__name__}: {error}")
        self._end(lambda run: run.summary.update({"state": "failed", "reason": said}), 1)

    def stopped(self) -> None:
        """End the run: W&B has said that the trial is hopeless, or a user did."""
        self._end(lambda run: run.summary.update({"state": "stopped"}), 130)

    def _end(self, summarise: Callable[[wandb.Run], object], exit_code: int) -> None:
        self.settle()
        self._guarded(self._check_service)
        self._close(summarise, exit_code)
        if not self.broken:
            return
        self._run = self._places.reopened(self._description, os.environ["WANDB_RUN_ID"])
        self.broken, self.defined = self._run is None, set()
        for row, over in self.rows:
            self._log_row(row, over)
        self._close(summarise, exit_code)

    def _close(self, summarise: Callable[[wandb.Run], object], exit_code: int) -> None:
        self._guarded(summarise)
        self._guarded(lambda run: within(_FINISH_S, lambda: run.finish(exit_code=exit_code)))

    def _log_row(self, row: dict[str, Any], over: str) -> None:
        self._guarded(lambda run: self._logged(run, row, over))

    def _logged(self, run: wandb.Run, row: dict[str, Any], over: str) -> None:
        for name in row.keys() - self.defined:
            self.defined.add(name)
            if name == over:
                run.define_metric(over, hidden=True)
            else:
                run.define_metric(name, step_metric=over)  # no summary of its own: an agent reads the plain name
        run.log(row)

    def _check_service(self, run: wandb.Run) -> None:
        """One probe here saves the half minute that the client takes to give up."""
        if not run.offline and not answers(run.settings.base_url, busy_counts=True):
            raise ConnectionError("the service no longer answers")

    def _keep_links(self, trial: TrialRecord) -> None:
        """The trial's page is the page of each of its runs, unless one has its own."""
        if self._run is None or self._run.offline or not self._run.url:
            return
        for fingerprint in trial.runs:
            if link(self.directory, fingerprint) is None:
                keep_link(self.directory, fingerprint[:16], str(self._run.url))

    def _guarded(self, act: Callable[[wandb.Run], object]) -> None:
        if self.broken or self._run is None:
            return
        try:
            act(self._run)
        except Exception as trouble:  # noqa: BLE001 - a tracker never costs a trial
            self.broken = True
            abandon()
            _log.warning("W&B failed in mid-trial, the trial itself goes on: %s", without_secrets(trouble))


@dataclass(slots=True)
class _SeedObserver:
    """The loss of one seed, and its score on the way."""

    trial: TrialTracker
    name: str
    metric: str
    sampled: range = field(default=range(0), init=False)

    def started(self, total_steps: int) -> None:
        self.sampled = sampled_steps(total_steps)

    def stepped(self, step: int, loss: float, learning_rate: float) -> None:
        if step in self.sampled:
            row = {f"{self.name}/step": step, f"{self.name}/loss": loss, f"{self.name}/learning_rate": learning_rate}
            self.trial.log(row, over=f"{self.name}/step")

    def evaluated(self, step: int, score: float) -> None:
        self.trial.log({f"{self.name}/step": step, f"{self.name}/{self.metric}": score}, over=f"{self.name}/step")

    def finished(self, result: RunResult) -> None:
        """The trial puts its seeds together."""

    def failed(self, error: BaseException) -> None:
        """The trial tells it."""


def _summarise(run: wandb.Run, trial: TrialRecord, scores: Mapping[str, float]) -> None:
    if scores:
        run.log(dict(scores))
    facts = trial.model_dump(
        include={"contender", "state", "reason", "diverged", "tokens", "seconds", "runs"}, exclude_none=True
    )
    run.summary.update(
        {**facts, **{f"score/seed-{seed}": s for seed, s in zip(trial.seeds, trial.scores, strict=True)}}
    )
