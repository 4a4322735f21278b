"""Runs in Weights & Biases: online where there is a key and the service answers, else in offline records.

Whatever goes wrong here costs one warning and never a run.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import math
import os
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bertspec.result import RunObserver, RunResult
from bertspec.spec import RunSpec
from bertspec.tracking.observers import SilentObserver

if TYPE_CHECKING:
    import wandb

__all__ = ["WandbTracker", "sampled_steps"]

_log = logging.getLogger("bertspec.tracking")

_PROBE_S = 2.0
_TIMEOUT_S = 5.0
_CURVE_POINTS = 250
"""A call to W&B costs about half a millisecond; the whole curve is in the store."""
_TABLE_ROWS = 1_000

Mode = Literal["auto", "online", "offline", "disabled"]


def sampled_steps(total: int) -> range:
    """The steps (from 1) whose loss is logged: at most 250 of them, evenly spaced from the first."""
    return range(1, total + 1, max(1, math.ceil(total / _CURVE_POINTS)))


@dataclass(slots=True)
class WandbTracker:
    """One W&B run for every run, grouped by study."""

    directory: Path
    """The folder of the offline records, and of all else that the client writes."""
    mode: Mode = "auto"
    """``auto`` is online where there is a key and the service answers; ``WANDB_MODE`` wins over it."""
    project: str = "bertspec"
    _settled: Literal["online", "offline", "disabled"] | None = field(default=None, init=False)

    def observe(self, spec: RunSpec, *, fingerprint: str) -> RunObserver:
        """Open the W&B run of one run."""
        if self._settled is None:
            self._settled = self._settle()
        if self._settled == "disabled":
            return SilentObserver()
        opened = self._open(spec, fingerprint, self._settled)
        if opened is None and self._settled == "online":
            self._settled = "offline"
            opened = self._open(spec, fingerprint, "offline")
        if opened is None:
            self._settled = "disabled"
            return SilentObserver()
        return _WandbObserver(opened, spec)

    def close(self) -> None:
        """Every run was closed by its observer."""

    def _settle(self) -> Literal["online", "offline", "disabled"]:
        mode = os.environ.get("WANDB_MODE", self.mode)
        if mode == "dryrun":
            mode = "offline"
        if mode in ("online", "offline", "disabled"):
            return mode  # type: ignore[return-value]
        return "online" if _online_possible() else "offline"

    def _open(self, spec: RunSpec, fingerprint: str, mode: Literal["online", "offline"]) -> wandb.Run | None:
        try:
            import wandb

            self.directory.mkdir(parents=True, exist_ok=True)
            with _environment("WANDB_DATA_DIR", str(self.directory / "data")):
                return wandb.init(
                    mode=mode,
                    dir=self.directory,
                    project=os.environ.get("WANDB_PROJECT", self.project),
                    id=fingerprint[:16],
                    resume="allow" if mode == "online" else None,
                    reinit="create_new",
                    settings=_settings(wandb),
                    **_description(spec, fingerprint),
                )
        except Exception as trouble:  # noqa: BLE001 - a tracker never costs a run
            _log.warning("W&B (%s) is not available: %s", mode, trouble)
            return None


def _settings(wandb: Any) -> Any:
    return wandb.Settings(
        init_timeout=_TIMEOUT_S,
        finish_timeout=_TIMEOUT_S,
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


def _description(spec: RunSpec, fingerprint: str) -> dict[str, Any]:
    optimizer = spec.recipe.optimizer.algorithm
    study = hashlib.sha256(spec.model_dump_json(exclude={"seed"}).encode()).hexdigest()[:8]
    start = "from scratch" if spec.encoder.from_scratch else "pretrained"
    return {
        "name": f"{spec.encoder.name} · {spec.task.name} · {optimizer} · seed {spec.seed}",
        "group": f"{spec.encoder.name} · {spec.task.name} · {optimizer} · {study}",
        "job_type": "train",
        "tags": [tag[:64] for tag in (spec.encoder.name, spec.task.name, optimizer, start)],
        "config": {**spec.model_dump(mode="json"), "fingerprint": fingerprint},
    }


def _online_possible() -> bool:
    """A key is at hand, and the service answers one request."""
    try:
        import requests
        import wandb

        url = wandb.setup().settings.base_url
        if not os.environ.get("WANDB_API_KEY") and requests.utils.get_netrc_auth(url) is None:
            return False
    except Exception as trouble:  # noqa: BLE001 - a tracker never costs a run
        _log.warning("W&B's settings cannot be read, runs are logged offline: %s", trouble)
        return False
    if not _answers(url):
        _log.warning("W&B at %s does not answer within %g s; runs are logged offline", url, _PROBE_S)
        return False
    return True


def _answers(url: str) -> bool:
    answered = threading.Event()

    def ask() -> None:
        request = urllib.request.Request(url, method="HEAD")  # noqa: S310 - the user's own endpoint
        try:
            with urllib.request.build_opener().open(request, timeout=_PROBE_S):
                answered.set()
        except urllib.error.HTTPError as refusal:
            if refusal.code < 500:
                answered.set()
        except (OSError, ValueError):
            return

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(_PROBE_S)
    return answered.is_set()


@contextlib.contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    """The client reads its data folder from the environment alone."""
    before = os.environ.get(name)
    os.environ[name] = before or value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]


@dataclass(slots=True)
class _WandbObserver:
    run: wandb.Run
    spec: RunSpec
    steps: range = field(default=range(0))
    broken: bool = field(default=False)

    def started(self, total_steps: int) -> None:
        self.steps = sampled_steps(total_steps)
        self._guarded(self._define)

    def _define(self) -> None:
        self.run.define_metric("training/step", hidden=True)
        self.run.define_metric("training/*", step_metric="training/step", summary="last")

    def stepped(self, step: int, loss: float, learning_rate: float) -> None:
        if step in self.steps:
            row = {"training/step": step, "training/loss": loss, "training/learning_rate": learning_rate}
            self._guarded(lambda: self.run.log(row))

    def finished(self, result: RunResult) -> None:
        self._guarded(lambda: self._log_result(result))
        self._guarded(lambda: self.run.finish(exit_code=0))

    def failed(self, error: BaseException) -> None:
        self._guarded(lambda: self._summarise({"error": f"{type(error).__name__}: {error}"}))
        self._guarded(lambda: self.run.finish(exit_code=1))

    def _log_result(self, result: RunResult) -> None:
        import wandb

        facts, outcomes = result.facts, result.outcomes
        columns: list[str | int] = [
            "row",
            "reference",
            "prediction",
            *(f"output {i}" for i in range(outcomes.outputs.shape[1])),
        ]
        rows = zip(outcomes.references.tolist(), outcomes.predictions.tolist(), outcomes.outputs.tolist(), strict=True)
        data = [[i, reference, prediction, *outputs] for i, (reference, prediction, outputs) in enumerate(rows)]
        with _environment("WANDB_DATA_DIR", str(Path(self.run.settings.wandb_dir) / "data")):
            self.run.log({"evaluation/predictions": wandb.Table(columns=columns, data=data[:_TABLE_ROWS])})
        self._summarise(
            {
                **{f"evaluation/{name}": value for name, value in facts.scores.items()},
                **{f"timings/{name}": value for name, value in facts.timings.model_dump().items()},
                "peak_memory_bytes": facts.peak_memory_bytes,
                "steps": facts.steps,
            }
        )
        for name, value in facts.model_dump(mode="json", include={"environment", "provenance"}).items():
            self.run.config[name] = value

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
            _log.warning("W&B failed in mid-run, the run itself goes on: %s", trouble)
