"""Files: read without waiting, written whole or not at all, and their hashes; and folders.

A store may be writable for others. So nothing here follows a link that lies where a file or folder is about to be
written, and ``follow=False`` reads through none.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from io import BufferedReader, BufferedWriter
from pathlib import Path
from typing import IO

__all__ = [
    "NO_FILE",
    "NotRegular",
    "atomic_folder",
    "create",
    "flush",
    "is_folder",
    "is_lfs_pointer",
    "open_regular",
    "own_entries",
    "own_folder",
    "read_regular",
    "remove",
    "restore_folder",
    "sha256",
    "unlink_irregular",
    "write_atomic",
]

_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)
"""Opening a pipe would otherwise wait for its other end."""
_LFS_POINTER = b"version https://git-lfs.github.com/spec/"


class NotRegular(OSError):
    """A link, a pipe, a device or a folder, or a file of more bytes than are read."""


NO_FILE = (FileNotFoundError, NotADirectoryError, NotRegular)
"""What opening raises where no file lies. Any other OSError is an error of the machine: the file may be whole."""


def write_atomic(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all, and onto the disk; it replaces one that is there.

    A reader sees the old content or the new one, whatever moment the writer is killed at. Missing parent folders are
    created.

    Raises:
        NotRegular: a folder is there.
        OSError: the file cannot be written; what was there stays.
    """
    _refuse_folder(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        with create(draft) as stream:
            stream.write(content.encode() if isinstance(content, str) else content)
        flush(draft)  # the rename could otherwise reach the disk before the content
        draft.replace(path)
    finally:
        remove(draft)


def create(path: Path) -> BufferedWriter:
    """A new file, open for writing. It replaces a file or a link that is there; the link's target stays as it is.

    Raises:
        NotRegular: a folder is there.
        OSError: the file cannot be created.
    """
    _refuse_folder(path)
    path.unlink(missing_ok=True)
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW, 0o666), "wb")


def is_folder(path: Path) -> bool:
    """Whether a path leads to a folder. A name that no file can have, and a loop of links, do not."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def is_lfs_pointer(stream: IO[bytes]) -> bool:
    """Whether a file, open at its start, only points to its content in Git LFS. It stays at its start."""
    begins = stream.read(len(_LFS_POINTER))
    stream.seek(0)
    return begins == _LFS_POINTER


def open_regular(path: Path, *, follow: bool = True) -> BufferedReader:
    """Open a file to read its bytes. Opening a pipe or a device instead could wait for ever.

    Args:
        path: the file.
        follow: whether it may be a symbolic link to a file.

    Raises:
        NotRegular: it is no regular file: a folder, a pipe, a socket, a device or a link.
        OSError: it cannot be opened.
    """
    flags = os.O_RDONLY | _NO_WAIT | getattr(os, "O_BINARY", 0)
    try:
        handle = os.open(path, flags if follow else flags | _NO_FOLLOW)
    except ValueError as refusal:  # a null byte, or half a surrogate pair
        raise OSError(errno.EINVAL, f"its name cannot be a file name ({refusal})") from refusal
    except OSError as refusal:
        if not follow and path.is_symlink():
            raise NotRegular(errno.ELOOP, "it is a symbolic link", str(path)) from refusal
        if refusal.errno == errno.ENXIO:
            raise NotRegular(errno.ENXIO, "it is a socket", str(path)) from refusal
        raise
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        os.close(handle)
        raise NotRegular(errno.EINVAL, "it is a folder" if stat.S_ISDIR(mode) else "it is no regular file", str(path))
    return os.fdopen(handle, "rb")


def read_regular(path: Path, *, limit: int, follow: bool = True) -> bytes:
    """The content of a regular file.

    Args:
        path: the file.
        limit: the largest size in bytes.
        follow: whether it may be a symbolic link to a file.

    Raises:
        NotRegular: see :func:`open_regular`; or the file is larger.
        OSError: it cannot be read.
    """
    with open_regular(path, follow=follow) as stream:
        size = os.fstat(stream.fileno()).st_size
        content = stream.read(size + 1) if size <= limit else b""
        if size < len(content) <= limit:  # it grows, or has no size, as in /proc
            content += stream.read(limit + 1 - len(content))
    if max(size, len(content)) > limit:
        raise NotRegular(errno.EFBIG, f"it has more than {limit:,} bytes", str(path))
    return content


def own_folder(path: Path) -> Path:
    """A folder of a store, by its path. It need not exist yet.

    Raises:
        NotRegular: the path is a link, which may lead out of the store, or a file.
        OSError: what lies there cannot be examined.
    """
    status = _status(path)
    if status is not None and not stat.S_ISDIR(status.st_mode):
        kind = "symbolic link" if stat.S_ISLNK(status.st_mode) else "file"
        raise NotRegular(errno.ENOTDIR, f"a folder of the store is a {kind}", str(path))
    return path


def own_entries(folder: Path) -> list[Path]:
    """What lies in a folder of a store, sorted, without hidden entries; empty if it does not exist.

    Raises:
        NotRegular: it is a link or a file.
        OSError: it cannot be read.
    """
    try:
        entries = sorted(own_folder(folder).iterdir(), key=lambda entry: entry.name)
    except FileNotFoundError:
        return []
    return [entry for entry in entries if not entry.name.startswith(".")]


def unlink_irregular(path: Path) -> None:
    """Remove a link, a pipe or a device, where a regular file is to be opened for writing; a regular file stays.

    A file with a second name goes, too, because it would be written under both.

    Raises:
        NotRegular: a folder is there.
        OSError: it cannot be removed.
    """
    _refuse_folder(path)
    status = _status(path)
    if status is not None and (not stat.S_ISREG(status.st_mode) or status.st_nlink > 1):
        path.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Remove a folder with its content, a file or a link, as far as possible; the target of a link stays."""
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


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
    remove(draft)
    draft.mkdir(parents=True)
    try:
        yield draft
        for file in draft.iterdir():
            flush(file)
        if any(draft.iterdir()):
            _replace_folder(path, draft)
    finally:
        remove(draft)


def restore_folder(path: Path) -> None:
    """Give a folder back that :func:`atomic_folder` renamed before it was killed."""
    if not os.path.lexists(path) and _old(path).is_dir() and not _old(path).is_symlink():
        with contextlib.suppress(OSError):  # the writer is alive, and was faster
            _old(path).rename(path)


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


def _status(path: Path) -> os.stat_result | None:
    """The status of what lies at a path, of a link itself; None for nothing."""
    try:
        return path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _refuse_folder(path: Path) -> None:
    status = _status(path)
    if status is not None and stat.S_ISDIR(status.st_mode):
        raise NotRegular(errno.EISDIR, "a folder lies where a file belongs", str(path))


def _replace_folder(path: Path, draft: Path) -> None:
    """Rename a draft to its path. Killed in between, this leaves the old folder for :func:`restore_folder`."""
    old = _old(path)
    remove(old)
    while os.path.lexists(path):
        path.rename(old)
        with contextlib.suppress(OSError):  # a reader was in between, and restored the old folder
            draft.rename(path)
            break
    else:
        draft.rename(path)
    flush(path.parent)
    remove(old)


def _old(path: Path) -> Path:
    return path.with_name(f".old-{path.name}")
