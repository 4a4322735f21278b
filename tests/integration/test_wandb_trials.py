"""A trial as W&B agents start it: one run of its sweep, whatever its service does."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import wandb

from bertspec import cli
from bertspec.catalog import Catalog
from bertspec.results import Point, TrialRecord
from bertspec.sources import Sources
from bertspec.store import Store
from bertspec.study import Session
from bertspec.tracking import WandbTracker, find_run, link
from tests.integration.micro import ENCODER, TASK
from tests.recording import Fault, RecordingServer

pytest_plugins = ("tests.recording.fixtures",)

TRIAL: dict[str, Any] = {
    "encoder": "micro",
    "task": "few",
    "optimizer": "adamw",
    "settings": {"beta2": 0.9},
    "steps": 4,
    "batch_size": 8,
    "max_length": 32,
    "seeds": [201, 202],
}


@pytest.fixture
def under_an_agent(service: RecordingServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """What an agent leaves in the environment of a trial; gives the store."""
    assert service.runs == {}
    for name, text in (("encoders/micro", ENCODER), ("tasks/few", TASK.replace("[accuracy]", "[accuracy, f1]"))):
        file = tmp_path / "configs" / f"{name}.yaml"
        file.parent.mkdir(parents=True)
        file.write_text(text, "utf-8")
    wandb.teardown()  # it has read the environment already
    for name, value in {"SWEEP_ID": "sweep1", "RUN_ID": "sweep1-0", "PROJECT": "rates", "ENTITY": "local"}.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    monkeypatch.setenv("BERTSPEC_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "store"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that has died is given up soon."""
    monkeypatch.setattr("bertspec.tracking.wandb_sweeps._FINISH_S", 5.0)


def trial(**changes: Any) -> int:
    return cli.main(["trial", json.dumps({**TRIAL, **changes})])


def test_a_trial_is_one_run_of_its_sweep_with_its_metrics_under_their_plain_names(
    under_an_agent: Path, service: RecordingServer
) -> None:
    assert trial() == 0
    (arrived,) = service.runs.values()
    runs = {run.result.facts.seed: run for run in Store(under_an_agent).runs()}
    assert (arrived.name, arrived.state) == ("sweep1-0", "finished")
    assert (arrived.described["sweep"], arrived.described["project"]) == ("sweep1", "rates")
    assert (arrived.described["jobType"], arrived.summary["contender"]) == ("trial", "adamw")
    assert TRIAL.items() <= arrived.config.items()
    assert set(runs) == {201, 202}
    for name in ("accuracy", "f1"):
        scores = [run.result.facts.scores[name] for run in runs.values()]
        assert arrived.curve(name) == [pytest.approx(sum(scores) / 2)]
        assert arrived.summary[name] == pytest.approx(sum(scores) / 2)
    assert 0 < arrived.summary["loss"] < 2
    for seed, run in runs.items():
        assert arrived.summary[f"score/seed-{seed}"] == run.result.facts.scores["accuracy"]
        assert arrived.curve(f"seed-{seed}/loss") == run.result.curve.loss.tolist()
        assert str(link(Store(under_an_agent).tracking, run.fingerprint)).endswith("/runs/sweep1-0")
    assert set(arrived.summary["runs"]) == {run.fingerprint for run in runs.values()}
    assert arrived.summary["tokens"] == sum(run.result.facts.train_tokens for run in runs.values())
    assert (arrived.summary["state"], arrived.summary["diverged"]) == ("finished", 0)
    assert service.unknown == []


def test_a_trial_whose_runs_are_in_the_store_trains_nothing_and_shows_the_same(
    under_an_agent: Path, service: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert trial() == 0
    before = {file: file.stat().st_mtime_ns for file in under_an_agent.glob("runs/*/*")}
    wandb.teardown()  # the next trial is another process
    monkeypatch.setenv("WANDB_RUN_ID", "sweep1-1")
    assert trial() == 0
    assert {file: file.stat().st_mtime_ns for file in under_an_agent.glob("runs/*/*")} == before
    first, second = service.runs.values()
    assert second.name == "sweep1-1"
    for name in ("accuracy", "loss", "tokens", "seconds", "runs"):
        assert second.summary[name] == first.summary[name]


def test_a_trial_that_fails_is_a_failed_run_and_no_success(under_an_agent: Path, service: RecordingServer) -> None:
    assert trial(learning_rate=1e30, steps=8) == 1
    (arrived,) = service.runs.values()
    assert (arrived.state, arrived.exit_code, arrived.summary["state"]) == ("failed", 1, "failed")
    assert arrived.summary["reason"].startswith("diverged on every seed: ")
    assert "accuracy" not in arrived.summary
    assert len(list(Store(under_an_agent).runs())) == 2


def test_a_trial_that_no_spec_allows_is_a_failed_run_that_says_why(
    under_an_agent: Path, service: RecordingServer
) -> None:
    assert trial(batch_size=-1) == 1
    assert trial(task="bundled/sentimnt") == 2
    (arrived,) = service.runs.values()
    assert arrived.state == "failed"
    assert "did you mean" in arrived.summary["reason"]
    assert list(under_an_agent.glob("runs/*")) == []


def test_a_trial_that_its_agent_stops_is_a_finished_run_with_its_reason(
    under_an_agent: Path, service: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bertspec.sweeps import trial as trial_module

    def run(*_: object, **given: Any) -> None:
        given["on_progress"](Point(step=2, value=0.5))
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(trial_module, "run", run)
    assert trial() == 130
    (arrived,) = service.runs.values()
    assert (arrived.state, arrived.exit_code, arrived.summary["state"]) == ("finished", 0, "stopped")
    assert arrived.summary["reason"] == "stopped by its W&B agent"
    assert under_an_agent.exists()


def test_a_trial_that_a_user_interrupts_is_no_finished_run(
    under_an_agent: Path, service: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bertspec.sweeps import trial as trial_module

    def run(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(trial_module, "run", run)
    assert trial() == 130
    (arrived,) = service.runs.values()
    assert (arrived.state, arrived.exit_code, arrived.summary["reason"]) == ("failed", 130, "interrupted")
    assert under_an_agent.exists()


def test_a_run_that_early_stopping_ends_is_a_finished_run_with_its_reason(
    under_an_agent: Path, service: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bertspec.sweeps import trial as trial_module

    for name in ("WANDB_SWEEP_ID", "WANDB_RUN_ID"):
        monkeypatch.delenv(name)
    store = Store(under_an_agent)
    session = Session(Catalog.beside(Path()), Sources(None, None), store, WandbTracker(store.tracking))
    record = trial_module.run(
        0,
        {**TRIAL, "evaluate_every": 2, "steps": 6},
        session,
        on_progress=lambda point: "hopeless" if point.step == 4 else None,
    )
    (arrived,) = service.runs.values()
    assert (record.state, record.reason, record.runs) == ("stopped", "hopeless", ())
    assert (arrived.state, arrived.exit_code) == ("finished", 0)
    assert (arrived.summary["state"], arrived.summary["reason"], arrived.summary["steps"]) == ("stopped", "hopeless", 4)
    assert len(arrived.curve("training/loss")) == 4
    assert store.count() == 0


def test_what_a_trial_reaches_on_the_way_is_drawn_over_its_steps(
    under_an_agent: Path, service: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bertspec.sweeps import trial as trial_module

    run = trial_module.run

    def reporting(*words: Any, **given: Any) -> TrialRecord:
        for step in (2, 4):
            given["on_progress"](Point(step=step, value=step / 10))
        return run(*words, **given)

    monkeypatch.setattr(trial_module, "run", reporting)
    assert trial(seeds=[201]) == 0
    (arrived,) = service.runs.values()
    assert under_an_agent.exists()
    assert arrived.curve("accuracy")[:2] == [0.2, 0.4]
    assert arrived.curve("step")[:2] == [2, 4]
    assert arrived.summary["accuracy"] == arrived.curve("accuracy")[-1] != 0.4


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    "fault", [Fault.HANGING, *(pytest.param(each, marks=pytest.mark.full) for each in (Fault.DEAD, Fault.UNAVAILABLE))]
)
def test_a_service_that_dies_in_mid_trial_costs_seconds_and_no_result(
    fault: Fault, under_an_agent: Path, service: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    assert trial(seeds=[202]) == 0  # torch is loaded, and half of the trial is in the store
    service.runs.clear()
    upsert = service.operations.UpsertBucket

    def then_dies(variables: dict[str, Any]) -> dict[str, Any]:
        service.fault = fault
        return upsert(variables)

    service.operations.UpsertBucket = then_dies  # type: ignore[method-assign]
    began = time.monotonic()
    assert trial() == 0
    assert time.monotonic() - began < 40
    assert caplog.text.count("the trial itself goes on") <= 1
    runs = {run.result.facts.seed: run for run in Store(under_an_agent).runs()}
    record = find_run(Store(under_an_agent).tracking, "sweep1-0")
    assert record is not None
    mean = sum(run.result.facts.scores["accuracy"] for run in runs.values()) / 2
    assert record.summary["accuracy"] == pytest.approx(mean)
    assert record.curve("seed-201/loss") == runs[201].result.curve.loss.tolist()
    assert TRIAL.items() <= record.config.items()


def test_without_an_agent_a_trial_is_logged_run_by_run_like_every_other(
    under_an_agent: Path, service: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("WANDB_SWEEP_ID", "WANDB_RUN_ID"):
        monkeypatch.delenv(name)
    assert trial(seeds=[201]) == 0
    assert set(service.runs) == {run.fingerprint[:16] for run in Store(under_an_agent).runs()}
