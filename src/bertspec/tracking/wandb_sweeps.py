"""Sweeps in W&B: registered for its agents to run, and shown as one run with tables of trials and contenders.

A trial under an agent is one W&B run for all its seeds, where a study has one for each.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertspec.config import RunConfig
from bertspec.errors import SourceError, Unreachable
from bertspec.network import answers
from bertspec.results import ComparisonRecord, ContenderRecord, Point, RunObserver, SweepRecord, TrialRecord
from bertspec.tracking.connection import abandon, service_api, within, without_secrets
from bertspec.tracking.offline import keep_link, link
from bertspec.tracking.trackers import SilentObserver, SilentTracker
from bertspec.tracking.wandb_runs import PROJECT, Mode, WandbTracker, data_folder, sampled_steps

if TYPE_CHECKING:
    import wandb

__all__ = ["RegisteredSweep", "TrialTracker", "register", "show_sweep", "under_an_agent"]

_log = logging.getLogger("bertspec.tracking")

_FINISH_S = 30.0
_TRIAL = (
    "trial",
    "contender",
    "outcome",
    "reason",
    "score",
    "seeds",
    "scores",
    "diverged",
    "tokens",
    "seconds",
    "runs",
)
_CONTENDER = (
    "rank from", "rank to", "name", "mean", "low", "high", "seeds", "values", "collapsed", "tuned", "best trial",
    "trials", "tokens", "sensitivity", "steps to target", "tied with", "runs",
)  # fmt: skip
_PROGRAM = "bertspec"
_REGISTER_S = 15.0


@dataclass(frozen=True, slots=True)
class RegisteredSweep:
    """A sweep that is registered with W&B."""

    id: str
    entity: str
    project: str
    url: str
    """Its page."""

    @property
    def command(self) -> str:
        """The command that starts an agent, on each machine that takes part."""
        return f"wandb agent {self.entity}/{self.project}/{self.id}"


def register(config: Mapping[str, Any]) -> RegisteredSweep:
    """Register a sweep with W&B, and check that W&B has it.

    Args:
        config: the content of the sweep file. Without a command in it, agents run ``bertspec trial``.
            ``WANDB_ENTITY`` and ``WANDB_PROJECT`` override its ``entity`` and ``project``, as with W&B's own tools.

    Raises:
        Unreachable: the service does not answer.
        SourceError: W&B is switched off, there is no key, or the service refuses the sweep.
    """
    mode = os.environ.get("WANDB_MODE")
    if mode not in (None, "online"):
        raise SourceError("sweeps in W&B are online only", given=f"WANDB_MODE={mode}", allowed="WANDB_MODE=online")
    api = service_api()
    entity = os.environ.get("WANDB_ENTITY") or config.get("entity") or api.default_entity
    project = os.environ.get("WANDB_PROJECT") or config.get("project") or PROJECT
    content = {**config, "command": _command(config), "program": config.get("program") or _PROGRAM}
    registered: list[RegisteredSweep] = []
    try:
        within(_REGISTER_S, lambda: registered.append(_registered(api, content, entity=entity, project=project)))
    except TimeoutError as silence:
        abandon()
        raise Unreachable(f"W&B no longer answers: {silence}", allowed="the same command later") from None
    except Exception as refusal:  # noqa: BLE001 - the client raises what it likes
        abandon()
        raise SourceError(f"W&B does not accept the sweep: {without_secrets(refusal)}") from None
    return registered[0]


def show_sweep(sweep: SweepRecord, directory: Path, *, mode: Mode = "auto") -> None:
    """Log a sweep as one run of the job type ``sweep``; logged again, it replaces the earlier one.

    The run has the table ``trials``, the best score after each trial and, where something is compared, the tables
    ``ranking`` and ``sensitivity``. A failure costs one warning.

    Args:
        sweep: the sweep, finished or not.
        directory: the tracking folder.
        mode: see :class:`WandbTracker`.
    """
    tracker, identity = WandbTracker(directory, mode=mode), f"sweep-{sweep.sha256[:10]}"
    tracker.settle(quiet=True)  # the runs of the sweep have warned already
    opened = tracker.opened(_description(sweep), identity)
    if opened is not None and not _shown(opened, sweep):
        again = tracker.reopened(_description(sweep), identity)
        if again is not None:
            _shown(again, sweep)


def _command(config: Mapping[str, Any]) -> list[str]:
    """The file's own command, or ours, whose JSON keeps nested parameters and types."""
    if config.get("command"):
        return [*config["command"]]
    metric = config.get("metric") or {}
    scored = ["--metric", str(metric["name"])] if "name" in metric else []
    return ["${env}", "bertspec", "trial", *scored, "${args_json}"]


def _registered(api: Any, config: dict[str, Any], *, entity: str, project: str) -> RegisteredSweep:
    import wandb

    with _own_environment(), contextlib.redirect_stdout(io.StringIO()):  # it prints, and changes the environment
        name = wandb.sweep(config, entity=entity, project=project)
    return RegisteredSweep(name, entity, project, str(api.sweep(f"{entity}/{project}/{name}").url))


@contextlib.contextmanager
def _own_environment() -> Iterator[None]:
    """Leave the environment as it was."""
    before = {name: os.environ.get(name) for name in ("WANDB_ENTITY", "WANDB_PROJECT")}
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _shown(run: wandb.Run, sweep: SweepRecord) -> bool:
    try:
        with data_folder(Path(run.settings.wandb_dir) / "data"):
            within(_FINISH_S, lambda: _log_sweep(run, sweep))
        within(_FINISH_S, lambda: run.finish(exit_code=0))
    except Exception as trouble:  # noqa: BLE001 - a tracker never costs a sweep
        abandon()
        _log.warning("the sweep could not be logged to W&B: %s", without_secrets(trouble))
        return False
    return True


def _description(sweep: SweepRecord) -> dict[str, Any]:
    facts = {"sweep": sweep.name, "sha256": sweep.sha256, "method": sweep.method, "planned": sweep.planned}
    runs = [run for trial in sweep.trials for run in trial.runs]
    return {
        "name": sweep.name,
        "group": f"{sweep.name} · {sweep.sha256[:8]}",
        "job_type": "sweep",
        "tags": ["sweep", sweep.method],
        "config": {**facts, "metric": sweep.metric, "goal": sweep.goal, "runs": runs},
    }


def _log_sweep(run: wandb.Run, sweep: SweepRecord) -> None:
    run.define_metric("trial", hidden=True)
    for name in ("score", "best"):
        run.define_metric(name, step_metric="trial")
    for row in _best_so_far(sweep):
        run.log(row)
    names = sorted({name for trial in sweep.trials for name in trial.parameters})
    run.log({"trials": _table((*_TRIAL, *names), (_trial_row(trial, names) for trial in sweep.trials))})
    states = [trial.state for trial in sweep.trials]
    run.summary.update({f"trials/{state}": states.count(state) for state in ("finished", "stopped", "failed")})
    if sweep.comparison is not None:
        _log_comparison(run, sweep.comparison)


def _log_comparison(run: wandb.Run, comparison: ComparisonRecord) -> None:
    run.log({"ranking": _table(_CONTENDER, (_contender_row(each, comparison) for each in comparison.contenders))})
    curves = [(each.name, *point) for each in comparison.contenders for point in each.curve]
    if curves:
        run.log({"sensitivity": _table(("contender", "learning rate", "score"), curves)})
    run.summary.update({"compared": comparison.parameter, "unfair": list(comparison.unfair)})


def _table(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> wandb.Table:
    import wandb

    names: list[str | int] = [*columns]
    return wandb.Table(columns=names, data=[[*row] for row in rows], allow_mixed_types=True)


def _best_so_far(sweep: SweepRecord) -> Iterator[dict[str, Any]]:
    """The finished trials in their order, each with the best score until then."""
    better, best = max if sweep.goal == "maximize" else min, None
    for trial in sweep.trials:
        if trial.state == "finished" and trial.score is not None:
            best = trial.score if best is None else better(best, trial.score)
            yield {"trial": trial.number, "score": trial.score, "best": best}


def _trial_row(trial: TrialRecord, names: Iterable[str]) -> list[Any]:
    outcome = [trial.number, trial.contender, trial.state, trial.reason, trial.score, _listed(trial.seeds)]
    cost = [_listed(trial.scores), trial.diverged, trial.tokens, trial.seconds, _listed(run[:16] for run in trial.runs)]
    return [*outcome, *cost, *(trial.parameters.get(name) for name in names)]


def _contender_row(each: ContenderRecord, comparison: ComparisonRecord) -> list[Any]:
    tied = [one if other == each.name else other for one, other in comparison.ties if each.name in (one, other)]
    ranked = [*(each.ranks or (None, None)), each.name, each.mean, *(each.interval or (None, None))]
    seeds = [_listed(each.seeds), _listed(each.values), each.collapsed]
    tuning = [each.tuned, each.best, each.trials, each.tokens, each.sensitivity, _listed(each.steps_to)]
    return [*ranked, *seeds, *tuning, _listed(tied), _listed(run[:16] for run in each.runs)]


def _listed(values: Iterable[Any]) -> str:
    return ", ".join(f"{value:.6g}" if isinstance(value, float) else str(value) for value in values)


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
