"""What takes a quarter of an hour, and real data, runs where ``-m full`` names it."""

from __future__ import annotations

from pathlib import Path

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    asked = "full" in config.option.markexpr
    for item in items:
        if Path(__file__).parent in item.path.parents and item.get_closest_marker("full") and not asked:
            item.add_marker(pytest.mark.skip(reason="takes many minutes; runs with -m full"))
