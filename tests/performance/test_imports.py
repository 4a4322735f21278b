"""What bertspec costs the people who only have it installed."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

LIMIT_S = 0.1


def test_the_plugin_adds_less_than_a_tenth_of_a_second_to_pytest(benchmark: BenchmarkFixture) -> None:
    code = (
        "import time, pytest\n"
        "began = time.perf_counter()\n"
        "import bertspec.pytest_plugin\n"
        "print(time.perf_counter() - began)\n"
    )
    taken_s: list[float] = []

    def import_it() -> None:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        taken_s.append(float(done.stdout))

    benchmark.pedantic(import_it, rounds=5, warmup_rounds=1)
    if benchmark.disabled:
        pytest.skip("timings need the machine to themselves")
    assert min(taken_s) < LIMIT_S
