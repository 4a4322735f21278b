"""A process that has imported the large libraries, and forks one child for each command: no command pays for imports.

As a script it serves: one JSON object per line comes in (a command), one goes out (its exit status). A child runs
``python -m MODULE ARGUMENTS`` in the folder and the environment that the command names. It has a process of its own
and its own bertspec, imported afresh; torch, transformers, wandb, evaluate and pandas are there already. What those
read from the environment when they are imported, such as ``HF_HUB_OFFLINE``, the server's own environment decides.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

__all__ = ["ForkServer"]

_PATIENCE_S = 900
_LARGE = (
    "evaluate",
    "optuna",
    "pandas",
    "scipy.stats",
    "torch",
    "transformers.models.auto.tokenization_auto",
    "transformers.models.bert.modeling_bert",
    "wandb",
)


class ForkServer:
    """Runs commands in forked children, from ``with`` to its end."""

    def __init__(self, environment: Mapping[str, str], folder: Path) -> None:
        """Start the process; the commands' output passes through files in ``folder``."""
        self._output, self._errors = folder / "stdout", folder / "stderr"
        self._process = subprocess.Popen(
            [sys.executable, __file__], env=dict(environment), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # the end of its input ends it

    def run(
        self, module: str, *arguments: str, folder: Path, environment: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """``python -m module arguments``, as ``subprocess.run`` would have run it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        command = {"module": module, "arguments": arguments, "folder": str(folder), "environment": dict(environment)}
        files = {"output": str(self._output), "errors": str(self._errors)}
        self._process.stdin.write(json.dumps(command | files) + "\n")
        self._process.stdin.flush()
        status = json.loads(self._process.stdout.readline())
        return subprocess.CompletedProcess(
            [module, *arguments], status, self._output.read_text("utf-8"), self._errors.read_text("utf-8")
        )


def _serve() -> None:
    """Fork and wait, line by line; a child leaves the interpreter in the ordinary way, exit handlers included."""
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            return _become(json.loads(line))
        _, status = os.waitpid(process, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()
    return None


def _become(command: Mapping[str, Any]) -> None:
    """Turn this process into the command, which ends by SIGALRM if it hangs."""
    signal.alarm(_PATIENCE_S)
    for descriptor, file in ((0, os.devnull), (1, command["output"]), (2, command["errors"])):
        opened = os.open(file, os.O_RDONLY if descriptor == 0 else os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - the old one has read ahead
    os.chdir(command["folder"])
    os.environ.clear()
    os.environ.update(command["environment"])
    sys.path[0] = command["folder"]
    sys.argv = [command["module"], *command["arguments"]]
    runpy.run_module(command["module"], run_name="__main__", alter_sys=True)


def _import_large_libraries() -> None:
    for name in _LARGE:
        importlib.import_module(name)
    torch: Any = sys.modules["torch"]
    torch.set_num_threads(1)


if __name__ == "__main__":
    _import_large_libraries()
    gc.freeze()  # no child looks through these objects for garbage, which takes a third of a second each time
    _serve()
