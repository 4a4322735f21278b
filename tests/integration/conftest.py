"""A warm process for the commands of a test."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.integration.fork_server import ForkServer


@pytest.fixture(scope="session")
def fork_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkServer]:
    """Runs commands that download nothing."""
    with ForkServer({**os.environ, "HF_HUB_OFFLINE": "1"}, tmp_path_factory.mktemp("fork-server")) as server:
        yield server
