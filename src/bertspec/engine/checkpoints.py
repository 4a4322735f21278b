"""Checkpoints of a run in training, from which an interrupted run resumes.

A checkpoint is a safetensors file and ``checkpoint.json``, which names the file and holds its hash and everything that
is not a tensor. The JSON file is replaced last, in one operation: whenever a process is killed, the folder holds the
newest whole checkpoint, or the one before it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from bertspec.files import flush, open_regular, own_folder, read_regular, sha256, write_atomic

__all__ = ["Checkpoints", "UnfitCheckpoint"]

_log = logging.getLogger(__name__)

_RECORD = "checkpoint.json"
_TENSOR, _PAIRS = "$tensor", "$pairs"
_LARGEST_RECORD = 256 << 20
"""Bytes of the JSON file, which has the losses of all steps; a million take 40 MiB."""


class UnfitCheckpoint(Exception):
    """A checkpoint that is whole, and does not fit the run that is to resume from it."""


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """Where the state of one run is kept while it trains, and how often."""

    folder: Path
    every: int | None
    """Steps from one checkpoint to the next; None writes none, and still resumes from an existing one."""

    def due(self, step: int, total: int) -> bool:
        """Whether to write a checkpoint after this step; after the last step there is nothing left to resume."""
        return self.every is not None and step % self.every == 0 and step < total

    def save(self, step: int, state: dict[str, Any]) -> bool:
        """Write nested dicts, lists, plain values and tensors; return whether they were written.

        If a checkpoint cannot be written, a warning is logged and the run continues.
        """
        tensors: dict[str, Tensor] = {}
        plain = _without_tensors(state, tensors, "")
        file = self.folder / f"step-{step}.safetensors"
        try:
            own_folder(self.folder).mkdir(parents=True, exist_ok=True)
            file.unlink(missing_ok=True)  # a link there would lead the tensors elsewhere
            save_file(tensors, file)
            flush(file)
            record = {"tensors": file.name, "sha256": sha256(file), "state": plain}
            write_atomic(self.folder / _RECORD, json.dumps(record))
        except (OSError, SafetensorError) as refusal:
            _log.warning("the checkpoint after step %d cannot be written, training goes on: %s", step, refusal)
            return False
        for older in self.folder.glob("step-*.safetensors"):
            if older != file:
                older.unlink(missing_ok=True)
        return True

    def load(self) -> dict[str, Any] | None:
        """Read the newest checkpoint; None if there is none, or if it is damaged."""
        record = self.folder / _RECORD
        if not os.path.lexists(record):
            return None
        try:
            own_folder(self.folder)
            return _read(record)
        except (OSError, ValueError, KeyError, TypeError, RecursionError, SafetensorError) as damage:
            _log.warning("the checkpoint in %s is damaged (%s); training starts anew", self.folder, damage)
            return None


def _read(record: Path) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads(read_regular(record, limit=_LARGEST_RECORD, follow=False))
    file = record.parent / Path(kept["tensors"]).name
    with open_regular(file, follow=False) as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != kept["sha256"]:
        raise ValueError("the tensors are not what was written")
    state: dict[str, Any] = _with_tensors(kept["state"], load_file(file))
    return state


def _without_tensors(value: Any, tensors: dict[str, Tensor], path: str) -> Any:
    """Replace every tensor by its name in ``tensors``."""
    if isinstance(value, Tensor):
        # A copy: the file format refuses tensors that share memory, as tied weights do.
        tensors[path] = value.detach().to("cpu", copy=True).contiguous()
        return {_TENSOR: path}
    if isinstance(value, dict):
        items = [[key, _without_tensors(item, tensors, f"{path}/{key}")] for key, item in value.items()]
        return dict(items) if all(isinstance(key, str) for key in value) else {_PAIRS: items}
    if isinstance(value, list | tuple):
        return [_without_tensors(item, tensors, f"{path}/{number}") for number, item in enumerate(value)]
    return value


def _with_tensors(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_with_tensors(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    if _TENSOR in value:
        return tensors[value[_TENSOR]]
    pairs = value[_PAIRS] if _PAIRS in value else value.items()
    return {key: _with_tensors(item, tensors) for key, item in pairs}
