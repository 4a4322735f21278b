"""Calibration records: YAML files beside the configs, one for each study."""

from __future__ import annotations

import datetime
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import Field, model_validator

from bertspec.catalog import Catalog
from bertspec.config import RunConfig, StudyConfig
from bertspec.errors import InvalidConfig
from bertspec.files import write_atomic
from bertspec.records import FrozenRecord, validate

if TYPE_CHECKING:
    from bertspec.engine import RunInputs

__all__ = ["Measured", "Record", "Reference", "find", "find_by", "identity", "path_of", "write"]

_TASK = {"head", "labels", "text", "text_pair", "label"}
_NOT_RECIPE: Any = {
    "threads": True,
    "precision": True,
    "micro_batch": True,
    "evaluate_every": True,
    "optimizer": {"name": True},
}


class Measured(FrozenRecord):
    """What the reference runs scored."""

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
    """What a study reached, and what it was made with."""

    encoder: str
    task: str
    optimizer: str
    made: datetime.date
    seeds: tuple[int, ...] = Field(min_length=3)
    collapsed: int = 0
    """How many of the runs collapsed; they are in the mean and in the spread."""
    metrics: dict[str, Measured]
    hashes: dict[str, str]
    """What must be the same for the record to be used; see :func:`identity`."""
    made_with: dict[str, str]
    """Versions, device, precision and the engine: written down, and free to change. That they may not change the
    scores is what later verdicts are there to say."""


@dataclass(frozen=True, slots=True)
class Reference:
    """The record of a study, if there is one that may be used."""

    record: Record | None
    file: Path | None
    stale: str | None = None
    """Which record was passed over, and what has changed since."""
    recipe: str | None = None
    """A record of the same encoder, task and optimizer that is of another recipe, and so of another study."""


def identity(config: StudyConfig, inputs: RunInputs) -> dict[str, str]:
    """What makes a study the same study: encoder, tokenizer, rows, task and recipe, each as a hash.

    Seeds, threads, precision, the parts of a batch and the optimizer's name are not part of it, nor are versions and
    the engine's own source. A field that has its default is left out of the hash, so that a field that is new changes
    no study that does not use it.
    """
    return _identity(config, _contents(inputs))


def _contents(inputs: RunInputs) -> dict[str, str]:
    return {name: getattr(inputs.provenance, name).sha256 for name in ("encoder", "tokenizer", "data")}


def _identity(config: StudyConfig | RunConfig, contents: dict[str, str]) -> dict[str, str]:
    return {
        **contents,
        "task": _hash(config.task.model_dump(mode="json", include=_TASK, exclude_defaults=True)),
        "recipe": _hash(config.recipe.model_dump(mode="json", exclude=_NOT_RECIPE, exclude_defaults=True)),
    }


def find(config: StudyConfig, inputs: RunInputs, catalog: Catalog) -> Reference:
    """The record of a study, the user's own first.

    Raises:
        InvalidConfig: a record cannot be read.
    """
    return find_by(config, _contents(inputs), catalog)


def find_by(config: StudyConfig | RunConfig, contents: dict[str, str], catalog: Catalog) -> Reference:
    """The same, by the hashes of encoder, tokenizer and data.

    Raises:
        InvalidConfig: a record cannot be read.
    """
    if config.task.sabotage is not None or config.task.tuning_share is not None:
        return Reference(None, None)
    wanted, stale, recipe = _identity(config, contents), None, None
    for file in _candidates(config, catalog):
        record = _read(file)
        changed = [part for part, value in wanted.items() if record.hashes.get(part) != value]
        if not changed:
            return Reference(record, file)
        if changed == ["recipe"]:  # a study with another recipe is another study, and makes no record stale
            recipe = recipe or f"the record {file.name} is of another recipe"
        else:
            stale = stale or f"the record {file.name} is stale: another {' and '.join(changed)} since {record.made}"
    return Reference(None, None, stale, recipe)


def path_of(config: StudyConfig, inputs: RunInputs, folder: Path) -> Path:
    """Where the record of a study belongs, below a folder of configs."""
    recipe = identity(config, inputs)["recipe"][:8]
    return folder / "calibrations" / config.task.name / f"{_stem(config)}.{recipe}.yaml"


def write(record: Record, file: Path, *, title: str) -> None:
    """Write a record for people to review."""
    values = record.model_dump(mode="json")
    values["seeds"] = _Flow(values["seeds"])
    values["metrics"] = {name: _FlowMap(measured) for name, measured in values["metrics"].items()}
    text = yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
    write_atomic(file, f"# {title}: what {len(record.seeds)} seeds reached. Made by bertspec calibrate.\n{text}")


def _candidates(config: StudyConfig | RunConfig, catalog: Catalog) -> Iterator[Path]:
    for folder in catalog.folders:
        yield from sorted((folder / "calibrations" / config.task.name).glob(f"{_stem(config)}.*.yaml"))


def _stem(config: StudyConfig | RunConfig) -> str:
    return f"{re.sub(r'[^A-Za-z0-9._-]+', '-', config.encoder.name).strip('-.')}.{config.recipe.optimizer.algorithm}"


def _read(file: Path) -> Record:
    try:
        values = yaml.safe_load(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as damage:
        first = str(damage).splitlines()[0]
        raise InvalidConfig(
            f"the calibration record cannot be read: {first}", where=file, allowed="a file that bertspec calibrate made"
        ) from damage
    return validate(Record, values, where=file, problem="the calibration record cannot be read")


def _hash(values: object) -> str:
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


_SEQ, _MAP = "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"


class _Flow(list[int]):
    """A list on one line."""


class _FlowMap(dict[str, float]):
    """A mapping on one line."""


class _Dumper(yaml.SafeDumper):
    """A dumper of its own: representers are kept by class."""


_Dumper.add_representer(_Flow, lambda dumper, data: dumper.represent_sequence(_SEQ, data, flow_style=True))
_Dumper.add_representer(_FlowMap, lambda dumper, data: dumper.represent_mapping(_MAP, data, flow_style=True))
