"""Which weight files may be read: safetensors, and no pickle."""

from __future__ import annotations

from collections.abc import Iterable

from bertspec.errors import SourceError, UnsafeCheckpoint

__all__ = ["SAFE", "check"]

SAFE = ".safetensors"
"""The suffix of weights that hold nothing but numbers."""

_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack")


def check(files: Iterable[str], where: object) -> None:
    """Refuse a checkpoint by the names of its files.

    Raises:
        UnsafeCheckpoint: only pickled weights are there.
        SourceError: no weights are there.
    """
    names = sorted(files)
    if any(name.endswith(SAFE) for name in names):
        return
    pickles = [name for name in names if name.endswith(_PICKLES)]
    if pickles:
        raise UnsafeCheckpoint(
            "only pickled weights are here, and a pickle runs code when it is loaded",
            given=", ".join(pickles),
            allowed=f"weights in *{SAFE}",
            where=where,
        )
    raise SourceError("no weights are here", allowed=f"weights in *{SAFE}", where=where)
