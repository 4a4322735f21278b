"""Files: read without waiting, written whole or not at all, and their hashes; and folders."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

__all__ = [
    "atomic_folder",
    "flush",
    "open_regular",
    "read_regular",
    "restore_folder",
    "sha256",
    "write_atomic",
]


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all, and onto the disk; it replaces one that is there.

    A reader sees the old content or the new one, whatever moment the writer is killed at. Missing parent folders are
    created.

    Raises:
        OSError: the file cannot be written; what was there stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        draft.write_bytes(content.encode() if isinstance(content, str) else content)
        flush(draft)  # the rename could otherwise reach the disk before the content
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Fill a folder that appears whole or not at all, and on the disk; it replaces one that is there.

    There may be one writer of a path at a time. What a killed writer left behind is removed.

    Yields:
        An empty folder beside ``path``, which is renamed to it unless the body raises or leaves it empty.

    Raises:
        OSError: the folder cannot be written.
    """
    draft = path.with_name(f".draft-{path.name}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        yield draft
        for file in draft.iterdir():
            flush(file)
        if any(draft.iterdir()):
            _replace_folder(path, draft)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def restore_folder(path: Path) -> None:
    """Give a folder back that :func:`atomic_folder` renamed before it was killed."""
    if not path.exists() and _old(path).is_dir():
        with contextlib.suppress(OSError):  # the writer is alive, and was faster
            _old(path).rename(path)


def open_regular(path: Path) -> io.BufferedReader:
    """Open a file to read its bytes. Opening a pipe or a device instead could wait for ever.

    Raises:
        OSError: it cannot be opened, or is no regular file: a folder, a pipe, a socket or a device.
    """
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    except ValueError as refusal:  # a null byte, or half a surrogate pair
        raise OSError(errno.EINVAL, f"its name cannot be a file name ({refusal})") from refusal
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is a folder" if stat.S_ISDIR(mode) else "it is no regular file", str(path))
    return os.fdopen(handle, "rb")


def read_regular(path: Path, *, limit: int) -> bytes:
    """The content of a regular file.

    Args:
        path: the file.
        limit: the largest size in bytes.

    Raises:
        OSError: see :func:`open_regular`; or the file is larger.
    """
    with open_regular(path) as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"it has more than {limit:,} bytes", str(path))
    return content


def sha256(path: Path) -> str:
    """The SHA-256 of a regular file, in hexadecimal."""
    with open_regular(path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def flush(path: Path) -> None:
    """Wait until a file, or the entries of a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _replace_folder(path: Path, draft: Path) -> None:
    """Rename a draft to its path. Killed in between, this leaves the old folder for :func:`restore_folder`."""
    old = _old(path)
    shutil.rmtree(old, ignore_errors=True)
    while path.exists():
        path.rename(old)
        with contextlib.suppress(OSError):  # a reader was in between, and restored the old folder
            draft.rename(path)
            break
    else:
        draft.rename(path)
    flush(path.parent)
    shutil.rmtree(old, ignore_errors=True)


def _old(path: Path) -> Path:
    return path.with_name(f".old-{path.name}")
