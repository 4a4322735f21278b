"""Runs in W&B, online if there is a key and the service answers, otherwise in offline records; sessions as Reports.

A failure to log a run costs one warning and never the run.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import math
import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bertspec.config import RunConfig
from bertspec.errors import SourceError
from bertspec.network import answers
from bertspec.results import Curve, Outcomes, RunFacts, RunObserver, RunResult
from bertspec.sources import Sources, tables
from bertspec.statistics import Verdict
from bertspec.tracking.connection import abandon, connection, service_api, within, without_secrets
from bertspec.tracking.offline import keep_link
from bertspec.tracking.trackers import SilentObserver

if TYPE_CHECKING:
    import wandb

__all__ = ["PROJECT", "Mode", "WandbTracker", "data_folder", "publish", "sampled_steps"]

_log = logging.getLogger("bertspec.tracking")

PROJECT = "bertspec"
"""The project of the runs, unless WANDB_PROJECT names another."""

Mode = Literal["auto", "online", "offline", "disabled"]
Folder = Callable[[str], Path | None]
"""The folder of what a store holds of a run, by the run's fingerprint."""

_INIT_TIMEOUT_S = 5.0
_CLIENT_FINISH_S = 15.0
_CURVE_POINTS = 250
"""Points of a logged curve: a call to W&B takes about 0.5 ms. The store has the whole curve."""
_VERDICT = (
    "subject", "claim", "verdict", "value", "low", "high", "bound", "rule", "seeds", "spread", "spread source",
    "pass rates", "detectable drop", "reason", "bound source",
)  # fmt: skip
_TABLE_ROWS = 1_000
_LOG_S = 60.0
"""Limit for scores, predictions and artifacts. After it, a model of several gigabytes uploads in the background."""
_FINISH_S = 30.0
_ALERTS = 20
"""The most alerts of one session; the table has every FAIL."""


@dataclass(slots=True)
class WandbTracker:
    """Logs each run as a W&B run, grouped by study."""

    directory: Path
    """The folder for offline records and for everything else that the client writes."""
    mode: Mode = "auto"
    """``auto`` is online if there is a key and the service answers. ``WANDB_MODE`` takes precedence."""
    project: str = PROJECT
    runs: Folder | None = None
    """The folder of a finished run, to log as an artifact; ``None`` logs no runs."""
    models: Folder | None = None
    """The folder of a fine-tuned model, to log as an artifact; ``None`` logs no models."""
    sources: Sources | None = None
    """Where the texts of the predicted rows are; ``None`` shows predictions without texts."""
    _settled: Literal["online", "offline", "disabled"] | None = field(default=None, init=False)
    _url: str | None = field(default=None, init=False)
    _verdicts: list[tuple[str, Verdict]] = field(default_factory=list, init=False)

    def settle(self, *, quiet: bool = False) -> None:
        """Probe the service once, and warn if there is a key but no answer; ``quiet`` leaves out the warning."""
        if self._settled is not None:
            return
        settled = connection(self.mode)
        self._settled, self._url = settled.mode, settled.url
        if settled.surprising and not quiet:
            _log.warning("%s; runs are logged offline, and `bertspec sync` pushes them later", settled.reason)

    def observe(self, config: RunConfig, *, fingerprint: str) -> RunObserver:
        """Open the W&B run of one run. A run that is repeated replaces its W&B run."""
        description, identity = _description(config, fingerprint), fingerprint[:16]
        opened = self.opened(description, identity)
        if opened is None:
            return SilentObserver()
        folders = {"run": self.runs, "model": self.models}
        url = self._url if self._settled == "online" else None
        return _WandbObserver(
            opened,
            config,
            fingerprint,
            {kind: folder for kind, folder in folders.items() if folder is not None},
            reopen=lambda: self.reopened(description, identity),
            directory=self.directory,
            url=url,
            sources=self.sources,
        )

    def judged(self, subject: str, verdict: Verdict) -> None:
        """Keep a verdict for the end of the session."""
        self._verdicts.append((subject, verdict))

    def close(self) -> None:
        """Log the session's verdicts as one run, with an alert for each FAIL."""
        if not self._verdicts:
            return
        name = f"verdicts-{uuid.uuid4().hex[:12]}"
        opened = self.opened({"name": name, "job_type": "verdict", "tags": ["verdict"]}, name)
        if opened is not None:
            _log_verdicts(opened, self._verdicts)
        self._verdicts = []

    def opened(self, description: dict[str, Any], identity: str) -> wandb.Run | None:
        """Open a W&B run online, else offline. The first failure applies to all later runs."""
        self.settle()
        if self._settled == "online":
            opened = self._open(description, identity, "online")
            if opened is not None:
                return opened
            abandon()  # the client holds the run's id, and would refuse it offline
            self._settled = "offline"
        if self._settled == "offline":
            opened = self._open(description, identity, "offline")
            if opened is not None:
                return opened
            self._settled = "disabled"
        return None

    def reopened(self, description: dict[str, Any], identity: str) -> wandb.Run | None:
        """Open a run again offline, after the service failed during it. All later runs are offline, too."""
        if self._settled != "online":
            return None
        self._settled = "offline"
        return self.opened(description, identity)

    def _open(self, description: dict[str, Any], identity: str, mode: Literal["online", "offline"]) -> wandb.Run | None:
        try:
            import wandb

            self.directory.mkdir(parents=True, exist_ok=True)
            with data_folder(self.directory / "data"):
                return wandb.init(
                    mode=mode,
                    dir=self.directory,
                    project=os.environ.get("WANDB_PROJECT", self.project),
                    id=identity,
                    reinit="create_new",
                    settings=_settings(wandb),
                    **description,
                )
        except Exception as error:  # noqa: BLE001 - a tracker never costs a run
            _log.warning("W&B (%s) is not available: %s", mode, without_secrets(error))
            return None


def sampled_steps(total: int) -> range:
    """The steps, from 1, whose loss is logged: up to 250, evenly spaced from the first."""
    return range(1, total + 1, max(1, math.ceil(total / _CURVE_POINTS)))


@contextlib.contextmanager
def data_folder(folder: Path) -> Iterator[None]:
    """Stage artifacts in our own folder, which the client reads from the environment only.

    In its default folder, artifacts of an offline run could be gone before the run is synced.
    """
    before = os.environ.get("WANDB_DATA_DIR")
    os.environ["WANDB_DATA_DIR"] = before or str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["WANDB_DATA_DIR"]


def _settings(wandb: Any) -> Any:
    return wandb.Settings(
        init_timeout=_INIT_TIMEOUT_S,
        finish_timeout=_CLIENT_FINISH_S,
        finish_timeout_raises=True,
        x_service_wait=30,
        silent=True,
        console="off",
        disable_git=True,
        save_code=False,
        x_disable_machine_info=True,
        x_disable_meta=True,
        x_disable_stats=True,
        x_save_requirements=False,
    )


def _description(config: RunConfig, fingerprint: str) -> dict[str, Any]:
    optimizer = config.recipe.optimizer.word
    study = hashlib.sha256(config.model_dump_json(exclude={"seed"}).encode()).hexdigest()[:8]
    start = "from scratch" if config.encoder.from_scratch else "pretrained"
    return {
        "name": f"{config.encoder.name} · {config.task.name} · {optimizer} · seed {config.seed}",
        "group": f"{config.encoder.name} · {config.task.name} · {optimizer} · {study}",
        "job_type": "train",
        "tags": [tag[:64] for tag in (config.encoder.name, config.task.name, optimizer, start)],
        "config": {**config.model_dump(mode="json"), "fingerprint": fingerprint},
    }


@dataclass(slots=True)
class _WandbObserver:
    """Logs one run; the first error ends the logging with one warning."""

    run: wandb.Run
    config: RunConfig
    fingerprint: str
    folders: Mapping[str, Folder]
    """Kind of artifact → its folder, if it exists at the end of the run."""
    reopen: Callable[[], wandb.Run | None]
    """Opens the same run in an offline record, after the service has failed."""
    directory: Path
    """The tracking folder."""
    url: str | None = None
    """The address of the service, if the run is logged online."""
    sources: Sources | None = None
    """Where the texts of the predicted rows are."""
    steps: range = field(default=range(0))
    broken: bool = field(default=False)

    def started(self, total_steps: int) -> None:
        """Choose the steps to log."""
        self.steps = sampled_steps(total_steps)
        self._guarded(self._define)

    def _define(self) -> None:
        self.run.define_metric("training/step", hidden=True)
        self.run.define_metric("training/*", step_metric="training/step", summary="last")
        self.run.define_metric(self._score, step_metric="training/step", summary="last")

    @property
    def _score(self) -> str:
        """The name of the main metric, the same during training and at the end, so that sweeps see both."""
        return f"evaluation/{self.config.task.metrics[0]}"

    def stepped(self, step: int, loss: float, learning_rate: float) -> None:
        """Log a sampled step."""
        if step in self.steps:
            row = {"training/step": step, "training/loss": loss, "training/learning_rate": learning_rate}
            self._guarded(lambda: self.run.log(row))

    def evaluated(self, step: int, score: float) -> None:
        """Log each evaluation of the main metric."""
        self._guarded(lambda: self.run.log({"training/step": step, self._score: score}))

    def finished(self, result: RunResult) -> None:
        """Log scores, predictions and the run folder, and raise an alert if the model collapsed.

        If the service has failed, the whole run is logged again offline, for ``bertspec sync``.
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
        """A probe, because the client takes half a minute to give up."""
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
                **{f"evaluation/{name}": value for name, value in facts.scores.items() if not math.isnan(value)},
                **{f"timings/{name}": value for name, value in facts.timings.model_dump().items()},
                "peak_memory_bytes": facts.peak_memory_bytes,
                "steps": facts.steps,
                **({} if facts.diverged is None else {"diverged": facts.diverged}),
                **({} if facts.stopped is None else {"state": "stopped", "reason": facts.stopped}),
            }
        )
        for name, value in facts.model_dump(mode="json", include={"environment", "provenance"}).items():
            self.run.config[name] = value
        if facts.stopped is None:
            self._report_collapse(result.outcomes)
        with data_folder(Path(self.run.settings.wandb_dir) / "data"):
            self.run.log({"evaluation/predictions": self._predictions(result), **self._confusion(result.outcomes)})
            self._log_artifacts(facts)

    def _predictions(self, result: RunResult) -> wandb.Table:
        """The first 1,000 rows: texts, reference, prediction and outputs."""
        import wandb

        task, outcomes, sha256 = self.config.task, result.outcomes, result.facts.provenance.data.sha256
        texts = tables.texts(task, self.sources, sha256=sha256) if self.sources is not None else None
        text_columns = [name for name in (task.text, task.text_pair) if name is not None] if texts is not None else []
        head = task.task_head
        columns: list[str | int] = ["row", *text_columns, "reference", "prediction", *head.output_names]
        rows = zip(outcomes.references.tolist(), outcomes.predictions.tolist(), outcomes.outputs.tolist(), strict=True)
        data = [
            [row, *(texts[row] if texts is not None else ()), head.shown(reference), head.shown(prediction), *values]
            for row, (reference, prediction, values) in enumerate(islice(rows, _TABLE_ROWS))
        ]
        return wandb.Table(columns=columns, data=data)

    def _confusion(self, outcomes: Outcomes) -> dict[str, Any]:
        """A confusion matrix, where the head has one."""
        import wandb

        if not outcomes.head.confusion(outcomes.references, outcomes.predictions[None]):
            return {}
        truth, predicted = ([int(one) for one in side] for side in (outcomes.references, outcomes.predictions))
        names = list(outcomes.head.class_names)
        return {"evaluation/confusion": wandb.plot.confusion_matrix(y_true=truth, preds=predicted, class_names=names)}

    def _log_artifacts(self, facts: RunFacts) -> None:
        import wandb

        scores = {name: None if math.isnan(score) else score for name, score in facts.scores.items()}
        for kind, folder_of in self.folders.items():
            folder = folder_of(self.fingerprint)
            if folder is not None and folder.is_dir() and not folder.is_symlink():
                artifact = wandb.Artifact(f"{kind}-{folder.name[:16]}", type=kind, metadata=scores)
                for file in sorted(folder.rglob("*")):  # not add_dir, which prints to the terminal
                    if file.is_file() and not file.is_symlink():  # a planted link would upload its target
                        artifact.add_file(str(file), name=file.relative_to(folder).as_posix())
                self.run.log_artifact(artifact, aliases=["latest", f"seed-{facts.seed}"])

    def _report_collapse(self, outcomes: Outcomes) -> None:
        """Mark a collapse, with an alert unless the task was sabotaged on purpose."""
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
        except Exception as error:  # noqa: BLE001 - a tracker never costs a run
            self.broken = True
            abandon()
            _log.warning("W&B failed in mid-run, the run itself goes on: %s", without_secrets(error))


def _log_verdicts(run: wandb.Run, verdicts: Sequence[tuple[str, Verdict]]) -> None:
    """Log the verdicts of a session as one table, and raise an alert for each FAIL."""
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
    except Exception as error:  # noqa: BLE001 - a tracker never costs a run
        abandon()
        _log.warning("the verdicts could not be logged to W&B: %s", without_secrets(error))


def _row(subject: str, v: Verdict) -> list[Any]:
    spread = (v.spread.std_upper, v.spread.source) if v.spread else (None, None)
    interval, seeds = v.interval or (None, None), ", ".join(f"{value:.6g}" for value in v.values)
    judged = [subject, str(v.claim), v.outcome, v.value, *interval, v.claim.bound, v.rule, seeds, *spread]
    return [*judged, v.pass_rates, v.detectable_drop, v.reason, v.claim.source]


def publish(title: str, text: str, *, fingerprints: Sequence[str], metrics: Sequence[str]) -> str:
    """Write a session as a W&B Report into the project of the runs: its claims as text, the runs as charts.

    Args:
        title: its heading.
        text: Markdown, escaped.
        fingerprints: the runs to chart, grouped by study; runs that were never logged online are left out.
        metrics: the scores to chart.

    Returns:
        Its address for a browser.

    Raises:
        Unreachable: the service does not answer.
        SourceError: there is no key, the service refuses, or wandb-workspaces is not installed.
    """
    try:
        from wandb_workspaces import expr
        from wandb_workspaces.reports import v2
    except ImportError as missing:
        raise SourceError(
            "W&B Reports need the package wandb-workspaces", allowed="pip install 'bertspec[wandb-report]'"
        ) from missing
    reports: Any = v2  # it exports by star
    entity = service_api().default_entity
    project = os.environ.get("WANDB_PROJECT", PROJECT)
    chosen = [expr.Config("fingerprint").isin(list(fingerprints))]
    runs = reports.Runset(entity=entity, project=project, name="by study", filters=chosen, groupby=["group"])
    loss = reports.LinePlot(title="Training loss", x="training/step", y=["training/loss"])
    scores = [reports.BarPlot(title=name, metrics=[f"evaluation/{name}"]) for name in metrics]
    blocks = [reports.MarkdownBlock(text=text), reports.PanelGrid(runsets=[runs], panels=[loss, *scores])]
    report = reports.Report(entity=entity, project=project, title=title, blocks=blocks, width="fluid")
    try:
        report.save()
    except Exception as refusal:  # noqa: BLE001 - the client raises errors of many types
        raise SourceError(f"W&B refuses the report: {without_secrets(refusal)}") from None
    return str(report.url)
