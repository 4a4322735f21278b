"""Runs in Weights & Biases: online where there is a key and the service answers, else in offline records.

Whatever goes wrong here costs one warning and never a run.
"""

from __future__ import annotations

import hashlib
import logging
import os
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bertspec.config import RunConfig
from bertspec.results import RunObserver
from bertspec.sources.locations import Locations
from bertspec.statistics import Verdict
from bertspec.tracking.connection import abandon, connection, without_secrets
from bertspec.tracking.trackers import SilentObserver
from bertspec.tracking.wandb_observer import WandbObserver, data_folder, log_verdicts, sampled_steps

if TYPE_CHECKING:
    import wandb

__all__ = ["PROJECT", "WandbTracker", "sampled_steps"]

_log = logging.getLogger("bertspec.tracking")

PROJECT = "bertspec"
"""Where runs go, unless WANDB_PROJECT says otherwise."""

_TIMEOUT_S = 5.0
_FINISH_S = 15.0

Mode = Literal["auto", "online", "offline", "disabled"]


@dataclass(slots=True)
class WandbTracker:
    """One W&B run for every run, grouped by study."""

    directory: Path
    """The folder of the offline records, and of all else that the client writes."""
    mode: Mode = "auto"
    """``auto`` is online where there is a key and the service answers; ``WANDB_MODE`` wins over it."""
    project: str = PROJECT
    runs: Path | None = None
    """The folder of finished runs: each is logged as an artifact, where it lies there."""
    models: Path | None = None
    """The folder of fine-tuned models, the same way; none logs no models."""
    locations: Locations | None = None
    """Where the texts of the predicted rows are; none shows predictions without them."""
    _settled: Literal["online", "offline", "disabled"] | None = field(default=None, init=False)
    _url: str | None = field(default=None, init=False)
    _verdicts: list[tuple[str, Verdict]] = field(default_factory=list, init=False)

    def settle(self, *, quiet: bool = False) -> None:
        """Ask once whether the service answers, and say so where it should and does not, unless it was said before."""
        if self._settled is not None:
            return
        settled = connection(self.mode)
        self._settled, self._url = settled.mode, settled.url
        if settled.surprising and not quiet:
            _log.warning("%s; runs are logged offline, and `bertspec sync` pushes them later", settled.reason)

    def observe(self, config: RunConfig, *, fingerprint: str) -> RunObserver:
        """Open the W&B run of one run. One that is made again replaces what W&B shows of it."""
        description, identity = _description(config, fingerprint), fingerprint[:16]
        opened = self.opened(description, identity)
        if opened is None:
            return SilentObserver()
        folders = {"run": self.runs, "model": self.models}
        found = {kind: folder / fingerprint for kind, folder in folders.items() if folder is not None}
        url = self._url if self._settled == "online" else None
        return WandbObserver(
            opened,
            config,
            found,
            reopen=lambda: self.reopened(description, identity),
            directory=self.directory,
            url=url,
            locations=self.locations,
        )

    def judged(self, subject: str, verdict: Verdict) -> None:
        """Keep a verdict for the end of the session."""
        self._verdicts.append((subject, verdict))

    def close(self) -> None:
        """Log the session's verdicts as one run, with an alert for each that is a FAIL."""
        if not self._verdicts:
            return
        name = f"verdicts-{uuid.uuid4().hex[:12]}"
        opened = self.opened({"name": name, "job_type": "verdict", "tags": ["verdict"]}, name)
        if opened is not None:
            log_verdicts(opened, self._verdicts)
        self._verdicts = []

    def opened(self, description: dict[str, Any], identity: str) -> wandb.Run | None:
        """Open a W&B run as the service allows; the first failure decides for those that follow."""
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
        """The service failed in mid-run: this run and those that follow are logged offline."""
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
        except Exception as trouble:  # noqa: BLE001 - a tracker never costs a run
            _log.warning("W&B (%s) is not available: %s", mode, without_secrets(trouble))
            return None


def _settings(wandb: Any) -> Any:
    return wandb.Settings(
        init_timeout=_TIMEOUT_S,
        finish_timeout=_FINISH_S,
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
