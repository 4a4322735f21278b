"""The records of sweeps that lie in a store, one JSON file each."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from bertspec.results import SweepRecord

__all__ = ["sweeps"]


def sweeps(folder: Path) -> tuple[SweepRecord, ...]:
    """Every sweep whose record can be read, the one that began last first.

    Args:
        folder: the folder of a store; its sweeps lie in ``sweeps/``.
    """
    found = (_read(file) for file in (folder / "sweeps").glob("[!.]*.json"))
    return tuple(sorted((one for one in found if one is not None), key=lambda one: (one.began, one.name), reverse=True))


def _read(file: Path) -> SweepRecord | None:
    """Who runs the sweep tells of a damaged record; a report leaves it out."""
    try:
        return SweepRecord.model_validate_json(file.read_bytes())
    except (OSError, ValidationError):
        return None
