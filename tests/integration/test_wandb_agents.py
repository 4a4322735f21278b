"""W&B's own commands run a sweep: the real ``wandb sweep`` and real ``wandb agent`` processes, against a recorder."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bertspec.store import Store, StoredRun
from bertspec.tracking import find_run
from tests.integration.fork_server import ForkServer
from tests.integration.micro import ENCODER, TASK
from tests.recording import KEY, Fault, RecordingServer
from tests.recording.sweeps import Sweep

SWEEP = """\
method: grid
metric: {name: accuracy, goal: maximize}
parameters:
  encoder: {value: micro}
  task: {value: few}
  learning_rate: {values: [0.001, 0.01]}
  settings:
    parameters:
      beta2: {values: [0.9, 0.99]}
  steps: {value: 8}
  batch_size: {value: 16}
  max_length: {value: 32}
  seeds: {value: [201, 202]}
"""
COMMAND = 'command: ["${env}", bertspec, trial, "${args_json}"]\nprogram: bertspec\n'
PATIENCE_S = 240.0


@dataclass
class Site:
    """A folder in which commands run, with a service of its own."""

    folder: Path
    service: RecordingServer
    server: ForkServer
    begun: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def store(self) -> Store:
        return Store(self.folder / "store")

    @property
    def sweep(self) -> Sweep:
        """The one that was registered."""
        (sweep,) = self.service.operations.sweeps.values()
        return sweep

    @property
    def runs(self) -> dict[str, StoredRun]:
        return {run.fingerprint: run for run in self.store.runs()}

    def environment(self, **more: str) -> dict[str, str]:
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("WANDB_", "BERTSPEC_"))}
        for name in ("http_proxy", "HTTP_PROXY"):
            plain.pop(name, None)
        plain["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), plain["PATH"]])
        ours = {"WANDB_BASE_URL": self.service.url, "WANDB_API_KEY": KEY, "NETRC": str(self.folder / "no-netrc")}
        here = {"BERTSPEC_STORE": str(self.store.root), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
        return {**plain, **ours, **here, **more}

    def call(self, *words: str, **more: str) -> str:
        done = self.server.run(*words, folder=self.folder, environment=self.environment(**more))
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    def agent(self, *options: str) -> subprocess.Popen[str]:
        words = [sys.executable, "-m", "wandb", "agent", *options, f"local/rates/{self.sweep.name}"]
        with (self.folder / f"agent-{len(self.begun)}.log").open("w") as log:
            self.begun.append(
                subprocess.Popen(words, cwd=self.folder, env=self.environment(), stdout=log, stderr=log, text=True)
            )
        return self.begun[-1]

    def log(self, agent: subprocess.Popen[str]) -> str:
        return (self.folder / f"agent-{self.begun.index(agent)}.log").read_text()

    def local(self) -> dict[str, Any]:
        """The same sweep without a server."""
        words = ("bertspec", "sweep", "mine", "--processes", "1", "--json")
        done = self.server.run(*words, folder=self.folder, environment=self.environment(WANDB_MODE="disabled"))
        assert done.returncode == 0, done.stderr
        table: dict[str, Any] = json.loads(done.stdout)
        return table


@pytest.fixture
def site(tmp_path: Path, fork_server: ForkServer) -> Iterator[Site]:
    """A micro encoder, a task of few rows and a grid of four trials; the agents end with the test."""
    for name, text in (("encoders/micro", ENCODER), ("tasks/few", TASK), ("sweeps/mine", SWEEP + COMMAND)):
        file = tmp_path / "configs" / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    site = Site(tmp_path, RecordingServer().start(), fork_server)
    yield site
    for agent in site.begun:
        kill(agent)
    site.service.stop()


def kill(agent: subprocess.Popen[str]) -> None:
    """An agent and the trial that it runs, as when their machine goes down."""
    words = ["/usr/bin/env", "pgrep", "-P", str(agent.pid)]
    trials = subprocess.run(words, capture_output=True, text=True, check=False).stdout.split()
    agent.kill()
    for trial in trials:
        try:
            os.kill(int(trial), signal.SIGKILL)
        except ProcessLookupError:
            continue
    agent.wait()


def until(happens: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not happens():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_two_agents_share_a_sweep_and_the_local_command_only_puts_its_table_together(site: Site) -> None:
    output = site.call("wandb", "sweep", "-p", "rates", "configs/sweeps/mine.yaml")
    assert f"Run sweep agent with: wandb agent local/rates/{site.sweep.name}" in output
    agents = [site.agent(), site.agent()]
    assert [agent.wait(PATIENCE_S) for agent in agents] == [0, 0], site.log(agents[0]) + site.log(agents[1])

    assert (site.sweep.state, len(set(site.sweep.given.values()))) == ("FINISHED", 2)
    rates = [(given["learning_rate"], given["settings"]["beta2"]) for given in site.sweep.parameters.values()]
    assert rates == [(0.001, 0.9), (0.001, 0.99), (0.01, 0.9), (0.01, 0.99)]
    shown = site.service.runs
    assert shown.keys() == site.sweep.given.keys()
    stored = site.runs
    assert len(stored) == 8
    assert sorted(name for run in shown.values() for name in run.summary["runs"]) == sorted(stored)
    for name, run in shown.items():
        own = [stored[fingerprint] for fingerprint in run.summary["runs"]]
        assert (run.state, run.described["sweep"], run.described["jobType"]) == ("finished", site.sweep.name, "trial")
        assert site.sweep.parameters[name].items() <= run.config.items()
        assert {each.config.recipe.optimizer.learning_rate for each in own} == {run.config["learning_rate"]}
        assert {each.config.recipe.optimizer.settings["beta2"] for each in own} == {run.config["settings"]["beta2"]}
        assert [each.result.facts.seed for each in own] == [201, 202]
        assert run.summary["accuracy"] == pytest.approx(sum(each.result.facts.scores["accuracy"] for each in own) / 2)
    assert site.service.unknown == []

    before = {file: file.stat().st_mtime_ns for file in site.store.root.glob("runs/*/*")}
    table = site.local()
    assert {file: file.stat().st_mtime_ns for file in site.store.root.glob("runs/*/*")} == before
    assert {tuple(trial["runs"]) for trial in table["trials"]} == {tuple(run.summary["runs"]) for run in shown.values()}
    assert [trial["state"] for trial in table["trials"]] == ["finished"] * 4


@pytest.mark.full
def test_an_agent_that_dies_costs_the_others_nothing_and_the_local_command_fills_its_gap(site: Site) -> None:
    file = site.folder / "configs" / "sweeps" / "mine.yaml"
    file.write_text(SWEEP.replace("[0.9, 0.99]", "[0.9]").replace("[0.001, 0.01]", "[0.001, 0.01, 0.02]"))
    output = site.call("bertspec", "sweep", "mine", "--wandb", WANDB_PROJECT="rates")
    assert f"  wandb agent local/rates/{site.sweep.name}\n" in output
    doomed, other = site.agent(), site.agent("--count", "1")
    until(lambda: len(site.service.runs) == 2)
    kill(doomed)
    assert other.wait(PATIENCE_S) == 0
    late = site.agent()
    assert late.wait(PATIENCE_S) == 0

    for run in site.service.runs.values():
        run.silence_s = 0.0
    states = sorted(run.state for run in site.service.runs.values())
    assert states == ["crashed", "finished", "finished"]
    assert len(set(site.sweep.given.values())) == 3
    before = {file: file.stat().st_mtime_ns for file in site.store.root.glob("runs/*/run.json")}
    assert len(before) == 4
    table = site.local()
    after = {file: file.stat().st_mtime_ns for file in site.store.root.glob("runs/*/run.json")}
    assert before.items() < after.items()
    assert len(after) == 6
    assert [trial["state"] for trial in table["trials"]] == ["finished"] * 3


@pytest.mark.full
def test_a_service_that_dies_in_mid_sweep_costs_no_finished_run(site: Site) -> None:
    few = SWEEP.replace("[0.9, 0.99]", "[0.9]")
    (site.folder / "configs" / "sweeps" / "mine.yaml").write_text(few)
    site.call("bertspec", "sweep", "mine", "--wandb", WANDB_PROJECT="rates")
    upsert = site.service.operations.UpsertBucket

    def then_dies(variables: dict[str, Any]) -> dict[str, Any]:
        if variables.get("name") == f"{site.sweep.name}-1":
            site.service.fault = Fault.DEAD
        return upsert(variables)

    site.service.operations.UpsertBucket = then_dies  # type: ignore[method-assign]
    agent = site.agent()
    until(lambda: site.log(agent).count("0 diverged") == 2)  # the last line of a trial
    kill(agent)

    assert len(site.runs) == 4
    assert site.log(agent).count("W&B failed during the trial; the trial itself goes on") == 1
    assert site.service.runs[f"{site.sweep.name}-0"].state == "finished"
    record = find_run(site.store.tracking, f"{site.sweep.name}-1")
    assert record is not None
    assert record.summary["accuracy"] == pytest.approx(
        sum(site.runs[name].result.facts.scores["accuracy"] for name in record.summary["runs"]) / 2
    )


@pytest.mark.full
def test_a_trial_outlives_the_agent_that_started_it(site: Site) -> None:
    site.call("bertspec", "sweep", "mine", "--wandb", WANDB_PROJECT="rates")
    agent = site.agent()
    until(lambda: site.service.runs)
    agent.kill()
    until(lambda: all(run.complete for run in site.service.runs.values()))
    (run,) = site.service.runs.values()
    assert run.state == "finished"
    assert set(run.summary["runs"]) == set(site.runs)
