from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from bertspec.files import atomic_folder, restore_folder, sha256, write_atomic


def test_a_file_is_written_with_its_folder_and_replaces_an_older_one(tmp_path: Path) -> None:
    file = tmp_path / "new" / "file.txt"
    write_atomic(file, "one")
    write_atomic(file, "größer".encode())
    assert file.read_text("utf-8") == "größer"
    assert [child.name for child in file.parent.iterdir()] == ["file.txt"]


def test_a_write_that_fails_leaves_the_old_content_and_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file.txt"
    write_atomic(file, "old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomic(file, "new")
    assert file.read_text("utf-8") == "old"
    assert [child.name for child in tmp_path.iterdir()] == ["file.txt"]


def test_the_hash_is_that_of_the_content(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"content")
    assert sha256(tmp_path / "x") == hashlib.sha256(b"content").hexdigest()


def test_a_folder_appears_whole_and_replaces_an_older_one(tmp_path: Path) -> None:
    for content in ("one", "two"):
        with atomic_folder(tmp_path / "x" / "folder") as draft:
            (draft / "file").write_text(content)
    assert (tmp_path / "x" / "folder" / "file").read_text() == "two"
    assert [child.name for child in (tmp_path / "x").iterdir()] == ["folder"]


def test_a_folder_that_cannot_be_filled_leaves_the_old_one(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "folder") as draft:
        (draft / "file").write_text("old")

    def fail() -> None:
        with atomic_folder(tmp_path / "folder") as draft:
            (draft / "file").write_text("new")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert (tmp_path / "folder" / "file").read_text() == "old"
    assert [child.name for child in tmp_path.iterdir()] == ["folder"]


def test_a_folder_that_was_half_replaced_is_restored(tmp_path: Path) -> None:
    (tmp_path / ".old-folder").mkdir()
    restore_folder(tmp_path / "folder")
    assert (tmp_path / "folder").is_dir()
