"""One finished run: ``run.json`` and ``arrays.npz`` in a folder.

Whoever may write in a store may plant any content, so both files are read in bounded memory: regular files only, up to
a stated size, uncompressed, with the shapes that the record allows.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, model_validator
from pydantic_core import from_json

from bertspec import metrics
from bertspec.config import MOST_ROWS, RunConfig
from bertspec.errors import BertspecError, StoreError
from bertspec.files import NO_FILE, open_regular, own_folder, read_regular, sha256
from bertspec.records import FrozenRecord, layout_of, validate
from bertspec.results import Curve, Outcomes, RunFacts, RunResult

__all__ = [
    "DAMAGE",
    "LAYOUT",
    "OtherLayout",
    "RunRecord",
    "RunSummary",
    "StoredRun",
    "layout_in",
    "read",
    "read_record",
    "read_summary",
    "same_score",
    "write",
]

DAMAGE = (
    *NO_FILE,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    EOFError,
    RuntimeError,
    BertspecError,
    zipfile.BadZipFile,
)
"""What reading a damaged folder may raise."""

LAYOUT: Final = 2
"""The layout of ``run.json``; earlier stores have layout 1."""

_LARGEST_RECORD = 8 << 20
"""Bytes of ``run.json``, which has about 4,000; a task of thousands of classes has more."""
_LARGEST_ARRAYS = 1 << 30
"""Bytes of ``arrays.npz``, whatever its record says; 10 million examples of 20 classes have fewer."""
_ARRAYS: dict[str, type[np.generic]] = {
    "outputs": np.float32,
    "references": np.float64,
    "loss": np.float64,
    "learning_rate": np.float64,
    "evaluated": np.int64,
    "score": np.float64,
}
"""Every array of ``arrays.npz``, with its type."""
_LAYOUTS = 1_000_000
"""A larger number is no layout."""
_ROWS_AT_ONCE = 1 << 16
"""Rows whose outputs are checked at a time: their losses take several times the memory of the outputs."""
_HEADER = 512
"""Characters of the header of an array, which has about 100."""
_SAME_SCORE = 1e-6
"""Recomputed scores may differ by so much: other versions of numpy and scikit-learn round differently."""


class OtherLayout(Exception):
    """``run.json`` has another layout of bertspec's store."""

    def __init__(self, layout: int) -> None:
        super().__init__(layout)
        self.layout = layout


class RunRecord(FrozenRecord):
    """``run.json``: what was asked for and what came of it, without the arrays."""

    layout: Literal[2] = LAYOUT
    fingerprint: str
    session: str
    """See :class:`StoredRun`."""
    arrays_sha256: str
    config: RunConfig
    facts: RunFacts

    @model_validator(mode="after")
    def _one_run(self) -> Self:
        if set(self.facts.scores) != set(self.config.task.metrics):
            raise ValueError("its scores are not those of its task's metrics")
        if self.facts.seed != self.config.seed:
            raise ValueError("it has two seeds")
        return self


class RunSummary(NamedTuple):
    """What a list shows of a finished run; the rest of its record is checked when the run is read."""

    fingerprint: str
    encoder: str
    task: str
    optimizer: str
    seed: int
    metrics: tuple[str, ...]
    """The task's metrics, the main one first."""
    scores: dict[str, float]
    """The recorded score of each."""
    device: str
    finished: str
    """See :class:`bertspec.results.RunFacts`."""


_SUMMARY = TypeAdapter(RunSummary)


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A finished run and its config."""

    fingerprint: str
    config: RunConfig
    result: RunResult
    session: str = ""
    """The id of the session that trained it. ``--fresh`` compares ids, because clocks may be set back."""

    def recomputed(self, names: tuple[str, ...] | None = None) -> dict[str, float]:
        """The scores that the run's outputs give; NaN for one that they cannot give.

        Metrics that this process does not have are left out.

        Args:
            names: the metrics; ``None`` takes those of the task.
        """
        known = [name for name in names or self.config.task.metrics if name in metrics.METRICS]
        return {name: _score(name, self.result.outcomes) for name in known}

    def disagreement(self, names: tuple[str, ...] | None = None) -> str | None:
        """The recorded scores that the run's outputs do not give, in words; ``None`` if they agree.

        Args:
            names: see :meth:`recomputed`.
        """
        recorded = self.result.facts.scores
        wrong = [
            f"{name} {recorded[name]:.4f} is recorded, and the outputs give {score:.4f}"
            for name, score in self.recomputed(names).items()
            if not same_score(recorded[name], score)
        ]
        return "; ".join(wrong) or None


def write(folder: Path, run: StoredRun) -> None:
    """Fill an empty folder.

    Raises:
        StoreError: the run has more than could be read again.
        OSError: the folder cannot be written.
    """
    arrays = folder / "arrays.npz"
    outcomes, curve = run.result.outcomes, run.result.curve
    np.savez(
        arrays,
        allow_pickle=False,
        outputs=outcomes.outputs,
        references=outcomes.references,
        loss=curve.loss,
        learning_rate=curve.learning_rate,
        evaluated=curve.evaluated,
        score=curve.score,
    )
    examples, size = len(outcomes.outputs), arrays.stat().st_size
    if examples > MOST_ROWS or size > _LARGEST_ARRAYS:
        raise StoreError(
            "the run has more outputs than could be read again",
            given=f"{examples:,} examples, {size:,} bytes",
            allowed=f"up to {MOST_ROWS:,} examples, and {_LARGEST_ARRAYS:,} bytes",
        )
    content = {
        "layout": LAYOUT,
        "fingerprint": run.fingerprint,
        "session": run.session,
        "arrays_sha256": sha256(arrays),
        "config": run.config.model_dump(mode="json"),
        "facts": run.result.facts.model_dump(mode="json"),
    }
    (folder / "run.json").write_text(json.dumps(content, indent=1, ensure_ascii=False), "utf-8")


def layout_in(folder: Path) -> int | None:
    """The layout that ``run.json`` was written in, or None if it is no record.

    Raises:
        OSError: it cannot be read.
    """
    try:
        return _layout(_record_bytes(folder))
    except NO_FILE:
        return None


def read_record(folder: Path, fingerprint: str) -> RunRecord:
    """Read ``run.json``, and check that it is the record of this run.

    Raises:
        OtherLayout: it has another layout.
        OSError: it cannot be read.
        another one of ``DAMAGE``: it is no such record.
    """
    content = _record_bytes(folder)
    try:
        record = validate(RunRecord, content, problem="run.json")
    except ValueError:
        layout = _layout(content)
        if layout not in (LAYOUT, None):
            raise OtherLayout(layout) from None
        raise
    if record.fingerprint != fingerprint:
        raise ValueError("run.json belongs to another run")
    return record


def read_summary(folder: Path, fingerprint: str) -> RunSummary:
    """Read the part of ``run.json`` that a list shows: a tenth of a millisecond less than the whole record.

    Raises:
        Exception: see :func:`read_record`.
    """
    content = _record_bytes(folder)
    layout = _layout(content)
    if layout not in (LAYOUT, None):
        raise OtherLayout(layout)
    values = from_json(content)
    config, facts = values["config"], values["facts"]
    task, optimizer = config["task"], config["recipe"]["optimizer"]
    summary = _SUMMARY.validate_python(
        (
            values["fingerprint"],
            config["encoder"]["name"],
            task["name"],
            optimizer.get("name") or optimizer["algorithm"],
            config["seed"],
            tuple(task["metrics"]),
            facts["scores"],
            facts["environment"]["device"],
            facts["finished"],
        )
    )
    if summary.fingerprint != fingerprint or not summary.metrics or summary.scores.keys() != {*summary.metrics}:
        raise ValueError("run.json belongs to another run, or has other scores than its task")
    return summary


def read(folder: Path, fingerprint: str) -> StoredRun:
    """Read a folder of this layout, and check that it holds what was written.

    Raises:
        Exception: see :func:`read_record`.
    """
    record = read_record(folder, fingerprint)
    with open_regular(folder / "arrays.npz", follow=False) as stream:
        if os.fstat(stream.fileno()).st_size > _most_bytes(record):
            raise ValueError("arrays.npz has more bytes than the arrays of its run")
        if hashlib.file_digest(stream, "sha256").hexdigest() != record.arrays_sha256:
            raise ValueError("arrays.npz is not what was written")
        result = _result(record, _arrays(stream))
    return StoredRun(fingerprint, record.config, result, record.session)


def same_score(one: float, other: float) -> bool:
    """Whether a recorded score and that of the outputs are the same but for rounding.

    Earlier records have 0 for a score that is not defined.
    """
    if math.isnan(other):
        return math.isnan(one) or one == 0
    return math.isclose(one, other, rel_tol=_SAME_SCORE, abs_tol=_SAME_SCORE)


def _record_bytes(folder: Path) -> bytes:
    return read_regular(own_folder(folder) / "run.json", limit=_LARGEST_RECORD, follow=False)


def _layout(content: bytes) -> int | None:
    """The layout of a record, wherever in it that stands; None for no record."""
    try:
        layout = layout_of(content[:64]) or from_json(content)["layout"]
    except (ValueError, LookupError, TypeError):
        return None
    return layout if type(layout) is int and 0 <= layout < _LAYOUTS else None


def _most_bytes(record: RunRecord) -> int:
    """The most bytes that the arrays of a run have, with their headers.

    Raises:
        ValueError: its examples are more than can be scored.
    """
    facts, width = record.facts, record.config.task.task_head.width
    if facts.evaluation_examples > MOST_ROWS:
        raise ValueError(f"run.json has more than {MOST_ROWS:,} examples")
    row = width * np.float32().itemsize + np.float64().itemsize
    values = facts.evaluation_examples * row + facts.steps * 4 * np.float64().itemsize
    return min(values + len(_ARRAYS) * 2 * _HEADER, _LARGEST_ARRAYS)


def _arrays(stream: BinaryIO) -> dict[str, NDArray[Any]]:
    """The arrays of ``arrays.npz``, which take no more memory than the file has bytes.

    Raises:
        ValueError: it is another kind of file; or an array is missing, compressed, of another type or cut off.
        BadZipFile: it is no archive.
    """
    with zipfile.ZipFile(stream) as archive:
        members = {member.filename.removesuffix(".npy"): member for member in archive.infolist()}
        if members.keys() != _ARRAYS.keys() or len(archive.infolist()) > len(_ARRAYS):
            raise ValueError("arrays.npz has other arrays than a run has")
        if any(member.compress_type != zipfile.ZIP_STORED for member in members.values()):
            raise ValueError("arrays.npz is compressed, and bertspec does not compress it")
        if sum(member.file_size for member in members.values()) > stream.seek(0, os.SEEK_END):
            raise ValueError("the arrays of arrays.npz overlap")
        return {name: _array(archive, members[name], kind) for name, kind in _ARRAYS.items()}


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo, kind: type[np.generic]) -> NDArray[Any]:
    """One array, whose header is checked before memory is taken for it."""
    with archive.open(member) as stream:
        if np.lib.format.read_magic(stream) != (1, 0):
            raise ValueError("an array of arrays.npz has another version")
        try:
            shape, _, dtype = np.lib.format.read_array_header_1_0(stream, max_header_size=_HEADER)
        except Exception as damage:  # errors of many types: the header is Python code
            raise ValueError("an array of arrays.npz has no header") from damage
        size = math.prod(shape) * dtype.itemsize
        if dtype != kind or size != member.file_size - stream.tell() or min(shape, default=0) < 0:
            raise ValueError("an array of arrays.npz has another type or size than its header says")
        stream.seek(0)
        return np.lib.format.read_array(stream, allow_pickle=False, max_header_size=_HEADER)


def _result(record: RunRecord, arrays: Mapping[str, NDArray[Any]]) -> RunResult:
    """The result of a run.

    Raises:
        ValueError: the arrays do not fit the record or each other.
        another one of ``DAMAGE``: the task's head cannot read them.
    """
    outputs, references = arrays["outputs"], arrays["references"]
    lengths = {len(array) if array.ndim else -1 for array in (outputs, references)}
    same = (("loss", "learning_rate"), ("evaluated", "score"))
    if lengths != {record.facts.evaluation_examples} or outputs.ndim < 2 or 0 in lengths:
        raise ValueError("arrays.npz does not have an output and a reference for each evaluation example")
    if any(arrays[one].ndim != 1 or arrays[one].shape != arrays[other].shape for one, other in same):
        raise ValueError("the curves of arrays.npz do not have one value for each step")
    with np.errstate(over="ignore"):  # training has no larger numbers
        curves = [arrays[name].astype(np.float32) for name in ("loss", "learning_rate")]
    if not np.isfinite(curves).all():
        raise ValueError("the curves of arrays.npz have values that are not finite numbers")
    outcomes = Outcomes(outputs, references, record.config.task.task_head)
    if outputs.shape[1:] != (outcomes.head.width,):
        raise ValueError("arrays.npz does not fit the head of its task")
    for first in range(0, len(outputs), _ROWS_AT_ONCE):
        rows = slice(first, first + _ROWS_AT_ONCE)
        _check_rows(Outcomes(outputs[rows], references[rows], outcomes.head))
    curve = Curve(arrays["loss"], arrays["learning_rate"], arrays["evaluated"], arrays["score"])
    return RunResult(record.facts, outcomes, curve)


def _check_rows(rows: Outcomes) -> None:
    """Check that the head can read the outputs and the references of some examples.

    Raises:
        ValueError: it cannot.
        another one of ``DAMAGE``: as above.
    """
    if not (np.isfinite(rows.outputs).all() and np.isfinite(rows.references).all()):
        raise ValueError("arrays.npz has outputs or references that are not finite numbers")
    with np.errstate(all="ignore"):
        if len(rows.losses) != len(rows.predictions):
            raise ValueError("arrays.npz does not fit the head of its task")


def _score(name: str, outcomes: Outcomes) -> float:
    try:
        return metrics.score(name, outcomes.references, outcomes.predictions)
    except DAMAGE:  # references of another task, say
        return math.nan
