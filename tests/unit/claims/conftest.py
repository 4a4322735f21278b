from __future__ import annotations

import dataclasses

import pytest

from bertspec.store import Store
from bertspec.study import Session


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The store of all tests of claims: the same runs are trained once."""
    return Store(tmp_path_factory.mktemp("store"))


@pytest.fixture
def session(session: Session, store: Store) -> Session:
    """A session with that store."""
    return dataclasses.replace(session, store=store)
