"""A service of its own for a test, and an environment in which W&B's client knows of no other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import wandb

from tests.recording.records import KEY
from tests.recording.server import RecordingServer

__all__ = ["service", "wandb_environment"]


@pytest.fixture
def wandb_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A key, no mode, no proxies, no netrc of the machine's own, and no sweep around us."""
    for name in ("MODE", "PROJECT", "ENTITY", "SWEEP_ID", "RUN_ID", "DIR"):
        monkeypatch.delenv(f"WANDB_{name}", raising=False)
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    yield
    wandb.teardown()


@pytest.fixture
def service(wandb_environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordingServer]:  # noqa: ARG001 - it comes first
    """A service for one test; the client finds its address in the environment."""
    server = RecordingServer().start()
    monkeypatch.setenv("WANDB_BASE_URL", server.url)
    yield server
    server.stop()
