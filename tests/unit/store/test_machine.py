"""Errors of the machine: what they keep from being read may be whole, and stays as it is."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

import bertspec.store
from bertspec.errors import InvalidConfig, StoreError
from bertspec.files import sha256
from bertspec.printing import warn_once
from bertspec.store import Store, StoredRun

from .test_store import NAME, old_run, run, store

__all__ = ["old_run", "run", "store"]  # fixtures

Failing = Callable[..., None]
FILES = ["run.json", "arrays.npz"]
OTHER = "e" * 64
ERRORS = [errno.EMFILE, errno.ENFILE, errno.EIO, errno.EACCES, errno.ESTALE, errno.ENOMEM, errno.ETIMEDOUT]


@pytest.fixture(autouse=True)
def _warnings_anew() -> None:
    warn_once.cache_clear()
    bertspec.store._warn_of_other_layouts.cache_clear()


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Failing:
    """Lets the opening of some files fail, as a machine may."""
    opened = os.open

    def fail(name: str, number: int = errno.EMFILE, *, below: str = "") -> None:
        def failing_open(path: Any, *arguments: Any, **options: Any) -> int:
            if Path(path).name == name and below in str(path):
                raise OSError(number, os.strerror(number), str(path))
            return opened(path, *arguments, **options)

        monkeypatch.setattr(os, "open", failing_open)

    return fail


@pytest.fixture
def two(store: Store, run: StoredRun) -> Store:
    """A store of two runs; that of ``NAME`` finished last."""
    store.put(run)
    store.put(run)
    folder = store.root / "runs" / OTHER
    folder.mkdir()
    (folder / "arrays.npz").write_bytes((store.folder(NAME) / "arrays.npz").read_bytes())
    content = json.loads((store.folder(NAME) / "run.json").read_text("utf-8"))
    content["fingerprint"] = OTHER
    content["facts"]["finished"] = "2020-01-01T00:00:00+00:00"
    (folder / "run.json").write_text(json.dumps(content), "utf-8")
    return store


@pytest.mark.parametrize("number", ERRORS, ids=errno.errorcode.get)
@pytest.mark.parametrize("name", FILES)
def test_a_run_that_the_machine_cannot_read_is_reported_and_stays(
    name: str, number: int, store: Store, run: StoredRun, failing: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(run)
    failing(name, number)
    with pytest.raises(StoreError, match=f"the stored run {NAME[:12]} cannot be read: {os.strerror(number)}; given: "):
        store.get(NAME)
    assert store.problem(NAME) == f"the stored run {NAME[:12]} cannot be read: {os.strerror(number)}"
    monkeypatch.undo()
    assert store.get(NAME) is not None
    assert not list(store.root.glob("damaged-*"))


@pytest.mark.parametrize("name", FILES)
def test_a_run_that_the_machine_cannot_read_is_left_out_of_a_series_with_the_reason(
    name: str, two: Store, failing: Failing, caplog: pytest.LogCaptureFixture
) -> None:
    failing(name, errno.EIO, below=NAME)
    assert [each.fingerprint for each in two.runs()] == [OTHER]
    assert [each.fingerprint for each in two.select()] == [OTHER]
    assert two.count() == 2
    assert two.find("latest").fingerprint == OTHER
    assert "cannot be read: Input/output error" in caplog.text
    with pytest.raises(StoreError, match="cannot be read: Input/output error"):
        two.find(NAME[:5])


def test_a_list_names_what_the_machine_cannot_read(
    two: Store, failing: Failing, caplog: pytest.LogCaptureFixture
) -> None:
    failing("run.json", errno.EACCES, below=NAME)
    assert [each.fingerprint for each in two.summaries()] == [OTHER]
    assert f"{NAME[:12]} (Permission denied)" in caplog.text


def test_a_latest_run_that_the_machine_cannot_read_is_no_empty_store(
    store: Store, run: StoredRun, failing: Failing
) -> None:
    store.put(run)
    failing("arrays.npz")
    with pytest.raises(StoreError, match="cannot be read: Too many open files"):
        store.find("latest")


def test_a_record_of_another_layout_is_never_replaced_because_it_cannot_be_read(
    store: Store, run: StoredRun, old_run: Path, failing: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = old_run.rename(old_run.with_name(NAME))
    before = sha256(folder / "run.json")
    failing("run.json")
    with pytest.raises(StoreError, match="cannot be read: Too many open files"):
        store.put(run)
    monkeypatch.undo()
    assert sha256(folder / "run.json") == before


def test_a_folder_of_runs_that_cannot_be_listed_is_no_empty_store(
    store: Store, run: StoredRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: Path) -> NoReturn:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    store.put(run)
    monkeypatch.setattr(Path, "iterdir", refused)
    for read in (Store.summaries, Store.count, lambda each: each.find("latest")):
        with pytest.raises(StoreError, match="the stored runs cannot be read: Permission denied; given: '.*runs'"):
            read(store)


def test_a_model_that_the_machine_cannot_read_is_not_damaged(
    store: Store, failing: Failing, monkeypatch: pytest.MonkeyPatch
) -> None:
    with store.new_model(NAME) as draft:
        (draft / "weights").touch()
    failing("weights", errno.EIO)
    with pytest.raises(StoreError, match="the stored model cannot be read: Input/output error"):
        store.intact_model(NAME)
    monkeypatch.undo()
    assert store.intact_model(NAME) is not None


def test_an_empty_store_has_no_runs(store: Store) -> None:
    assert store.summaries() == []
    with pytest.raises(InvalidConfig, match="the store holds no runs"):
        store.find("latest")
