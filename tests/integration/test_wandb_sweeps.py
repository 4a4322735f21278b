"""Sweeps in W&B: registered with a service that records everything, and shown there."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from bertspec.errors import SourceError, Unreachable
from bertspec.results import ComparisonRecord, ContenderRecord, SweepRecord, TrialRecord
from bertspec.tracking import find_run, register, show_sweep
from tests.recording import KEY, Fault, RecordingServer

pytest_plugins = ("tests.recording.fixtures",)
pytestmark = pytest.mark.usefixtures("wandb_environment")

CONFIG: dict[str, Any] = {
    "method": "grid",
    "name": "rates",
    "metric": {"name": "accuracy", "goal": "maximize"},
    "parameters": {"optimizer": {"values": ["adamw", "sgd"]}, "settings": {"parameters": {"beta2": {"value": 0.9}}}},
}


def test_a_sweep_is_registered_as_its_file_has_it_with_a_command_for_agents(
    service: RecordingServer, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = register(CONFIG)
    (kept,) = service.operations.sweeps.values()
    assert (sweep.id, sweep.entity, sweep.project) == (kept.name, "local", "bertspec")
    assert sweep.url == f"{service.url}/local/bertspec/sweeps/{kept.name}"
    assert sweep.command == f"wandb agent local/bertspec/{kept.name}"
    assert kept.config == {
        **CONFIG,
        "program": "bertspec",
        "command": ["${env}", "bertspec", "trial", "--metric", "accuracy", "${args_json}"],
    }
    assert service.unknown == []
    assert capsys.readouterr().out == ""


def test_a_sweep_file_s_own_command_project_and_entity_are_kept(service: RecordingServer) -> None:
    own = {"command": ["${env}", "nice", "bertspec", "trial", "${args_json}"], "project": "rates", "entity": "team"}
    sweep = register({**CONFIG, **own})
    (kept,) = service.operations.sweeps.values()
    assert kept.config["command"] == own["command"]
    assert (kept.project, sweep.command) == ("rates", f"wandb agent team/rates/{kept.name}")


@pytest.mark.usefixtures("service")
def test_a_named_project_wins_and_the_environment_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_PROJECT", "encoders")
    assert register({**CONFIG, "project": "rates"}).project == "encoders"
    assert register(CONFIG).project == "encoders"

    assert (os.environ["WANDB_PROJECT"], os.environ.get("WANDB_ENTITY")) == ("encoders", None)


def test_without_a_key_nothing_is_registered(service: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    with pytest.raises(SourceError, match="there is no key for W&B at .*; allowed: wandb login, or WANDB_API_KEY"):
        register(CONFIG)
    assert service.asked == []


@pytest.mark.parametrize("mode", ["offline", "disabled", "dryrun"])
def test_an_offline_mode_is_refused_at_once(
    mode: str, service: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", mode)
    with pytest.raises(SourceError, match=f"given: 'WANDB_MODE={mode}'; allowed: WANDB_MODE=online"):
        register(CONFIG)
    assert service.asked == []


def test_a_service_that_is_away_is_reported_in_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    began = time.monotonic()
    with pytest.raises(Unreachable, match="does not answer within 2 s; allowed: the same command later"):
        register(CONFIG)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "fault", [Fault.DEAD, *(pytest.param(each, marks=pytest.mark.full) for each in (Fault.HANGING, Fault.UNAVAILABLE))]
)
def test_a_service_that_dies_before_it_has_the_sweep_is_reported_within_its_limit(
    fault: Fault, service: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bertspec.tracking.wandb_sweeps._REGISTER_S", 3.0)
    entity = service.operations.GetDefaultEntity

    def then_dies(asked: dict[str, Any]) -> dict[str, Any]:
        service.fault = fault
        return entity(asked)

    monkeypatch.setattr(service.operations, "GetDefaultEntity", then_dies, raising=False)
    began = time.monotonic()
    with pytest.raises(SourceError, match="W&B (no longer answers|does not accept the sweep)") as refusal:
        register(CONFIG)
    assert time.monotonic() - began < 20
    assert KEY not in str(refusal.value)


def test_a_service_that_refuses_the_key_is_reported_without_it(service: RecordingServer) -> None:
    service.fault, service.fault_after = Fault.FORBIDDEN, 1
    with pytest.raises(SourceError, match="refuses") as refusal:
        register(CONFIG)
    assert KEY not in str(refusal.value)


WHEN = "2026-01-01T00:00:00+00:00"
TRIALS = (
    TrialRecord(
        number=0, parameters={"optimizer": "adamw", "learning_rate": 0.001}, contender="adamw", state="finished",
        seeds=(201, 202), scores=(0.5, 0.75), score=0.625, tokens=640, seconds=2.5, runs=("a" * 64, "b" * 64),
        finished=WHEN,
    ),
    TrialRecord(
        number=1, parameters={"optimizer": "sgd", "learning_rate": 1e9}, contender="sgd", state="failed",
        reason="diverged on every seed: nan", finished=WHEN,
    ),
    TrialRecord(
        number=2, parameters={"optimizer": "sgd"}, contender="sgd", state="finished", seeds=(201,), scores=(0.5,),
        score=0.5, finished=WHEN,
    ),
)  # fmt: skip
COMPARISON = ComparisonRecord(
    parameter="optimizer",
    contenders=(
        ContenderRecord(
            name="adamw", trials=1, tokens=640, best=0, tuned=0.625, seeds=(1, 2), values=(0.6, 0.7), mean=0.65,
            interval=(0.6, 0.7), ranks=(1, 2), sensitivity=1.5, curve=((0.001, 0.625),),
        ),
        ContenderRecord(name="sgd", trials=2, tokens=0, best=2, tuned=0.5, mean=0.6, ranks=(1, 2)),
    ),
    ties=(("adamw", "sgd"),),
    tolerance=0.01,
)  # fmt: skip
SHOWN = SweepRecord(
    name="rates", sha256="c" * 64, metric="accuracy", goal="maximize", method="grid", planned=3, trials=TRIALS,
    comparison=COMPARISON, began=WHEN, finished=WHEN,
)  # fmt: skip


def table(service: RecordingServer, name: str) -> list[dict[str, Any]]:
    (run,) = service.runs.values()
    (table,) = (json.loads(content) for file, content in run.files.items() if f"/{name}_" in file)
    return [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]


def test_a_sweep_is_one_run_with_a_table_of_its_trials(service: RecordingServer, tmp_path: Path) -> None:
    show_sweep(SHOWN, tmp_path)
    (run,) = service.runs.values()
    assert (run.name, run.state, run.described["jobType"]) == (f"sweep-{'c' * 10}", "finished", "sweep")
    assert (run.described["groupName"], run.config["method"]) == ("rates · cccccccc", "grid")
    assert run.config["runs"] == ["a" * 64, "b" * 64]
    first, failed, last = table(service, "trials")
    assert (first["trial"], first["contender"], first["score"], first["scores"]) == (0, "adamw", 0.625, "0.5, 0.75")
    assert (first["optimizer"], first["learning_rate"], first["runs"]) == ("adamw", 0.001, f"{'a' * 16}, {'b' * 16}")
    assert (failed["outcome"], failed["reason"], failed["score"]) == ("failed", "diverged on every seed: nan", None)
    assert last["learning_rate"] is None
    assert (run.curve("score"), run.curve("best")) == ([0.625, 0.5], [0.625, 0.625])
    assert run.summary["best"] == 0.625
    assert (run.summary["trials/finished"], run.summary["trials/failed"]) == (2, 1)
    assert service.unknown == []


def test_what_a_sweep_compares_is_a_table_of_ranks_and_one_of_learning_rates(
    service: RecordingServer, tmp_path: Path
) -> None:
    show_sweep(SHOWN, tmp_path)
    best, other = table(service, "ranking")
    assert (best["name"], best["rank from"], best["rank to"], best["tied with"]) == ("adamw", 1, 2, "sgd")
    assert (best["mean"], best["low"], best["high"], best["values"]) == (0.65, 0.6, 0.7, "0.6, 0.7")
    assert (other["name"], other["tied with"], other["low"]) == ("sgd", "adamw", None)
    assert table(service, "sensitivity") == [{"contender": "adamw", "learning rate": 0.001, "score": 0.625}]


def test_a_sweep_that_compares_nothing_has_no_ranking(service: RecordingServer, tmp_path: Path) -> None:
    show_sweep(SHOWN.model_copy(update={"comparison": None}), tmp_path)
    (run,) = service.runs.values()
    assert not [file for file in run.files if "ranking" in file or "sensitivity" in file]
    assert len(table(service, "trials")) == 3


def test_a_sweep_is_shown_offline_as_well(
    service: RecordingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    show_sweep(SHOWN, tmp_path)
    record = find_run(tmp_path, f"sweep-{'c' * 10}")
    assert service.asked == []
    assert record is not None
    assert (record.job_type, record.exit_code, record.curve("best")) == ("sweep", 0, [0.625, 0.625])
    assert record.summary["ranking"]["nrows"] == 2
    assert list(tmp_path.glob("wandb/offline-run-*/files/media/table/trials_*.table.json"))


@pytest.mark.parametrize("fault", [pytest.param(Fault.DEAD, marks=pytest.mark.full), Fault.UNAVAILABLE])
def test_a_service_that_dies_while_a_sweep_is_shown_costs_seconds(
    fault: Fault, service: RecordingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bertspec.tracking.wandb_sweeps._FINISH_S", 5.0)
    upsert = service.operations.UpsertBucket

    def then_dies(variables: dict[str, Any]) -> dict[str, Any]:
        service.fault = fault
        return upsert(variables)

    service.operations.UpsertBucket = then_dies  # type: ignore[method-assign]
    began = time.monotonic()
    show_sweep(SHOWN, tmp_path)
    assert time.monotonic() - began < 40
    record = find_run(tmp_path, f"sweep-{'c' * 10}")
    assert record is not None
    assert record.curve("best") == [0.625, 0.625]
