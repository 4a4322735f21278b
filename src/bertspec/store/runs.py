"""One finished run: ``run.json`` and ``arrays.npz`` in a folder."""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from bertspec.config import RunConfig
from bertspec.files import sha256
from bertspec.records import layout_of
from bertspec.results import Curve, Outcomes, RunFacts, RunResult

__all__ = ["DAMAGE", "LAYOUT", "StoredRun", "layout_in", "read", "write"]

DAMAGE = (OSError, ValueError, KeyError, TypeError, EOFError, ValidationError, zipfile.BadZipFile)
"""What reading a damaged folder may raise."""

LAYOUT = 2
"""The layout of ``run.json``; earlier stores have layout 1."""


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A finished run and its config."""

    fingerprint: str
    config: RunConfig
    result: RunResult
    session: str = ""
    """The id of the session that trained it. ``--fresh`` compares ids, because clocks may be set back."""


def write(folder: Path, run: StoredRun) -> None:
    """Fill an empty folder."""
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
    """The layout that ``run.json`` was written in, or None if it cannot be read."""
    try:
        with (folder / "run.json").open("rb") as stream:
            return layout_of(stream.read(64))
    except OSError:
        return None


def read(folder: Path, fingerprint: str) -> StoredRun:
    """Read a folder of this layout, and check that it holds what was written.

    Raises:
        one of ``DAMAGE``: it does not.
    """
    content: dict[str, Any] = json.loads((folder / "run.json").read_text("utf-8"))
    if content["fingerprint"] != fingerprint or content["layout"] != LAYOUT:
        raise ValueError("run.json belongs to another run or another layout")
    file = folder / "arrays.npz"
    if sha256(file) != content["arrays_sha256"]:
        raise ValueError("arrays.npz is not what was written")
    config = RunConfig.model_validate(content["config"])
    with np.load(file, allow_pickle=False) as arrays:  # noqa: TID251 - plain arrays only
        outcomes = Outcomes(arrays["outputs"], arrays["references"], config.task.task_head)
        curve = Curve(arrays["loss"], arrays["learning_rate"], arrays["evaluated"], arrays["score"])
    facts = RunFacts.model_validate(content["facts"])
    return StoredRun(fingerprint, config, RunResult(facts, outcomes, curve), content["session"])
