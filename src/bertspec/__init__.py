"""Executable specifications for BERT-family encoders.

>>> import bertspec
>>> study = bertspec.fine_tune("bert-tiny", "bundled/sentiment", seeds=range(1, 4))
>>> study.to_frame()
>>> study.plot()

Importing the package loads nothing heavy: torch, transformers and pandas are imported by the first call that needs
them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bertspec.errors import (
    BertspecError,
    DataError,
    DeviceError,
    Diverged,
    HashMismatch,
    InvalidConfig,
    SourceError,
    StoreError,
    UnknownName,
    Unreachable,
    UnsafeCheckpoint,
)

if TYPE_CHECKING:
    from bertspec.api import Session, compare, fine_tune, load_run, measure, predict, runs, sweep

__all__ = [
    "BertspecError",
    "DataError",
    "DeviceError",
    "Diverged",
    "HashMismatch",
    "InvalidConfig",
    "Session",
    "SourceError",
    "StoreError",
    "UnknownName",
    "Unreachable",
    "UnsafeCheckpoint",
    "__version__",
    "compare",
    "fine_tune",
    "load_run",
    "measure",
    "predict",
    "runs",
    "sweep",
]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Import what ``bertspec.api`` offers when it is first asked for (PEP 562)."""
    if name in __all__:
        from bertspec import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
