from __future__ import annotations

from pathlib import Path

import pytest

from bertspec.device import Device
from bertspec.inference.measuring import find_meter

CPU = Device("cpu", "fp32", 1)


def zone(powercap: Path, folder: str, name: str, *, shown: int) -> Path:
    path = powercap / folder
    path.mkdir(parents=True)
    (path / "name").write_text(f"{name}\n")
    (path / "energy_uj").write_text(f"{shown}\n")
    (path / "max_energy_range_uj").write_text("999999999\n")
    return path / "energy_uj"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """The first of two packages, among zones that would count it twice."""
    zone(tmp_path, "intel-rapl:0:0", "core", shown=50)
    zone(tmp_path, "intel-rapl:1", "package-1", shown=7)
    zone(tmp_path, "intel-rapl:2", "psys", shown=50)
    zone(tmp_path, "intel-rapl-mmio:0", "package-0", shown=50)
    (tmp_path / "intel-rapl").mkdir()
    return zone(tmp_path, "intel-rapl:0", "package-0", shown=1_000)


def test_every_package_counts_once(package: Path, tmp_path: Path) -> None:
    meter = find_meter(CPU, tmp_path)
    assert meter.lacks is None
    assert meter.read_uj() == (1_000, 7)
    before = meter.read_uj()
    package.write_text("3001000\n")
    assert meter.joules(before, meter.read_uj()) == 3.0


@pytest.mark.usefixtures("package")
def test_a_counter_that_began_again_at_zero_is_understood(tmp_path: Path) -> None:
    meter = find_meter(CPU, tmp_path)
    assert meter.joules((999_999_000, 7), (1_000, 7)) == pytest.approx(0.002)


def test_counters_that_only_root_may_read_are_a_reason(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: Path, encoding: str | None = None) -> str:
        if self.name == "energy_uj":
            raise PermissionError(13, "Permission denied", str(self))
        return honest(self, encoding)

    honest = Path.read_text
    monkeypatch.setattr(Path, "read_text", refused)
    meter = find_meter(CPU, tmp_path)
    assert (meter.counters, meter.read_uj(), meter.joules((), ())) == ((), (), 0)
    assert str(meter.lacks).startswith("the processor's energy counters cannot be read: [Errno 13] Permission denied")
    assert str(package) in str(meter.lacks)


def test_a_machine_without_counters_is_a_reason(tmp_path: Path) -> None:
    assert "has no energy counter of a processor" in str(find_meter(CPU, tmp_path).lacks)
    assert "no energy counter" in str(find_meter(CPU, tmp_path / "nowhere").lacks)


def test_a_gpu_is_not_measured_by_the_processor_s_counters(package: Path, tmp_path: Path) -> None:
    assert package.exists()
    assert "NVML" in str(find_meter(Device("cuda", "bf16", 1), tmp_path).lacks)
