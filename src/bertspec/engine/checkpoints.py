"""Checkpoints of a run in training, from which an interrupted run resumes.

A checkpoint is a safetensors file and ``checkpoint.json``, which names the file and holds its hash and everything that
is not a tensor. The JSON file is replaced last, in one operation: whenever a process is killed, the folder holds the
newest whole checkpoint, or the one before it.
"""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from bertspec.errors import StoreError
from bertspec.files import NO_FILE, flush, open_regular, own_entries, own_folder, read_regular, sha256, write_atomic
from bertspec.printing import brief

__all__ = ["Checkpoints", "UnfitCheckpoint"]

_log = logging.getLogger(__name__)

_RECORD = "checkpoint.json"
_TENSOR, _PAIRS = "$tensor", "$pairs"
_BYTES_A_STEP = 128
"""Of the JSON file: a loss, a learning rate, perhaps a score and the number of its step, of up to 24 digits each."""
_OTHER_BYTES = 4 << 20
"""Of the JSON file, besides those of the steps: the names of the tensors, of which a large encoder has thousands."""


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
            _log.warning("the checkpoint after step %d cannot be written, training goes on: %s", step, brief(refusal))
            return False
        for older in self.folder.glob("step-*.safetensors"):
            if older != file:
                older.unlink(missing_ok=True)
        return True

    def load(self, steps: int) -> dict[str, Any] | None:
        """Read the newest checkpoint; None if there is none, or if it is damaged.

        Args:
            steps: those of the run; they bound what is read.

        Raises:
            StoreError: it cannot be read, though it may be whole.
        """
        record = self.folder / _RECORD
        try:
            if record not in own_entries(self.folder):
                return None
            return _read(record, _OTHER_BYTES + steps * _BYTES_A_STEP)
        except (*NO_FILE, ValueError, KeyError, TypeError, RecursionError, SafetensorError) as damage:
            _log.warning("the checkpoint in %s is damaged (%s); training starts anew", self.folder, brief(damage))
            return None
        except OSError as refusal:
            raise StoreError(
                f"the checkpoint of this run cannot be read: {refusal.strerror or refusal}",
                allowed="a checkpoint that this user may read; or remove its folder, and training starts anew",
                where=self.folder,
            ) from refusal


def _read(record: Path, limit: int) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads(read_regular(record, limit=limit, follow=False))
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
