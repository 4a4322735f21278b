from __future__ import annotations

import argparse
import os
from pathlib import Path

import pytest

from bertspec.cli import options
from bertspec.errors import InvalidConfig, StoreError, UnknownName
from bertspec.store import Store

from .conftest import NEW, OLD


def store_of(named: str | None) -> Path:
    return options.store(argparse.Namespace(store=named)).root


def test_the_store_lies_in_the_nearest_folder_above_that_has_one(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / ".bertspec").mkdir()
    (folder / "features" / "deep").mkdir(parents=True)
    monkeypatch.chdir(folder / "features" / "deep")
    assert store_of(None) == folder / ".bertspec"


def test_without_a_store_above_it_lies_here(folder: Path) -> None:
    assert store_of(None) == folder / ".bertspec"


def test_a_store_may_be_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BERTSPEC_STORE", str(folder / "by-variable"))
    assert store_of(None) == folder / "by-variable"
    assert store_of("by-option") == folder / "by-option"


def test_a_file_is_no_store(folder: Path) -> None:
    (folder / "file").write_text("", "utf-8")
    with pytest.raises(StoreError, match=f"the store is no folder; given: '{folder}/file'"):
        store_of("file")


@pytest.mark.parametrize(("word", "fingerprint"), [("latest", NEW), ("ac", NEW), ("ab0", OLD), (OLD, OLD), ("AB", OLD)])
def test_a_run_is_named_by_the_beginning_of_its_fingerprint(kept: Store, word: str, fingerprint: str) -> None:
    assert options.stored_run(word, kept).fingerprint == fingerprint


def test_a_beginning_of_several_runs_names_none(kept: Store) -> None:
    with pytest.raises(InvalidConfig, match=f"2 runs begin so; given: 'a'; allowed: .*{OLD[:16]}"):
        options.stored_run("a", kept)


def test_an_unknown_run_is_answered_with_the_newest_ones(kept: Store) -> None:
    with pytest.raises(UnknownName, match=f"unknown run; given: 'zz'; allowed: {OLD[:12]}, {NEW[:12]}, latest"):
        options.stored_run("zz", kept)


@pytest.mark.parametrize("word", ["latest", "ab"])
def test_an_empty_store_says_so(folder: Path, word: str) -> None:
    with pytest.raises(InvalidConfig, match="the store holds no runs; .*bertspec run"):
        options.stored_run(word, Store(folder))


def test_the_newest_run_is_named_first(kept: Store) -> None:
    os.utime(kept.folder(OLD) / "run.json", (1, 1))
    assert options.run_names(kept) == [NEW, OLD]
