from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from bertspec.files import sha256, write_atomic


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
