"""The record of one finished run: ``run.json`` and ``arrays.npz`` in a folder."""

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
from bertspec.results import Curve, Outcomes, RunFacts, RunResult

__all__ = ["DAMAGE", "StoredRun", "read", "write"]

DAMAGE = (OSError, ValueError, KeyError, TypeError, EOFError, ValidationError, zipfile.BadZipFile)
"""What reading a damaged folder may raise."""

_LAYOUT = 1


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A finished run and what it was asked to be."""

    fingerprint: str
    config: RunConfig
    result: RunResult
    session: str = ""
    """The session that made it: what ``--fresh`` goes by, since a clock may be set back."""


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
        "layout": _LAYOUT,
        "fingerprint": run.fingerprint,
        "session": run.session,
        "arrays_sha256": sha256(arrays),
        "config": run.config.model_dump(mode="json"),
        "facts": run.result.facts.model_dump(mode="json"),
    }
    (folder / "run.json").write_text(json.dumps(content, indent=1, ensure_ascii=False), "utf-8")


def read(folder: Path, fingerprint: str) -> StoredRun:
    """Read a folder, and check that it holds what was written.

    Raises:
        one of ``DAMAGE``: it does not.
    """
    found: dict[str, Any] = json.loads((folder / "run.json").read_text("utf-8"))
    if found["fingerprint"] != fingerprint or found["layout"] != _LAYOUT:
        raise ValueError("run.json belongs to another run or another layout")
    arrays = folder / "arrays.npz"
    if sha256(arrays) != found["arrays_sha256"]:
        raise ValueError("arrays.npz is not what was written")
    config = RunConfig.model_validate(found["config"])
    with np.load(arrays, allow_pickle=False) as kept:  # noqa: TID251 - plain arrays only
        outcomes = Outcomes(kept["outputs"], kept["references"], config.task.task_head)
        looks = {name: kept[name] for name in ("evaluated", "score") if name in kept}  # older runs have none
        curve = Curve(kept["loss"], kept["learning_rate"], **looks)
    facts = RunFacts.model_validate(found["facts"])
    return StoredRun(fingerprint, config, RunResult(facts, outcomes, curve), found.get("session", ""))
