"""What one run leaves in W&B: its curve, its scores, its predictions, its folder; and what its session judged."""

from __future__ import annotations

import contextlib
import logging
import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bertspec.config import RunConfig
from bertspec.network import answers
from bertspec.results import Curve, Outcomes, RunFacts, RunResult
from bertspec.sources import tables
from bertspec.sources.locations import Locations
from bertspec.statistics import Verdict
from bertspec.tracking.connection import abandon, within, without_secrets
from bertspec.tracking.offline import keep_link

if TYPE_CHECKING:
    import wandb

__all__ = ["WandbObserver", "data_folder", "log_verdicts", "sampled_steps"]

_log = logging.getLogger("bertspec.tracking")

_CURVE_POINTS = 250
"""A call to W&B costs about half a millisecond; the whole curve is in the store."""
_VERDICT = (
    "subject", "claim", "verdict", "value", "low", "high", "bound", "rule", "seeds", "spread", "spread source",
    "pass_rates", "detectable_drop", "reason", "bound source",
)  # fmt: skip
_TABLE_ROWS = 1_000
_LOG_S = 60.0
"""For scores, predictions and artifacts: a model may have gigabytes, and goes at its own pace after this."""
_FINISH_S = 30.0
_ALERTS = 20
"""A session that fails in more than so many ways is told by its table."""


def sampled_steps(total: int) -> range:
    """The steps (from 1) whose loss is logged: at most 250 of them, evenly spaced from the first."""
    return range(1, total + 1, max(1, math.ceil(total / _CURVE_POINTS)))


@dataclass(slots=True)
class WandbObserver:
    """Logs one run; the first trouble ends it, with one warning."""

    run: wandb.Run
    config: RunConfig
    folders: Mapping[str, Path]
    """Kind of artifact → the folder that holds it, if it is there when the run has ended."""
    reopen: Callable[[], wandb.Run | None]
    """Open the same run in an offline record, for a service that failed on the way."""
    directory: Path
    """The tracking folder."""
    url: str | None = None
    """The service, where the run is logged online."""
    locations: Locations | None = None
    """Where the texts of the predicted rows are."""
    steps: range = field(default=range(0))
    broken: bool = field(default=False)

    def started(self, total_steps: int) -> None:
        """Settle which steps are logged."""
        self.steps = sampled_steps(total_steps)
        self._guarded(self._define)

    def _define(self) -> None:
        self.run.define_metric("training/step", hidden=True)
        self.run.define_metric("training/*", step_metric="training/step", summary="last")
        self.run.define_metric(self._score, step_metric="training/step", summary="last")

    @property
    def _score(self) -> str:
        """The name of the main metric, while training as at the end: a sweep that watches it sees both."""
        return f"evaluation/{self.config.task.metrics[0]}"

    def stepped(self, step: int, loss: float, learning_rate: float) -> None:
        """Log a sampled step."""
        if step in self.steps:
            row = {"training/step": step, "training/loss": loss, "training/learning_rate": learning_rate}
            self._guarded(lambda: self.run.log(row))

    def evaluated(self, step: int, score: float) -> None:
        """Log every look at the main metric."""
        self._guarded(lambda: self.run.log({"training/step": step, self._score: score}))

    def finished(self, result: RunResult) -> None:
        """Log scores, predictions, the run folder, and an alert where the model collapsed.

        If the service failed on the way, the whole run is logged again, offline, for a sync to push.
        """
        self._end(result)
        if not self.broken:
            return
        again = self.reopen()
        if again is not None:
            self.run, self.broken, self.url = again, False, None
            self._log_curve(result.curve)
            self._end(result)

    def _end(self, result: RunResult) -> None:
        self._guarded(self._check_service)
        self._guarded(lambda: within(_LOG_S, lambda: self._log_result(result)))
        self._guarded(lambda: within(_FINISH_S, lambda: self.run.finish(exit_code=0)))
        if self.url is not None and self.run.url:
            self._guarded(lambda: keep_link(self.directory, self.run.id, str(self.run.url)))

    def _check_service(self) -> None:
        """One probe here saves the half minute that the client takes to give up."""
        if self.url is not None and not answers(self.url, busy_counts=True):
            raise ConnectionError(f"{self.url} no longer answers")

    def _log_curve(self, curve: Curve) -> None:
        self.started(len(curve.loss))
        for step in self.steps:
            self.stepped(step, float(curve.loss[step - 1]), float(curve.learning_rate[step - 1]))
        for step, score in zip(curve.evaluated, curve.score, strict=True):
            self.evaluated(int(step), float(score))

    def failed(self, error: BaseException) -> None:
        """Log why there is no result."""
        self._guarded(lambda: self._summarise({"error": without_secrets(f"{type(error).__name__}: {error}")}))
        self._guarded(lambda: within(_FINISH_S, lambda: self.run.finish(exit_code=1)))

    def _log_result(self, result: RunResult) -> None:
        facts = result.facts
        self._summarise(
            {
                **{f"evaluation/{name}": value for name, value in facts.scores.items()},
                **{f"timings/{name}": value for name, value in facts.timings.model_dump().items()},
                "peak_memory_bytes": facts.peak_memory_bytes,
                "steps": facts.steps,
                **({} if facts.diverged is None else {"diverged": facts.diverged}),
            }
        )
        for name, value in facts.model_dump(mode="json", include={"environment", "provenance"}).items():
            self.run.config[name] = value
        self._tell_collapse(result.outcomes)
        with data_folder(Path(self.run.settings.wandb_dir) / "data"):
            self.run.log({"evaluation/predictions": self._predictions(result), **self._confusion(result.outcomes)})
            self._log_artifacts(facts)

    def _predictions(self, result: RunResult) -> wandb.Table:
        """The first rows: what was read, what is right, what was said, and how sure."""
        import wandb

        task, outcomes, sha256 = self.config.task, result.outcomes, result.facts.provenance.data.sha256
        read = tables.texts(task, self.locations, sha256=sha256) if self.locations is not None else None
        texts = [name for name in (task.text, task.text_pair) if name is not None] if read is not None else []
        head = task.task_head
        columns: list[str | int] = ["row", *texts, "reference", "prediction", *head.output_names]
        said = zip(outcomes.references.tolist(), outcomes.predictions.tolist(), outcomes.outputs.tolist(), strict=True)
        data = [
            [row, *(read[row] if read is not None else ()), head.shown(reference), head.shown(prediction), *given]
            for row, (reference, prediction, given) in enumerate(islice(said, _TABLE_ROWS))
        ]
        return wandb.Table(columns=columns, data=data)

    def _confusion(self, outcomes: Outcomes) -> dict[str, Any]:
        """A confusion matrix, where the head has one."""
        import wandb

        if not outcomes.head.confusion(outcomes.references, outcomes.predictions[None]):
            return {}
        truth, said = ([int(one) for one in side] for side in (outcomes.references, outcomes.predictions))
        names = list(outcomes.head.class_names)
        return {"evaluation/confusion": wandb.plot.confusion_matrix(y_true=truth, preds=said, class_names=names)}

    def _log_artifacts(self, facts: RunFacts) -> None:
        import wandb

        for kind, folder in self.folders.items():
            if folder.is_dir():
                artifact = wandb.Artifact(f"{kind}-{folder.name[:16]}", type=kind, metadata=facts.scores)
                for file in sorted(folder.rglob("*")):  # add_dir would do, and write to the terminal that it does
                    if file.is_file():
                        artifact.add_file(str(file), name=file.relative_to(folder).as_posix())
                self.run.log_artifact(artifact, aliases=["latest", f"seed-{facts.seed}"])

    def _tell_collapse(self, outcomes: Outcomes) -> None:
        """Labels that were shuffled on purpose teach nothing, and nobody needs to be told."""
        task = self.config.task
        if not outcomes.collapsed:
            return
        self._summarise({"evaluation/collapsed": True})
        if task.sabotage is None:
            self.run.alert(
                title=f"{self.config.encoder.name} collapsed on {task.name}",
                text=f"Seed {self.config.seed} learned nothing: {outcomes.head.collapse}.",
                level="WARN",
            )

    def _summarise(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            self.run.summary[name] = value

    def _guarded(self, act: Callable[[], object]) -> None:
        if self.broken:
            return
        try:
            act()
        except Exception as trouble:  # noqa: BLE001 - a tracker never costs a run
            self.broken = True
            abandon()
            _log.warning("W&B failed in mid-run, the run itself goes on: %s", without_secrets(trouble))


def log_verdicts(run: wandb.Run, verdicts: Sequence[tuple[str, Verdict]]) -> None:
    """Log what a session judged, as one table, and raise an alert for each FAIL."""
    columns: list[str | int] = [*_VERDICT]
    data = [_row(subject, v) for subject, v in verdicts]
    failed = [(subject, v) for subject, v in verdicts if v.outcome == "FAIL"]
    try:
        import wandb

        with data_folder(Path(run.settings.wandb_dir) / "data"):
            run.log({"verdicts": wandb.Table(columns=columns, data=data)})
        for outcome in ("PASS", "FAIL", "UNDECIDED"):
            run.summary[f"verdicts/{outcome}"] = sum(v.outcome == outcome for _, v in verdicts)
        for subject, v in failed[:_ALERTS]:
            run.alert(title=f"FAIL: {subject}"[:60], text=str(v), level="WARN", wait_duration=0)
        within(_FINISH_S, lambda: run.finish(exit_code=0))
    except Exception as trouble:  # noqa: BLE001 - a tracker never costs a run
        abandon()
        _log.warning("the verdicts could not be logged to W&B: %s", without_secrets(trouble))


def _row(subject: str, v: Verdict) -> list[Any]:
    spread = (v.spread.std_upper, v.spread.source) if v.spread else (None, None)
    interval, seeds = v.interval or (None, None), ", ".join(f"{value:.6g}" for value in v.values)
    judged = [subject, str(v.claim), v.outcome, v.value, *interval, v.claim.bound, v.rule, seeds, *spread]
    return [*judged, v.pass_rates, v.detectable_drop, v.reason, v.claim.source]


@contextlib.contextmanager
def data_folder(folder: Path) -> Iterator[None]:
    """Stage artifacts below our own folder: the client reads that from the environment alone.

    Left in its default place, they would not be there when a run that was logged offline is synced.
    """
    before = os.environ.get("WANDB_DATA_DIR")
    os.environ["WANDB_DATA_DIR"] = before or str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["WANDB_DATA_DIR"]
