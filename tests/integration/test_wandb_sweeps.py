"""Sweeps in W&B: registered with a service that records everything, and run by W&B's own agents."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bertspec.errors import SourceError, Unreachable
from bertspec.tracking import register
from tests.recording import Fault, RecordingServer

KEY = "planted" + "0" * 33
CONFIG: dict[str, Any] = {
    "method": "grid",
    "name": "rates",
    "metric": {"name": "accuracy", "goal": "maximize"},
    "parameters": {"optimizer": {"values": ["adamw", "sgd"]}, "settings": {"parameters": {"beta2": {"value": 0.9}}}},
}


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A key, no mode, no proxies, no netrc of the machine's own, and no sweep around us."""
    for name in ("MODE", "PROJECT", "ENTITY", "SWEEP_ID", "RUN_ID", "DIR"):
        monkeypatch.delenv(f"WANDB_{name}", raising=False)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    yield
    import wandb

    wandb.teardown()


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordingServer]:
    """A service of its own for every test; the client is told where."""
    server = RecordingServer().start()
    monkeypatch.setenv("WANDB_BASE_URL", server.url)
    yield server
    server.stop()


def test_a_sweep_is_registered_as_its_file_has_it_with_a_command_for_agents(
    service: RecordingServer, capsys: pytest.CaptureFixture[str]
) -> None:
    found = register(CONFIG)
    (kept,) = service.operations.sweeps.values()
    assert (found.id, found.entity, found.project) == (kept.name, "local", "bertspec")
    assert found.url == f"{service.url}/local/bertspec/sweeps/{kept.name}"
    assert found.command == f"wandb agent local/bertspec/{kept.name}"
    assert kept.config == {
        **CONFIG,
        "program": "bertspec",
        "command": ["${env}", "bertspec", "trial", "${args_json}"],
    }
    assert service.unknown == []
    assert capsys.readouterr().out == ""


def test_a_sweep_file_s_own_command_project_and_entity_are_kept(service: RecordingServer) -> None:
    own = {"command": ["${env}", "nice", "bertspec", "trial", "${args_json}"], "project": "rates", "entity": "team"}
    found = register({**CONFIG, **own})
    (kept,) = service.operations.sweeps.values()
    assert kept.config["command"] == own["command"]
    assert (kept.project, found.command) == ("rates", f"wandb agent team/rates/{kept.name}")


def test_a_named_project_wins_and_the_environment_stays_as_it_is(
    service: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
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
def test_an_offline_mode_is_told_at_once(mode: str, service: RecordingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", mode)
    with pytest.raises(SourceError, match=f"given: 'WANDB_MODE={mode}'; allowed: WANDB_MODE=online"):
        register(CONFIG)
    assert service.asked == []


def test_a_service_that_is_away_is_told_in_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    began = time.monotonic()
    with pytest.raises(Unreachable, match="does not answer within 2 s; allowed: the same command later"):
        register(CONFIG)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("fault", [Fault.DEAD, Fault.HANGING, Fault.UNAVAILABLE])
def test_a_service_that_dies_before_it_has_the_sweep_is_told_within_its_limit(
    fault: Fault, service: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bertspec.tracking.sweeps._REGISTER_S", 3.0)
    said = service.operations.GetDefaultEntity

    def then_dies(asked: dict[str, Any]) -> dict[str, Any]:
        service.fault = fault
        return said(asked)

    monkeypatch.setattr(service.operations, "GetDefaultEntity", then_dies, raising=False)
    began = time.monotonic()
    with pytest.raises(SourceError, match="W&B (answers no longer|does not take the sweep)") as refusal:
        register(CONFIG)
    assert time.monotonic() - began < 20
    assert KEY not in str(refusal.value)


def test_a_service_that_refuses_the_key_is_told_without_it(service: RecordingServer) -> None:
    service.fault, service.fault_after = Fault.FORBIDDEN, 1
    with pytest.raises(SourceError, match="refuses") as refusal:
        register(CONFIG)
    assert KEY not in str(refusal.value)
