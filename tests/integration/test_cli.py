"""The command line, from a shell."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.integration.fork_server import ForkServer
from tests.integration.interrupts import heed_interrupts, unmeasured
from tests.timing import median_of_three_is_below

BERTSPEC = [sys.executable, "-m", "bertspec"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """No W&B, no hub."""
    return {**os.environ, "WANDB_MODE": "disabled", "HF_HUB_OFFLINE": "1", "BERTSPEC_STORE": str(tmp_path / "store")}


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["list", "encoders"], ["list", "runs"]])
def test_a_short_command_is_quick_and_does_not_load_torch(words: list[str], environment: dict[str, str]) -> None:
    code = (
        "import sys\nfrom bertspec.cli import main\n"
        f"try:\n    main({words!r})\nexcept SystemExit:\n    pass\n"
        "print(sorted({'torch', 'transformers', 'wandb', 'datasets', 'sklearn', 'scipy'} & set(sys.modules)))\n"
    )

    def computed_s() -> float:
        """Seconds of processor time: other tests run at the same time."""
        began = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert done.stdout.splitlines()[-1] == "[]"
        return ended.ru_utime - began.ru_utime + ended.ru_stime - began.ru_stime

    quick, taken = median_of_three_is_below(3.0, computed_s)  # 1.2 s under coverage
    assert quick, taken


def test_closing_the_pipe_early_is_not_an_error(environment: dict[str, str]) -> None:
    command = f"{sys.executable} -m bertspec list encoders | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["/bin/bash", "-c", command], env=environment, capture_output=True, text=True, check=True)
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["albert-tiny", "0"]
    assert done.stderr == ""


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_not_a_bug(closed: str, environment: dict[str, str]) -> None:
    command = f"{sys.executable} -m bertspec list encoders {closed}"
    assert subprocess.run(["/bin/bash", "-c", command], env=environment, check=False).returncode == 0


def test_without_standard_input_there_is_nothing_to_predict(environment: dict[str, str]) -> None:
    command = f"{sys.executable} -m bertspec predict latest <&-"
    done = subprocess.run(["/bin/bash", "-c", command], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.partition(";")[0]) == (2, "error: the store holds no runs")


def test_the_shell_is_offered_names(environment: dict[str, str]) -> None:
    line = "bertspec run --encoder bert-t"
    asked = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_SUPPRESS_SPACE": "1"}
    code = "import os, sys\nsys.argv = ['bertspec']\nos.dup2(1, 8)\nfrom bertspec.cli import main\nmain()\n"
    done = subprocess.run(
        [sys.executable, "-c", code], env={**environment, **asked}, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["bert-tiny"]


def test_an_interrupted_run_says_so_and_goes_on_later(
    environment: dict[str, str], tmp_path: Path, fork_server: ForkServer
) -> None:
    words = ["run", "--encoder", "bert-tiny", "--task", "bundled/sentiment", "--seeds", "1", "--steps", "150"]
    words += ["--checkpoint-every", "5"]
    with subprocess.Popen(
        [*BERTSPEC, *words],
        env=unmeasured(environment),
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_interrupts,  # noqa: PLW1509 - no threads yet
    ) as process:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("store/unfinished/*/checkpoint.json")) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, message = process.communicate(timeout=30)
    assert process.returncode == 130
    assert message == f"interrupted; 0 runs are kept in {tmp_path / 'store'}\n"
    again = fork_server.run("bertspec", *words, folder=tmp_path, environment=environment)
    assert "(resumed after step " in again.stdout


def test_an_encoder_is_measured_from_the_shell(
    environment: dict[str, str], tmp_path: Path, fork_server: ForkServer
) -> None:
    words = "measure --encoder bert-tiny --against bert-tiny --lengths 4 --rounds 5 --calls 2 --batch-size 2 --json"
    done = fork_server.run("bertspec", *words.split(), folder=tmp_path, environment=environment)
    measured = json.loads(done.stdout)
    assert [each["encoder"] for each in measured["encoders"]] == ["bert-tiny", "bert-tiny"]
    assert all(0.01 < ratio < 100 for ratio in measured["ratios"][0]["p50"])
    assert measured["peak_memory_bytes"] > 50_000_000
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == []


def test_a_text_beyond_the_positions_is_refused_in_one_line(
    environment: dict[str, str], tmp_path: Path, fork_server: ForkServer
) -> None:
    words = ["measure", "--encoder", "bert-tiny", "--lengths", "512"]
    done = fork_server.run("bertspec", *words, folder=tmp_path, environment=environment)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert "given: 'tokens 512'; allowed: at most 66; where: encoder 'bert-tiny'" in done.stderr
