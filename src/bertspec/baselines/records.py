"""Baselines: one JSON file each, in the folder ``baselines`` beside the features, to be committed with a release."""

from __future__ import annotations

import datetime
import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path

from bertspec import claims
from bertspec.catalog import Catalog
from bertspec.config import RunConfig
from bertspec.errors import InvalidConfig, StoreError
from bertspec.files import write_atomic
from bertspec.records import FrozenRecord, validate
from bertspec.results import ClaimRecord, SessionRecord
from bertspec.store import Store, StoredRun

__all__ = ["Baseline", "BaselineStudy", "BaselineTiming", "path_of", "read", "studies_of", "timings_of", "write"]

LAYOUT = 1
"""The layout of a baseline; another one is refused. It is raised when a field changes."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


class BaselineStudy(FrozenRecord):
    """The scores of one study in its main metric."""

    key: str
    """Names of encoder and task, and a hash of the recipe: they must be the same for two studies to be compared.
    Weights, rows and code may differ; the comparison shows whether that made the score worse."""
    title: str
    metric: str
    seeds: tuple[int, ...]
    scores: tuple[float, ...]
    """One score per seed."""
    runs: tuple[str, ...]
    """The fingerprints of the runs."""
    spread: float
    """The assumed seed spread of this study."""
    spread_source: str
    accelerator: str | None = None
    """The name of the GPU on which all of its runs were trained; None for a CPU, or for several machines."""
    peaks: tuple[int, ...] = ()
    """Peak memory of each seed in bytes, if an accelerator counted it for each run alone."""


class BaselineTiming(FrozenRecord):
    """How many times as fast one encoder is as another, measured in turns: one ratio per round."""

    key: str
    title: str
    quantity: str
    ratios: tuple[float, ...]
    machine: str


class Baseline(FrozenRecord):
    """The scores and timings of a session, under a name."""

    layout: int = LAYOUT
    name: str
    made: datetime.date
    session: str
    versions: dict[str, str]
    studies: tuple[BaselineStudy, ...]
    timings: tuple[BaselineTiming, ...] = ()


def path_of(name: str, root: Path) -> Path:
    """The file of a baseline.

    Raises:
        InvalidConfig: the name has other characters than letters, digits, dots and hyphens.
    """
    if not _NAME.fullmatch(name):
        raise InvalidConfig("a baseline's name is a word", given=name, allowed="letters, digits, dots, hyphens")
    return root / "baselines" / f"{name}.json"


def studies_of(session: SessionRecord, store: Store, catalog: Catalog) -> tuple[BaselineStudy, ...]:
    """The studies that a session claimed a quality of; sabotage and timings are left out.

    Raises:
        InvalidConfig: a calibration record cannot be read.
    """
    studies: dict[str, dict[str, StoredRun]] = {}
    for name in dict.fromkeys(_runs_of(session)):
        run = store.get(name)
        if run is not None and run.config.task.sabotage is None:
            studies.setdefault(_key(run.config), {})[name] = run
    return tuple(_study(key, list(runs.values()), catalog) for key, runs in studies.items())


def timings_of(session: SessionRecord) -> tuple[BaselineTiming, ...]:
    """The ratios that a session measured in turns."""
    timings = [
        _timing(scenario.title, claim, session.machine)
        for scenario in session.scenarios
        for claim in scenario.claims
        if claim.rule == "ratio" and claim.values
    ]
    return tuple({one.key: one for one in timings}.values())


def _timing(scenario: str, claim: ClaimRecord, machine: str) -> BaselineTiming:
    """The ratios of a claim. Ratios of times are inverted to ratios of speeds, so that more is always better."""
    words = claim.claim.partition(" is at ")[0]
    short = claim.direction == "at most"
    return BaselineTiming(
        key=f"{scenario}: {words}",
        title=claim.subject,
        quantity=("inverse of the " if short else "") + words.rstrip(","),
        ratios=tuple(1 / ratio for ratio in claim.values) if short else claim.values,
        machine=machine,
    )


def write(baseline: Baseline, file: Path) -> None:
    """Write a baseline, whole or not at all.

    Raises:
        OSError: the folder cannot be written.
    """
    write_atomic(file, baseline.model_dump_json(indent=1) + "\n")


def read(file: Path) -> Baseline:
    """Read a baseline.

    Raises:
        StoreError: the file is missing, damaged or of another version.
    """
    try:
        text = file.read_bytes()
    except OSError as refusal:
        known = ", ".join(sorted(other.stem for other in file.parent.glob("*.json"))) or "no baseline yet"
        raise StoreError(
            "there is no such baseline", given=file.stem, allowed=f"{known} (bertspec baseline save NAME)", where=file
        ) from refusal
    match = re.match(rb'\s*\{\s*"layout":\s*(\d+)', text)
    if match and (layout := int(match[1])) != LAYOUT:
        raise StoreError(
            "another version of bertspec wrote this baseline; save it again",
            given=f"layout {layout}",
            allowed=f"layout {LAYOUT}: bertspec baseline save {file.stem}",
            where=file,
        )
    return validate(Baseline, text, where=file, problem="the baseline is damaged", error=StoreError)


def _runs_of(session: SessionRecord) -> Iterable[str]:
    for scenario in session.scenarios:
        for claim in scenario.claims:
            if claim.promise and claim.rule != "ratio":
                yield from claim.runs


def _key(config: RunConfig) -> str:
    recipe = config.recipe.model_dump(mode="json", exclude={"threads", "precision"}, exclude_defaults=True)
    digest = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:8]
    return f"{config.encoder.name} {config.task.name} {digest}"


def _study(key: str, runs: list[StoredRun], catalog: Catalog) -> BaselineStudy:
    runs = sorted(runs, key=lambda run: run.config.seed)
    config, metric = runs[0].config, runs[0].config.task.metrics[0]
    spread = claims.spread_of_run(runs[0], metric, catalog)
    devices = {(run.result.facts.environment.device, run.result.facts.environment.device_name) for run in runs}
    [(device, name)] = devices if len(devices) == 1 else [("cpu", "")]
    accelerator = name if device == "cuda" else None
    return BaselineStudy(
        key=key,
        title=f"{config.encoder.name} · {config.task.name} · {config.recipe.optimizer.word}",
        metric=metric,
        seeds=tuple(run.config.seed for run in runs),
        scores=tuple(run.result.facts.scores[metric] for run in runs),
        runs=tuple(run.fingerprint for run in runs),
        spread=spread.std_upper,
        spread_source=spread.source,
        accelerator=accelerator,
        peaks=tuple(run.result.facts.peak_memory_bytes for run in runs) if accelerator else (),
    )
