"""The tags that bertspec's own feature files use; a repository adds its own under ``markers``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bertspec.pytest_plugin.capabilities import CAPABILITIES

__all__ = ["known", "register"]

_TAGS = {
    "bundled": "needs nothing that is not installed with bertspec",
    "smoke": "takes seconds on a CPU",
    "slow": "takes minutes on a CPU",
    "bert": "about BERT or a near relative of its architecture",
}


def register(config: pytest.Config) -> None:
    """Make the tags known to pytest, for ``-m``, ``--markers`` and strict markers."""
    for name, description in _described():
        config.addinivalue_line("markers", f"{name}: {description}")


def known(config: pytest.Config) -> frozenset[str]:
    """The names of all markers that pytest knows: ours, its own, and those of the user's configuration."""
    lines: list[str] = config.getini("markers")
    return frozenset(line.partition(":")[0].partition("(")[0].strip() for line in lines)


def _described() -> Iterator[tuple[str, str]]:
    yield from _TAGS.items()
    for name, capability in CAPABILITIES.items():
        yield name, capability.description
