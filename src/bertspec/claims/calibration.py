"""Calibration records: what a study scored in its reference runs.

A record is a YAML file beside the configs, one for each study: its mean, and how far its seeds spread.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import Field, model_validator

from bertspec import metrics, study
from bertspec.catalog import Catalog
from bertspec.config import RunConfig, StudyConfig
from bertspec.documents import load_yaml
from bertspec.errors import InvalidConfig
from bertspec.files import write_atomic
from bertspec.records import FrozenRecord, validate
from bertspec.statistics import Spread
from bertspec.store import StoredRun
from bertspec.study import Session, Study

if TYPE_CHECKING:
    from bertspec.engine import RunInputs

__all__ = [
    "REFERENCE_SEEDS",
    "Measured",
    "Record",
    "Reference",
    "calibrate",
    "find",
    "identity",
    "measured",
    "reference",
    "require",
    "spread_of",
    "spread_of_run",
]

REFERENCE_SEEDS = 101
"""The first reference seed. No feature uses it, so that a study is never judged by the runs that calibrated it."""

_DIGITS = 6
_CONTENTS = ("encoder", "tokenizer", "data")
_TASK = {"head", "labels", "text", "text_pair", "label"}
_NOT_RECIPE: Any = {
    "threads": True,
    "precision": True,
    "micro_batch": True,
    "evaluate_every": True,
    "optimizer": {"name": True},
}

_log = logging.getLogger(__name__)


class Measured(FrozenRecord):
    """The scores of the reference runs in one metric."""

    mean: float
    std: float = Field(ge=0)
    """The standard deviation over the seeds."""
    std_upper: float = Field(ge=0)
    """Its upper 90 % limit."""

    @model_validator(mode="before")
    @classmethod
    def _former_names(cls, values: Any) -> Any:
        """Records of bertspec 0.1 call them ``spread`` and ``limit``."""
        if not isinstance(values, Mapping):
            return values
        return {{"spread": "std", "limit": "std_upper"}.get(name, name): value for name, value in values.items()}


class Record(FrozenRecord):
    """A calibration record: the scores of a study's reference runs, and how they were obtained."""

    encoder: str
    task: str
    optimizer: str
    made: datetime.date
    seeds: tuple[int, ...] = Field(min_length=3)
    collapsed: int = 0
    """How many of the runs collapsed; the means and spreads include them."""
    metrics: dict[str, Measured]
    hashes: dict[str, str]
    """What must be the same for the record to be used; see :func:`identity`."""
    made_with: dict[str, str]
    """Versions, device, precision and engine of the reference runs. They may differ later: whether a new version
    changes the scores is what the verdicts show."""


@dataclass(frozen=True, slots=True)
class Reference:
    """The calibration record of a study, if there is one that may be used."""

    record: Record | None
    file: Path | None
    stale: str | None = None
    """Which record is stale, and what has changed since."""
    other_recipe: str | None = None
    """A record of the same encoder, task and optimizer with another recipe, which makes it another study."""


def calibrate(config: StudyConfig, session: Session, *, seeds: Sequence[int]) -> tuple[Path, Record]:
    """Run the reference study, and write its record into the first folder of configs.

    Args:
        config: the study; its own seeds are not used.
        session: where it runs; runs that the store has are not trained again.
        seeds: at least three.

    Raises:
        BertspecError: a run failed, or the record cannot be written; finished runs are kept.
    """
    runs = study.run(config.model_copy(update={"seeds": tuple(seeds)}), session)
    record, file = _record(runs), _path(config, runs.inputs, session.catalog.folders[0])
    _write(record, file, title=config.title)
    return file, record


def reference(of: Study) -> Reference:
    """The calibration record of a study; a stale one is reported with a warning."""
    match = find(of.config, of.inputs, of.session.catalog)
    if match.stale and match.record is None:
        _log.warning("%s; it is not used. `bertspec calibrate` makes a new one", match.stale)
    return match


def require(config: StudyConfig, session: Session, names: Sequence[str]) -> None:
    """Refuse, before training, a study whose calibration record lacks one of these metrics.

    Raises:
        InvalidConfig: it has no record that may be used, or the record lacks a metric.
    """
    if names:
        match = find(config, study.gather(config, session.sources), session.catalog)
        for name in names:
            measured(match, name, config)


def measured(match: Reference, metric: str, config: StudyConfig) -> tuple[Record, Measured]:
    """The record and what it says of a metric.

    Raises:
        InvalidConfig: there is no record that may be used, or it lacks the metric.
        UnknownName: no metric has that name.
    """
    name = metrics.find(metric).name
    if match.record is None or name not in match.record.metrics:
        raise InvalidConfig(
            f"a study without a calibration record has no calibrated {metric}",
            given=match.stale or match.other_recipe or config.title,
            allowed="a bound in figures, or a record: bertspec calibrate FEATURE",
            where="configs/calibrations",
        )
    return match.record, match.record.metrics[name]


def spread_of(of: Study, metric: str) -> Spread:
    """The assumed seed spread of a study: from its calibration record, else a conservative prior."""
    return _spread(reference(of), metric)


def spread_of_run(run: StoredRun, metric: str, catalog: Catalog) -> Spread:
    """The assumed seed spread of a study, by one of its stored runs.

    Raises:
        InvalidConfig: a record cannot be read.
    """
    origins = run.result.facts.provenance
    return _spread(_find(run.config, {name: getattr(origins, name).sha256 for name in _CONTENTS}, catalog), metric)


def find(config: StudyConfig, inputs: RunInputs, catalog: Catalog) -> Reference:
    """The calibration record of a study; the user's own configs are searched first.

    Raises:
        InvalidConfig: a record cannot be read.
    """
    return _find(config, _contents(inputs), catalog)


def identity(config: StudyConfig, inputs: RunInputs) -> dict[str, str]:
    """What makes a study the same study: encoder, tokenizer, rows, task and recipe, each as a hash.

    Seeds, threads, precision, micro-batches and the optimizer's name are not part of it, nor are versions and the
    engine's own source. A field with its default value is left out of the hash, so that a new field does not change
    the studies that do not use it.
    """
    return _identity(config, _contents(inputs))


def _record(runs: Study) -> Record:
    config, first = runs.config, runs.runs[0].result.facts.environment
    return Record(
        encoder=config.encoder.name,
        task=config.task.name,
        optimizer=config.recipe.optimizer.algorithm,
        made=datetime.datetime.now(datetime.UTC).date(),
        seeds=config.seeds,
        collapsed=sum(run.result.outcomes.collapsed for run in runs.runs),
        metrics={name: _measured(runs.scores(name)) for name in config.task.metrics},
        hashes=identity(config, runs.inputs),
        made_with={
            **first.versions,
            "python": first.python,
            "device": f"{first.device}, {first.threads} threads, {first.precision}",
            "machine": first.device_name,
            "engine": study.engine_hash()[:16],
        },
    )


def _measured(values: Sequence[float]) -> Measured:
    import numpy as np

    std_upper = Spread.estimated(values, "").std_upper
    mean, std = float(np.mean(values)), float(np.std(values, ddof=1))
    return Measured(mean=round(mean, _DIGITS), std=round(std, _DIGITS), std_upper=round(std_upper, _DIGITS))


def _spread(match: Reference, quantity: str) -> Spread:
    metric = metrics.find(quantity)
    if match.record is not None and metric.name in match.record.metrics:
        known, runs = match.record.metrics[metric.name], len(match.record.seeds)
        return Spread(known.std_upper, f"{known.std_upper:.4f}, calibrated on {runs} seeds", known.mean)
    prior = Spread.prior(metric.highest - metric.lowest)
    unused = match.stale or match.other_recipe
    return Spread(prior.std_upper, f"{prior.source}; {unused}") if unused else prior


def _find(config: StudyConfig | RunConfig, contents: dict[str, str], catalog: Catalog) -> Reference:
    if config.task.sabotage is not None or config.task.tuning_share is not None:
        return Reference(None, None)
    wanted, stale, other_recipe = _identity(config, contents), None, None
    for file in _candidates(config, catalog):
        record = _read(file)
        changed = [part for part, value in wanted.items() if record.hashes.get(part) != value]
        if not changed:
            return Reference(record, file)
        if changed == ["recipe"]:  # a study with another recipe is another study, and makes no record stale
            other_recipe = other_recipe or f"the record {file.name} is of another recipe"
        else:
            stale = stale or f"the record {file.name} is stale: another {' and '.join(changed)} since {record.made}"
    return Reference(None, None, stale, other_recipe)


def _contents(inputs: RunInputs) -> dict[str, str]:
    return {name: getattr(inputs.provenance, name).sha256 for name in _CONTENTS}


def _identity(config: StudyConfig | RunConfig, contents: dict[str, str]) -> dict[str, str]:
    return {
        **contents,
        "task": _hash(config.task.model_dump(mode="json", include=_TASK, exclude_defaults=True)),
        "recipe": _hash(config.recipe.model_dump(mode="json", exclude=_NOT_RECIPE, exclude_defaults=True)),
    }


def _hash(values: object) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _candidates(config: StudyConfig | RunConfig, catalog: Catalog) -> Iterator[Path]:
    for folder in catalog.folders:
        yield from sorted((folder / "calibrations" / config.task.name).glob(f"{_stem(config)}.*.yaml"))


def _path(config: StudyConfig, inputs: RunInputs, folder: Path) -> Path:
    recipe = identity(config, inputs)["recipe"][:8]
    return folder / "calibrations" / config.task.name / f"{_stem(config)}.{recipe}.yaml"


def _stem(config: StudyConfig | RunConfig) -> str:
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '-', config.encoder.name).strip('-.')}.{config.recipe.optimizer.algorithm}"


def _read(file: Path) -> Record:
    problem = "the calibration record cannot be read"
    values = load_yaml(file, what="the calibration record", allowed="a file that bertspec calibrate wrote").value
    return validate(Record, values, where=file, problem=problem)


def _write(record: Record, file: Path, *, title: str) -> None:
    values = record.model_dump(mode="json")
    values["seeds"] = _Flow(values["seeds"])
    values["metrics"] = {name: _FlowMap(measured) for name, measured in values["metrics"].items()}
    text = yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    write_atomic(file, f"# {title}: what {len(record.seeds)} seeds reached. Made by bertspec calibrate.\n{text}")


_SEQ, _MAP = "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"


class _Flow(list[int]):
    """A list on one line."""


class _FlowMap(dict[str, float]):
    """A mapping on one line."""


class _Dumper(yaml.SafeDumper):
    """A dumper of its own, since YAML keeps representers by class."""


_Dumper.add_representer(_Flow, lambda dumper, data: dumper.represent_sequence(_SEQ, data, flow_style=True))
_Dumper.add_representer(_FlowMap, lambda dumper, data: dumper.represent_mapping(_MAP, data, flow_style=True))
