"""How soon a message says that a service does not answer, measured from the shell on an idle machine."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.timing import median_of_three_is_below

LIMIT_S = 5.0
BERTSPEC = [sys.executable, "-m", "bertspec"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A store of its own, and no proxy."""
    known = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    known.pop("WANDB_MODE", None)
    return {**known, "BERTSPEC_STORE": str(tmp_path / "store")}


@pytest.fixture
def show(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Write a figure to the terminal, past the capture."""

    def write(text: str) -> None:
        with capsys.disabled():
            request.config.get_terminal_writer().line(f"\n{text}")

    return write


AWAY = {
    "the hub": ("HF_ENDPOINT", "org/model", "the hub does not answer"),
    "W&B": ("WANDB_BASE_URL", "bert-tiny", "does not answer within 2 s; runs are logged offline"),
}


@pytest.mark.parametrize("service", AWAY)
@pytest.mark.parametrize("how", ["refuses", "hangs"])
def test_a_service_that_is_away_is_told_within_five_seconds_of_the_command(
    service: str, how: str, environment: dict[str, str], show: Callable[[str], None]
) -> None:
    """From the shell's side, imports included; the run itself is stopped then."""
    variable, encoder, message = AWAY[service]
    command = [*BERTSPEC, "run", "--encoder", encoder, "--task", "bundled/sentiment", "--seeds", "1"]
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1] if how == 'hangs' else 9}"
        asked = {"HF_HUB_OFFLINE": "0", "WANDB_API_KEY": "planted" + "0" * 33, variable: address}

        def first_message_s() -> float:
            began = time.monotonic()
            with subprocess.Popen(command, env=environment | asked, stderr=subprocess.PIPE, text=True) as process:
                assert process.stderr is not None
                first = process.stderr.readline()
                seconds = time.monotonic() - began
                process.kill()
            assert message in first
            return seconds

        soon, taken = median_of_three_is_below(LIMIT_S, first_message_s)
    show(f"{service} {how}: first message after {', '.join(f'{each:.1f}' for each in taken)} s")
    assert soon, taken
