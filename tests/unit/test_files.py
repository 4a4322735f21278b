from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from bertspec.files import (
    NotRegular,
    atomic_folder,
    create,
    is_folder,
    open_regular,
    own_entries,
    own_folder,
    read_regular,
    remove,
    restore_folder,
    sha256,
    unlink_irregular,
    write_atomic,
)


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


def test_a_link_where_a_file_is_written_is_replaced_and_its_target_stays(tmp_path: Path, victim: Path) -> None:
    for name in ("file.txt", f".file.txt.{os.getpid()}.draft"):
        (tmp_path / name).symlink_to(victim / "step-1.safetensors")
    write_atomic(tmp_path / "file.txt", "ours")
    assert not (tmp_path / "file.txt").is_symlink()
    assert (tmp_path / "file.txt").read_text() == "ours"


def test_a_new_file_replaces_a_link_or_a_pipe(tmp_path: Path, victim: Path) -> None:
    (tmp_path / "link").symlink_to(victim / "step-1.safetensors")
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe"):
        with create(tmp_path / name) as stream:
            stream.write(b"ours")
        assert (tmp_path / name).read_bytes() == b"ours"


@pytest.mark.parametrize("name", [".draft-folder", ".old-folder", "folder"])
@pytest.mark.parametrize("target", ["victim", "nothing"])
def test_a_link_where_a_folder_is_written_is_replaced_and_its_target_stays(
    name: str, target: str, tmp_path: Path, victim: Path
) -> None:
    (tmp_path / name).symlink_to(tmp_path / target)
    with atomic_folder(tmp_path / "folder") as draft:
        (draft / "ours").touch()
    assert not (tmp_path / "folder").is_symlink()
    assert [each.name for each in tmp_path.iterdir() if each != victim] == ["folder"]


def test_a_link_is_not_restored(tmp_path: Path, victim: Path) -> None:
    (tmp_path / ".old-folder").symlink_to(victim)
    restore_folder(tmp_path / "folder")
    assert not (tmp_path / "folder").exists()


def test_only_a_link_is_removed_and_not_its_target(tmp_path: Path, victim: Path) -> None:
    (tmp_path / "link").symlink_to(victim)
    remove(tmp_path / "link")
    assert [each.name for each in tmp_path.iterdir()] == ["victim"]


def test_a_link_leads_to_a_file_only_where_that_is_wanted(tmp_path: Path, victim: Path) -> None:
    (tmp_path / "link").symlink_to(victim / "step-1.safetensors")
    assert read_regular(tmp_path / "link", limit=8) == b"precious"
    with pytest.raises(NotRegular, match="it is a symbolic link"):
        read_regular(tmp_path / "link", limit=8, follow=False)


def test_what_is_no_file_is_not_read_and_nobody_waits(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, reason in ((tmp_path / "pipe", "no regular file"), (tmp_path, "a folder"), (Path("/dev/zero"), "no")):
        with pytest.raises(NotRegular, match=reason):
            read_regular(path, limit=8)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(OSError, match="symbolic link"):
        read_regular(tmp_path / "loop", limit=8)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "sparse").open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(NotRegular, match="it has more than 8 bytes"):
        read_regular(tmp_path / "sparse", limit=8)


def test_a_file_without_a_size_is_read_to_its_end() -> None:
    assert read_regular(Path("/proc/self/status"), limit=1 << 20).count(b"\n") > 10


def test_a_folder_of_a_store_is_neither_a_link_nor_a_file(tmp_path: Path, victim: Path) -> None:
    (tmp_path / "link").symlink_to(victim)
    for path, reason in ((tmp_path / "link", "is a symbolic link"), (victim / "step-1.safetensors", "is a file")):
        with pytest.raises(OSError, match=reason):
            own_folder(path)
    assert own_folder(tmp_path / "new") == tmp_path / "new"


def test_only_what_is_neither_a_file_nor_a_folder_is_unlinked(tmp_path: Path, victim: Path) -> None:
    (tmp_path / "link").symlink_to(victim / "step-1.safetensors")
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "link", tmp_path / "pipe", victim / "step-1.safetensors", tmp_path / "nothing"):
        unlink_irregular(path)
    assert [each.name for each in tmp_path.iterdir()] == ["victim"]


@pytest.mark.parametrize("write", [create, unlink_irregular, lambda path: write_atomic(path, "ours")])
def test_a_folder_where_a_file_belongs_is_refused_and_stays(
    write: Callable[[Path], object], tmp_path: Path, victim: Path
) -> None:
    with pytest.raises(NotRegular, match="a folder lies where a file belongs"):
        write(victim)
    assert [each.name for each in tmp_path.iterdir()] == ["victim"]


def test_a_file_with_a_second_name_loses_this_one(tmp_path: Path, victim: Path) -> None:
    (tmp_path / "lock").hardlink_to(victim / "step-1.safetensors")
    unlink_irregular(tmp_path / "lock")
    assert not (tmp_path / "lock").exists()


def test_a_socket_is_no_file(tmp_path: Path) -> None:
    os.mknod(tmp_path / "socket", stat.S_IFSOCK)
    with pytest.raises(NotRegular, match="it is a socket"):
        open_regular(tmp_path / "socket")


def test_the_entries_of_a_folder_are_sorted_and_hidden_ones_left_out(tmp_path: Path, victim: Path) -> None:
    for name in ("b", "a", ".draft"):
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to(victim)
    assert [each.name for each in own_entries(tmp_path)] == ["a", "b", "link", "victim"]
    assert own_entries(tmp_path / "nothing") == []
    for path in (tmp_path / "link", tmp_path / "a"):
        with pytest.raises(NotRegular, match="a folder of the store is a"):
            own_entries(path)


def test_a_path_that_no_file_can_have_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert is_folder(tmp_path)
    for name in ("missing", "loop", "a" * 500, "a\0b"):
        assert not is_folder(tmp_path / name)
