"""Checkpoints of a run in training, from which an interrupted run resumes.

A checkpoint is a safetensors file and ``checkpoint.json``, which names the file and holds its hash and everything that
is not a tensor. The JSON file is replaced last, in one operation: whenever a process is killed, the folder holds the
newest whole checkpoint, or the one before it.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from bertspec.files import flush, sha256, write_atomic

__all__ = ["Checkpoints"]

_log = logging.getLogger(__name__)

_RECORD = "checkpoint.json"
_TENSOR, _PAIRS = "$tensor", "$pairs"


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
            self.folder.mkdir(parents=True, exist_ok=True)
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
        if not record.is_file():
            return None
        try:
            return _read(record)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as damage:
            _log.warning("the checkpoint in %s is damaged (%s); training starts anew", self.folder, damage)
            return None


def _read(record: Path) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads(record.read_text("utf-8"))
    file = record.parent / Path(kept["tensors"]).name
    if sha256(file) != kept["sha256"]:
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
