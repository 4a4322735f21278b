"""A sweep in processes of its own: interrupted, killed, and resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from bertspec.catalog import Catalog
from bertspec.errors import UnknownName
from bertspec.results import SweepRecord
from bertspec.sources import Sources
from bertspec.store import Store
from bertspec.study import Session
from bertspec.sweeps.worker_pool import Job, WorkerPool
from bertspec.tracking import SilentTracker
from tests.integration.interrupts import heed_interrupts, unmeasured
from tests.integration.micro import ENCODER, TASK

SWEEP = """\
method: random
metric: {name: accuracy, goal: maximize}
run_cap: 6
parameters:
  encoder: {value: micro}
  task: {value: few}
  optimizer: {values: [adamw, sgd]}
  learning_rate_factor: {distribution: log_uniform_values, min: 0.1, max: 10}
  steps: {value: 400}
  batch_size: {value: 16}
  max_length: {value: 32}
  seeds: {value: [201, 202]}
  confirmation_seeds: {value: [1]}
"""
PATIENCE_S = 240.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder with a micro encoder, a task of few rows, and a sweep."""
    for name, text in (("encoders/micro", ENCODER), ("tasks/few", TASK), ("sweeps/mine", SWEEP)):
        file = tmp_path / "configs" / f"{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    (tmp_path / ".bertspec").mkdir()
    return tmp_path


def begun(folder: Path) -> subprocess.Popen[str]:
    environment = {**unmeasured(os.environ), "WANDB_MODE": "disabled", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    environment.pop("BERTSPEC_STORE", None)
    return subprocess.Popen(
        [sys.executable, "-m", "bertspec", "sweep", "mine", "--processes", "2", "--device", "cpu"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=heed_interrupts,  # noqa: PLW1509 - no threads yet
    )


def record(folder: Path) -> dict[str, Any] | None:
    files = list((folder / ".bertspec" / "sweeps").glob("mine-*.json"))
    return json.loads(files[0].read_text("utf-8")) if files else None


def wait_for_trials(folder: Path, count: int) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        kept = record(folder)
        if kept is not None and len(kept["trials"]) >= count:
            return kept
        time.sleep(0.02)
    raise AssertionError(f"no {count} trials within {PATIENCE_S:.0f} s")


def workers(process: int) -> list[int]:
    """The processes that it has spawned to train."""
    processes = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text("ascii").rsplit(")", 1)[1].split()[1])
            words = (folder / "cmdline").read_bytes()
        except (OSError, IndexError):
            continue
        if parent == process and b"spawn_main" in words:
            processes.append(int(folder.name))
    return processes


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text("ascii").rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def training_moments(folder: Path) -> dict[str, int]:
    return {file.parent.name: file.stat().st_mtime_ns for file in (folder / ".bertspec" / "runs").glob("*/run.json")}


def interrupted(folder: Path) -> None:
    """Ctrl-C after the first trial."""
    process = begun(folder)
    wait_for_trials(folder, 1)
    process.send_signal(signal.SIGINT)
    _, message = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130, message
    assert "interrupted" in message
    assert "Traceback" not in message


def killed(folder: Path) -> None:
    """Kill -9 after one trial more: the workers go with it."""
    process = begun(folder)
    wait_for_trials(folder, len(wait_for_trials(folder, 1)["trials"]) + 1)
    helpers = workers(process.pid)
    assert len(helpers) == 2
    process.kill()
    process.communicate(timeout=PATIENCE_S)
    deadline = time.monotonic() + 30
    while any(map(alive, helpers)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, helpers))


def to_the_end(folder: Path) -> str:
    """One worker is killed as soon as there are any."""
    process = begun(folder)
    deadline = time.monotonic() + PATIENCE_S
    while not workers(process.pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(workers(process.pid)[0], signal.SIGKILL)
    output, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, errors
    return output


def test_a_sweep_that_is_interrupted_and_killed_and_loses_a_worker_ends_with_every_trial_once(folder: Path) -> None:
    interrupted(folder)
    killed(folder)
    kept, before = wait_for_trials(folder, 2)["trials"], training_moments(folder)
    output = to_the_end(folder)
    sweep = SweepRecord.model_validate(record(folder))
    assert [trial.number for trial in sweep.trials] == [0, 1, 2, 3, 4, 5]
    assert {trial.state for trial in sweep.trials} == {"finished"}
    assert [trial.contender for trial in sweep.trials] == ["adamw", "sgd"] * 3
    assert [trial for trial in sweep.model_dump(mode="json")["trials"] if trial in kept] == kept
    after = training_moments(folder)
    assert len(after) == 6 * 2 + 2  # the trials, and the best of each once more
    assert {name: after[name] for name in before} == before
    assert "mine: random, 6 of 6 trials" in output
    assert output.count("finished") == 6


def test_an_error_that_every_trial_would_have_reaches_the_user(folder: Path) -> None:
    session = Session(
        catalog=Catalog.beside(folder),
        sources=Sources(mirror=None, endpoint=None),
        store=Store(folder / "store"),
        tracker=SilentTracker(),
        device="cpu",
    )
    with WorkerPool(session, 1) as pool:
        pool.start(Job(0, {"encoder": "micro", "task": "nothing"}, None, "accuracy", may_stop=False))
        with pytest.raises(UnknownName, match="unknown task; given: 'nothing'"):
            list(pool.events())
