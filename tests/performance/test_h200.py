"""The script for the GPU, as far as a CPU can try it."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("NVIDIA H200", 4.8e12),
        ("NVIDIA H100 80GB HBM3", 3.35e12),
        ("NVIDIA H100 PCIe", 2.0e12),
        ("NVIDIA L4", None),
    ],
)
def test_the_bandwidth_is_that_of_the_device_and_not_of_another(name: str, expected: float | None) -> None:
    import h200

    assert h200.bandwidth(name) == expected


def test_what_runs_too_long_is_ended() -> None:
    import h200

    began = time.monotonic()
    with pytest.raises(h200.OutOfTimeError, match=r"not done after 0\.05 s"), h200.time_box(0.05):
        time.sleep(5)
    assert time.monotonic() - began < 4


def test_a_trainer_that_compiles_comes_last_and_is_left_out_if_it_takes_too_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import h200

    ran: list[str] = []

    def trainer(_: str, variant: str) -> Any:
        ran.append(variant)
        if "torch_compile" in h200.VARIANTS[variant]:
            raise h200.OutOfTimeError
        return SimpleNamespace(examples_per_s={"padded": 1.0, "grouped": 2.0}[variant])

    monkeypatch.setattr(h200, "trainer", trainer)
    monkeypatch.setattr(h200.torch.compiler, "reset", lambda: None)
    record = h200.find_fastest({"sst2": "a job"}, limit_s=60.0)
    assert record == {"sst2": {"examples_per_s": {"padded": 1.0, "grouped": 2.0}, "fastest": "grouped"}}
    assert [variant for variant in ran if variant in ("padded", "grouped")] == ran[:6]
