"""A sweep in W&B: one run with its trials, its best so far, and what it compares."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertspec.results import ComparisonRecord, ContenderRecord, SweepRecord, TrialRecord
from bertspec.tracking.connection import abandon, within, without_secrets
from bertspec.tracking.wandb_runs import Mode, WandbTracker, data_folder

if TYPE_CHECKING:
    import wandb

__all__ = ["show_sweep"]

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
    "place from", "place to", "name", "mean", "low", "high", "seeds", "values", "collapsed", "tuned", "best trial",
    "trials", "tokens", "sensitivity", "steps to target", "tied with", "runs",
)  # fmt: skip


def show_sweep(sweep: SweepRecord, directory: Path, *, mode: Mode = "auto") -> None:
    """Log a sweep as one run of the job type ``sweep``; shown again, it takes the place of what was shown before.

    The run has the table ``trials``, the best score after each trial and, where something is compared, the tables
    ``ranking`` and ``sensitivity``. Whatever goes wrong costs one warning.

    Args:
        sweep: as far as it has come.
        directory: the tracking folder.
        mode: see :class:`WandbTracker`.
    """
    tracker, identity = WandbTracker(directory, mode=mode), f"sweep-{sweep.sha256[:10]}"
    tracker.settle(quiet=True)  # the runs of the sweep have told it
    opened = tracker.opened(_description(sweep), identity)
    if opened is not None and not _shown(opened, sweep):
        again = tracker.reopened(_description(sweep), identity)
        if again is not None:
            _shown(again, sweep)


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
    for row in _course(sweep):
        run.log(row)
    names = sorted({name for trial in sweep.trials for name in trial.parameters})
    run.log({"trials": _table((*_TRIAL, *names), (_trial_row(trial, names) for trial in sweep.trials))})
    states = [trial.state for trial in sweep.trials]
    run.summary.update({f"trials/{state}": states.count(state) for state in ("finished", "stopped", "failed")})
    if sweep.comparison is not None:
        _log_comparison(run, sweep.comparison)


def _log_comparison(run: wandb.Run, compared: ComparisonRecord) -> None:
    run.log({"ranking": _table(_CONTENDER, (_contender_row(each, compared) for each in compared.contenders))})
    curves = [(each.name, *point) for each in compared.contenders for point in each.curve]
    if curves:
        run.log({"sensitivity": _table(("contender", "learning rate", "score"), curves)})
    run.summary.update({"compared": compared.parameter, "unfair": list(compared.unfair)})


def _table(columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> wandb.Table:
    import wandb

    names: list[str | int] = [*columns]
    return wandb.Table(columns=names, data=[[*row] for row in rows], allow_mixed_types=True)


def _course(sweep: SweepRecord) -> Iterator[dict[str, Any]]:
    """The finished trials in their order, each with the best score so far."""
    better, best = max if sweep.goal == "maximize" else min, None
    for trial in sweep.trials:
        if trial.state == "finished" and trial.score is not None:
            best = trial.score if best is None else better(best, trial.score)
            yield {"trial": trial.number, "score": trial.score, "best": best}


def _trial_row(trial: TrialRecord, names: Iterable[str]) -> list[Any]:
    told = [trial.number, trial.contender, trial.state, trial.reason, trial.score, _listed(trial.seeds)]
    cost = [_listed(trial.scores), trial.diverged, trial.tokens, trial.seconds, _listed(run[:16] for run in trial.runs)]
    return [*told, *cost, *(trial.parameters.get(name) for name in names)]


def _contender_row(each: ContenderRecord, compared: ComparisonRecord) -> list[Any]:
    tied = [one if other == each.name else other for one, other in compared.ties if each.name in (one, other)]
    found = [*(each.ranks or (None, None)), each.name, each.mean, *(each.interval or (None, None))]
    seeds = [_listed(each.seeds), _listed(each.values), each.collapsed]
    tuning = [each.tuned, each.best, each.trials, each.tokens, each.sensitivity, _listed(each.steps_to)]
    return [*found, *seeds, *tuning, _listed(tied), _listed(run[:16] for run in each.runs)]


def _listed(values: Iterable[Any]) -> str:
    return ", ".join(f"{value:.6g}" if isinstance(value, float) else str(value) for value in values)
