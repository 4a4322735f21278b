"""The W&B run of a trial under a W&B agent: one run for all its seeds, where a study has one for each."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertspec.config import RunConfig
from bertspec.network import answers
from bertspec.results import Point, RunObserver, TrialRecord
from bertspec.tracking.connection import abandon, within, without_secrets
from bertspec.tracking.offline import keep_link, link
from bertspec.tracking.trackers import SilentObserver, SilentTracker
from bertspec.tracking.wandb_runs import WandbTracker, sampled_steps

if TYPE_CHECKING:
    import wandb

__all__ = ["TrialTracker", "under_an_agent"]

_log = logging.getLogger("bertspec.tracking")

_FINISH_S = 30.0


def under_an_agent() -> bool:
    """Whether a W&B agent started this process to run one trial of a sweep."""
    return bool(os.environ.get("WANDB_SWEEP_ID") and os.environ.get("WANDB_RUN_ID"))


@dataclass(slots=True)
class TrialTracker(SilentTracker):
    """Logs one trial to the W&B run that its agent created; the first failure ends that with one warning.

    If the service fails during the trial, the trial is logged again offline, for ``bertspec sync``.
    """

    directory: Path
    """The tracking folder."""
    parameters: Mapping[str, Any]
    """The parameters that the agent gave."""
    rows: list[tuple[dict[str, Any], str]] = field(default_factory=list, init=False)
    """The rows logged so far, to log again offline if the service fails."""
    defined: set[str] = field(default_factory=set, init=False)
    """The metrics whose step metric W&B knows."""
    broken: bool = field(default=False, init=False)
    _wandb: WandbTracker = field(init=False)
    _run: wandb.Run | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._wandb = WandbTracker(self.directory)

    def settle(self) -> None:
        """Open the run. W&B's client reads its id, sweep and parameters from the environment."""
        if self._run is None and not self.broken:
            self._run = self._wandb.opened(self._description, os.environ["WANDB_RUN_ID"])
            self.broken = self._run is None

    @property
    def _description(self) -> dict[str, Any]:
        return {"job_type": "trial", "tags": ["trial"], "config": dict(self.parameters)}

    def observe(self, config: RunConfig, *, fingerprint: str) -> RunObserver:
        """The observer of the run of one seed; its loss is drawn over its own steps."""
        del fingerprint
        return _SeedObserver(self, f"seed-{config.seed}", config.task.metrics[0])

    def evaluated(self, point: Point, metric: str) -> None:
        """Log an evaluation during training under the metric's plain name, where W&B's early stopping reads it."""
        self.log({"step": point.step, metric: point.value}, over="step")

    def log(self, row: dict[str, Any], *, over: str) -> None:
        """Log one row, with one of its values as the step."""
        self.settle()
        self.rows.append((row, over))
        self._log_row(row, over)

    def finished(self, trial: TrialRecord, scores: Mapping[str, float]) -> None:
        """Log the outcome, each score under its plain name, and end the run; a failed trial is a failed run.

        Args:
            trial: the outcome.
            scores: metric → the mean over its seeds; empty if the trial failed.
        """
        code = 1 if trial.state == "failed" else 0
        self._end(lambda run: _summarise(run, trial, scores), code)
        self._keep_links(trial)

    def failed(self, error: BaseException) -> None:
        """Log the error, and end the run as a failed one."""
        self._end_early("failed", without_secrets(f"{type(error).__name__}: {error}"), exit_code=1)

    def stopped(self, reason: str) -> None:
        """End the run of a trial that W&B's early stopping gave up: it did not fail."""
        self._end_early("stopped", reason, exit_code=0)

    def interrupted(self) -> None:
        """End the run of a trial that a user interrupted."""
        self._end_early("stopped", "interrupted", exit_code=130)

    def _end_early(self, state: str, reason: str, *, exit_code: int) -> None:
        self._end(lambda run: run.summary.update({"state": state, "reason": reason}), exit_code)

    def _end(self, summarise: Callable[[wandb.Run], object], exit_code: int) -> None:
        self.settle()
        self._guarded(self._check_service)
        self._close(summarise, exit_code)
        if not self.broken:
            return
        self._run = self._wandb.reopened(self._description, os.environ["WANDB_RUN_ID"])
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
                run.define_metric(name, step_metric=over)  # no summary of its own: W&B reads the plain name
        run.log(row)

    def _check_service(self, run: wandb.Run) -> None:
        """One probe, because the client takes half a minute to give up."""
        if not run.offline and not answers(run.settings.base_url, busy_counts=True):
            raise ConnectionError("the service no longer answers")

    def _keep_links(self, trial: TrialRecord) -> None:
        """Link each run to the page of the trial, unless it has a page of its own."""
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
            _log.warning("W&B failed during the trial; the trial itself goes on: %s", without_secrets(trouble))


@dataclass(slots=True)
class _SeedObserver(SilentObserver):
    """Logs the loss of one seed, and its score during training."""

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


def _summarise(run: wandb.Run, trial: TrialRecord, scores: Mapping[str, float]) -> None:
    if scores:
        run.log(dict(scores))
    facts = trial.model_dump(
        include={"contender", "state", "reason", "diverged", "tokens", "seconds", "runs"}, exclude_none=True
    )
    run.summary.update(
        {**facts, **{f"score/seed-{seed}": s for seed, s in zip(trial.seeds, trial.scores, strict=True)}}
    )
