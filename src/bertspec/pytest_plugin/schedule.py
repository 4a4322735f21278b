"""Which worker of ``-n`` runs which scenario.

Scenarios that share a run are kept on one worker by ``--dist loadgroup``. That saves waiting; what keeps two
workers from training the same run is the store and its lock.
"""

from __future__ import annotations

from typing import Any

import pytest
from xdist.scheduler import LoadGroupScheduling  # type: ignore[import-untyped]

__all__ = ["ByRun", "group", "make"]


class ByRun(LoadGroupScheduling):  # type: ignore[misc]  # xdist is untyped
    """Examples with the same id, in whichever feature file, name the same encoder, task and optimizer."""

    def _split_scope(self, nodeid: str) -> str:
        return group(nodeid) or str(super()._split_scope(nodeid))


def group(nodeid: str) -> str | None:
    """The bracketed id of an example, or none where there is no example."""
    path, _, rest = nodeid.partition("::")
    if not path.endswith(".feature") or "[" not in rest:
        return None
    return rest.partition("[")[2].removesuffix("]")


def make(config: pytest.Config, log: Any) -> ByRun | None:
    """The scheduler for ``--dist loadgroup``; other choices are left to xdist."""
    return ByRun(config, log) if config.getoption("dist") == "loadgroup" else None
