"""The time that importing bertspec takes."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pytest_benchmark.fixture import BenchmarkFixture


@pytest.mark.parametrize(
    ("before", "module", "limit_s"),
    [("time", "bertspec", 0.3), ("time, pytest", "bertspec.pytest_plugin", 0.1)],
    ids=["the package", "the plugin, on top of pytest"],
)
def test_an_import_is_quick(before: str, module: str, limit_s: float, benchmark: BenchmarkFixture) -> None:
    code = f"import {before}\nbegan = time.perf_counter()\nimport {module}\nprint(time.perf_counter() - began)\n"
    taken_s: list[float] = []

    def import_it() -> None:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        taken_s.append(float(done.stdout))

    benchmark.pedantic(import_it, rounds=5, warmup_rounds=1)
    if benchmark.disabled:
        pytest.skip("timings need the machine to themselves")
    assert min(taken_s) < limit_s
