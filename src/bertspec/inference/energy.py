"""Energy of a computation, by the counters that the processor keeps of itself (RAPL).

Linux shows them in ``/sys/class/powercap``, since 2020 to root alone (they leak what others compute), and not in
virtual machines. They count a whole processor package, whatever runs on it, about a thousand times a second; DRAM and
everything else of the machine are not in it. A GPU's energy would come from NVML; that is not measured yet.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bertspec.device import Device

__all__ = ["POWERCAP", "Counter", "Meter", "find"]

POWERCAP = Path("/sys/class/powercap")


@dataclass(frozen=True, slots=True)
class Counter:
    """The energy of one processor package, in a file."""

    file: Path
    range_uj: int
    """After so many microjoules it begins again at zero."""

    def read_uj(self) -> int:
        """Microjoules since some moment in the past."""
        return int(self.file.read_text("ascii"))


@dataclass(frozen=True, slots=True)
class Meter:
    """The counters of all processor packages, or the reason why there are none."""

    counters: tuple[Counter, ...] = ()
    lacks: str | None = None

    def read_uj(self) -> tuple[int, ...]:
        """What each counter shows now."""
        return tuple(counter.read_uj() for counter in self.counters)

    def joules(self, before: tuple[int, ...], after: tuple[int, ...]) -> float:
        """The energy between two readings, less than a counter's range apart (minutes); 0 without counters."""
        used = zip(self.counters, before, after, strict=True)
        return sum((end - start) % (counter.range_uj + 1) for counter, start, end in used) / 1e6


def find(device: Device, powercap: Path = POWERCAP) -> Meter:
    """The meter of a device.

    Args:
        device: where the computation runs.
        powercap: the folder in which Linux shows the counters.
    """
    if device.kind == "cuda":
        return Meter(lacks="the energy of a GPU is not measured yet (it would be read from NVML)")
    try:
        meter = Meter(tuple(_counter(zone) for zone in _packages(powercap)))
        meter.read_uj()
    except (OSError, ValueError) as refusal:
        return Meter(lacks=f"the processor's energy counters cannot be read: {refusal}")
    if not meter.counters:
        return Meter(lacks=f"no energy counter of a processor is in {powercap} (a virtual machine has none)")
    return meter


def _packages(powercap: Path) -> list[Path]:
    """One zone for each processor package. Other zones are parts of it, or show it once more by another way (mmio)."""
    zones = [zone for zone in sorted(powercap.glob("intel-rapl:*")) if (zone / "energy_uj").exists()]
    named = {(zone / "name").read_text("ascii").strip(): zone for zone in reversed(zones)}
    return [zone for name, zone in sorted(named.items()) if name.startswith("package")]


def _counter(zone: Path) -> Counter:
    return Counter(zone / "energy_uj", int((zone / "max_energy_range_uj").read_text("ascii")))
