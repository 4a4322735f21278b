"""The GraphQL operations of sweeps and their agents: the service chooses the parameters, agents ask for them."""

from __future__ import annotations

import itertools
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from tests.recording.records import Run, opaque

__all__ = ["Sweep", "SweepOperations"]

Variables = dict[str, Any]


@dataclass
class Sweep:
    """One sweep, as it was registered, with what became of it."""

    name: str
    text: str
    """Its file, as YAML."""
    project: str
    state: str = "PENDING"
    agents: dict[str, float] = field(default_factory=dict)
    """Id → the time of its last heartbeat, in monotonic seconds."""
    given: dict[str, str] = field(default_factory=dict)
    """Run → the agent that it was given to, in the order in which they were given."""
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Run → what it was given."""
    beats: list[tuple[str, dict[str, bool]]] = field(default_factory=list)
    """Every heartbeat: the agent's id, and the runs that it reported as running."""

    @property
    def config(self) -> dict[str, Any]:
        """Its file."""
        config: dict[str, Any] = yaml.safe_load(self.text)
        return config

    @property
    def left(self) -> dict[str, Any] | None:
        """The parameters of the next run, or ``None`` if the sweep is at its end."""
        number = len(self.given)
        if number >= self.config.get("run_cap", 1 << 30):
            return None
        if self.config["method"] == "grid":
            return next(itertools.islice(_grid(self.config["parameters"]), number, None), None)
        return _drawn(self.config["parameters"], random.Random(number))


def _grid(parameters: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every point, by the sorted names of the parameters, the last one first to change."""
    names = sorted(parameters)
    for chosen in itertools.product(*(_values(parameters[name]) for name in names)):
        yield dict(zip(names, chosen, strict=True))


def _values(parameter: dict[str, Any]) -> list[Any]:
    if "parameters" in parameter:
        return list(_grid(parameter["parameters"]))
    return list(parameter["values"]) if "values" in parameter else [parameter["value"]]


def _drawn(parameters: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    def one(parameter: dict[str, Any]) -> Any:
        if "parameters" in parameter:
            return _drawn(parameter["parameters"], chance)
        if "min" in parameter:
            return chance.uniform(parameter["min"], parameter["max"])
        return chance.choice(_values(parameter))

    return {name: one(parameters[name]) for name in sorted(parameters)}


@dataclass
class SweepOperations:
    """What ``wandb sweep`` and ``wandb agent`` of the client 0.31 send."""

    entity: str = "local"
    runs: dict[str, Run] = field(default_factory=dict)
    sweeps: dict[str, Sweep] = field(default_factory=dict)
    stops: set[str] = field(default_factory=set)
    """Runs that a user, or early stopping, has stopped: their agents get the command until the runs are gone."""

    def UpsertSweep(self, variables: Variables) -> Variables:  # noqa: N802 - the service's own names
        known = next(
            (sweep for sweep in self.sweeps.values() if opaque(f"Sweep:{sweep.name}") == variables.get("id")), None
        )
        if known is None:
            name = f"sweep{len(self.sweeps) + 1}"
            known = self.sweeps[name] = Sweep(
                name, variables["config"], variables.get("projectName") or "uncategorized"
            )
        known.text = variables.get("config") or known.text
        known.state = variables.get("state") or known.state
        owner = {"id": opaque("Entity:1"), "name": variables.get("entityName") or self.entity}
        project = {"id": opaque("Project:1"), "name": known.project, "entity": owner}
        return {"upsertSweep": {"sweep": {"name": known.name, "project": project}, "configValidationWarnings": []}}

    def SweepWithRuns(self, variables: Variables) -> Variables:  # noqa: N802
        sweep = self.sweeps.get(variables["sweep"])
        if sweep is None:
            return {"project": {"sweep": None}}
        own = [{"node": self._node(self.runs[name])} for name in sweep.given if name in self.runs]
        return {"project": {"sweep": {**self._described(sweep), "runs": {"edges": own}}}}

    def GetSweep(self, variables: Variables) -> Variables:  # noqa: N802
        sweep = self.sweeps.get(variables["name"])
        return {"project": {"sweep": self._described(sweep) if sweep is not None else None}}

    def GetSweepState(self, variables: Variables) -> Variables:  # noqa: N802
        return {"project": {"sweep": {"state": self.sweeps[variables["sweep"]].state}}}

    def CreateAgent(self, variables: Variables) -> Variables:  # noqa: N802
        sweep = self.sweeps[variables["sweep"]]
        number = opaque(f"Agent:{sweep.name}:{len(sweep.agents) + 1}")
        sweep.agents[number] = time.monotonic()
        sweep.state = "RUNNING" if sweep.state == "PENDING" else sweep.state
        return {"createAgent": {"agent": {"id": number}}}

    def Heartbeat(self, variables: Variables) -> Variables:  # noqa: N802
        """An agent that runs nothing is given a run; one whose run is to be stopped gets the command to stop it.

        As in the service, a run counts as given even if its agent dies: no other agent gets it.
        """
        agent, running = variables["id"], json.loads(variables.get("runState") or "{}")
        sweep = next(sweep for sweep in self.sweeps.values() if agent in sweep.agents)
        sweep.agents[agent] = time.monotonic()
        sweep.beats.append((agent, running))
        commands = [{"type": "stop", "run_id": name} for name in running if name in self.stops]
        if not running:
            commands = [self._next(sweep, agent)]
        return {"agentHeartbeat": {"agent": {"id": agent}, "commands": json.dumps(commands)}}

    def _next(self, sweep: Sweep, agent: str) -> Variables:
        chosen = sweep.left if sweep.state == "RUNNING" else None
        if chosen is None:
            sweep.state = "FINISHED" if sweep.state == "RUNNING" else sweep.state
            return {"type": "exit"}
        name = f"{sweep.name}-{len(sweep.given)}"
        sweep.given[name], sweep.parameters[name] = agent, chosen
        arguments = {key: {"value": value} for key, value in chosen.items()}
        return {"type": "run", "run_id": name, "program": sweep.config.get("program"), "args": arguments}

    def _described(self, sweep: Sweep) -> Variables:
        moments = {"createdAt": "2026-01-01T00:00:00", "heartbeatAt": None, "updatedAt": None}
        texts = {"name": sweep.name, "displayName": None, "description": None, "config": sweep.text}
        facts = {"method": sweep.config["method"], "state": sweep.state, "bestLoss": None, "earlyStopJobRunning": False}
        kept = {"controller": None, "scheduler": None, "runCount": len(sweep.given), "runCountExpected": None}
        return {"id": opaque(f"Sweep:{sweep.name}"), **moments, **texts, **facts, **kept}

    def _node(self, run: Run) -> Variables:
        flags = {"failed": run.state == "failed", "stopped": False, "running": run.state == "running"}
        config = json.dumps({name: {"value": value} for name, value in run.config.items()})
        kept = {"config": config, "summaryMetrics": json.dumps(run.summary), "sampledHistory": [run.history]}
        times = {"heartbeatAt": None, "exitcode": run.exit_code, "shouldStop": run.name in self.stops}
        return {"name": run.name, "state": run.state, **flags, **kept, **times}
