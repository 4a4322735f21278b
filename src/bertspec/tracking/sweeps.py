"""Sweeps that W&B keeps: registered there, for W&B's own agents to run on any number of machines."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bertspec.errors import SourceError, Unreachable
from bertspec.tracking.connection import abandon, service_api, within, without_secrets
from bertspec.tracking.wandb_runs import PROJECT

__all__ = ["RegisteredSweep", "register"]

_PROGRAM = "bertspec"
_REGISTER_S = 15.0


@dataclass(frozen=True, slots=True)
class RegisteredSweep:
    """A sweep that W&B holds."""

    id: str
    entity: str
    project: str
    url: str
    """Where a browser finds it."""

    @property
    def command(self) -> str:
        """What starts an agent, on every machine that is to take part."""
        return f"wandb agent {self.entity}/{self.project}/{self.id}"


def register(config: Mapping[str, Any]) -> RegisteredSweep:
    """Tell W&B of a sweep, and ask it whether it holds it.

    Args:
        config: what the sweep file holds. Where it names no command, agents are told to run ``bertspec trial``.
            ``WANDB_ENTITY`` and ``WANDB_PROJECT`` win over its ``entity`` and ``project``, as with W&B's own tools.

    Raises:
        Unreachable: the service does not answer, or no longer.
        SourceError: W&B is switched off, there is no key, or the service refuses.
    """
    mode = os.environ.get("WANDB_MODE")
    if mode not in (None, "online"):
        raise SourceError("W&B keeps sweeps online only", given=f"WANDB_MODE={mode}", allowed="WANDB_MODE=online")
    api = service_api()
    entity = os.environ.get("WANDB_ENTITY") or config.get("entity") or api.default_entity
    project = os.environ.get("WANDB_PROJECT") or config.get("project") or PROJECT
    told = {**config, "command": _command(config), "program": config.get("program") or _PROGRAM}
    found: list[RegisteredSweep] = []
    try:
        within(_REGISTER_S, lambda: found.append(_registered(api, told, entity=entity, project=project)))
    except TimeoutError as silence:
        abandon()
        raise Unreachable(f"W&B answers no longer: {silence}", allowed="the same command later") from None
    except Exception as refusal:  # noqa: BLE001 - the client raises what it likes
        abandon()
        raise SourceError(f"W&B does not take the sweep: {without_secrets(refusal)}") from None
    return found[0]


def _command(config: Mapping[str, Any]) -> list[str]:
    """What agents run for each trial: the file's own, or ours, where JSON keeps nested parameters and types."""
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
