"""A session with everything on, as a user has it, with tokens planted wherever tools keep them: none is written."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bertspec.tracking.connection import without_secrets
from tests.recording import RecordingServer

KEY = "planted" + "0" * 33
NETRC_KEY = "planted" + "1" * 33
HUB_TOKEN = "hf_planted" + "2" * 27
KEPT_TOKEN = "hf_planted" + "3" * 27
PASSWORD = "planted-password"
SECRETS = (KEY, NETRC_KEY, HUB_TOKEN, KEPT_TOKEN, PASSWORD)
FEATURE = """
Feature: Tokens
  Background:
    Given the task "bundled/sentiment" with
      | generated | {train_rows: 64, evaluation_rows: 40, label_noise: 0.05} |
    And the recipe "from-scratch" with
      | steps | 5 |

  Scenario: It passes
    Given the encoder "bert-tiny"
    When it is fine-tuned with "adamw" on seeds 1 to 3
    Then its accuracy is at most 0.95

  Scenario: It fails
    Given the encoder "bert-tiny"
    When it is fine-tuned with "adamw" on seeds 1 to 3
    Then its accuracy is at least 0.99

  Scenario: Its encoder cannot be had
    Given the encoder "org/model"
    When it is fine-tuned with "adamw" on seeds 1 to 3
    Then its accuracy is at least 0.5
"""
REPORTS = ("page.html", "page.md", "page.ndjson")


@pytest.fixture
def service() -> Iterator[RecordingServer]:
    server = RecordingServer().start()
    yield server
    server.stop()


@pytest.fixture
def environment(tmp_path: Path, service: RecordingServer) -> dict[str, str]:
    """Tokens in variables, in a netrc file, in the hub's own file, and in the address of a hub that is away."""
    home = tmp_path / "home"
    (home / "hf").mkdir(parents=True)
    (home / "hf" / "token").write_text(KEPT_TOKEN)
    (home / "netrc").write_text(f"machine api.wandb.ai login user password {NETRC_KEY}\n")
    (home / "netrc").chmod(0o600)
    unwanted = ("WANDB_MODE", "WANDB_PROJECT", "WANDB_ENTITY", "HF_HUB_OFFLINE", "BERTSPEC_MIRROR", "BERTSPEC_STORE")
    known = {k: v for k, v in os.environ.items() if k not in unwanted and not k.lower().endswith("_proxy")}
    planted = {"WANDB_API_KEY": KEY, "HF_TOKEN": HUB_TOKEN, "HF_HOME": str(home / "hf"), "NETRC": str(home / "netrc")}
    away = {"HF_ENDPOINT": f"http://user:{PASSWORD}@127.0.0.1:9", "WANDB_BASE_URL": service.url}
    return {**known, **planted, **away}


def test_no_planted_token_is_in_anything_that_a_session_and_the_commands_after_it_write(
    tmp_path: Path, environment: dict[str, str], service: RecordingServer
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    (folder / "my.feature").write_text(FEATURE)

    def output(*words: str, status: int) -> str:
        command = [sys.executable, "-m", *words]  # not a fork: its W&B client would be one, too
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    logs = ("--junitxml=junit.xml", "--log-file=log.txt", "--log-file-level=DEBUG", "--log-cli-level=DEBUG", "-vv")
    reports = [f"--spec-report={name}" for name in REPORTS]
    outputs = [output("pytest", "my.feature", "--download", *reports, *logs, status=1)]
    outputs += [output("bertspec", *words, "-vv", status=status) for words, status in COMMANDS]
    assert "3 failed" in outputs[0] or "2 failed, 1 passed" in outputs[0]
    assert service.keys, "the key goes to the service, and nowhere else"
    assert any(run.state == "finished" for run in service.runs.values())
    written = [file for file in folder.rglob("*") if file.is_file()]
    assert {*REPORTS, "junit.xml", "log.txt", "run.json"} <= {file.name for file in written}
    recorded = repr(service.operations).encode()
    for secret in SECRETS:
        assert not [file for file in written if secret.encode() in file.read_bytes()]
        assert not [text for text in outputs if secret in text]
        assert secret.encode() not in recorded


COMMANDS = (
    (["doctor"], 0),
    (["list", "runs", "--json"], 0),
    (["show", "latest", "--json"], 0),
    (["report"], 0),
    (["report", "--output", "-", "--format", "markdown"], 0),
    (["report", "--format", "wandb"], 0),
    (["lock", "--encoder", "org/model"], 3),
    (["run", "--encoder", "org/model", "--task", "bundled/sentiment"], 3),
    (["sync"], 0),
)


def test_a_token_that_the_hub_s_own_tools_keep_is_cut_out_of_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    (tmp_path / "token").write_text(f"{KEPT_TOKEN}\n")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "token"))
    assert without_secrets(f"GET with {KEPT_TOKEN} was refused") == "GET with … was refused"
