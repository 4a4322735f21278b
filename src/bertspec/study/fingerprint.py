"""The fingerprint of a run: a hash of everything that could change its numbers."""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from bertspec.config import RunConfig

if TYPE_CHECKING:
    from bertspec.device import Device
    from bertspec.engine import RunInputs
    from bertspec.results import Environment

__all__ = ["ENGINE_PACKAGES", "engine_hash", "fingerprint", "machine"]

ENGINE_PACKAGES = (
    "config",
    "cpus",
    "data",
    "device",
    "documents",
    "engine",
    "errors",
    "files",
    "heads",
    "losses",
    "metrics",
    "models",
    "network",
    "optimizers",
    "printing",
    "records",
    "results",
    "sources",
)
"""The packages that the engine imports: a change in any of them makes new runs."""

_PACKAGE = Path(__file__).parent.parent


def fingerprint(config: RunConfig, inputs: RunInputs, device: Device) -> str:
    """The fingerprint of a run.

    It covers the content of weights, tokenizer and data; task, recipe and seed; precision and device, see
    :func:`machine`; the versions of numpy, tokenizers, torch and transformers, and on a GPU those of CUDA and cuDNN;
    and the engine's own source. Names are not part of it: the same content under another id is the same run.
    """
    environment = device.environment()
    facts = {
        "encoder": inputs.files.origin.sha256,
        "tokenizer": inputs.files.tokenizer_origin.sha256,
        "data": inputs.splits.origin.sha256,
        "task": config.task.model_dump(include={"head", "labels", "metrics", "text", "text_pair", "label"}),
        "recipe": config.recipe.model_dump(exclude={"threads": True, "optimizer": {"name": True}}),
        "seed": config.seed,
        "device": machine(environment),
        "versions": {name: v for name, v in environment.versions.items() if name != "bertspec"},
        "engine": engine_hash(),
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def machine(environment: Environment) -> list[str | int]:
    """Return what can change a number: device and precision, with the threads of a CPU or the name of a GPU."""
    which = environment.device_name if environment.device == "cuda" else environment.threads
    return [environment.device, environment.precision, which]


@functools.cache
def engine_hash(root: Path = _PACKAGE) -> str:
    """A hash of the source of every package that the engine imports.

    Args:
        root: the folder of bertspec.
    """
    digest = hashlib.sha256()
    for package in ENGINE_PACKAGES:
        module = root / f"{package}.py"
        for file in [module] if module.exists() else sorted((root / package).rglob("*.py")):
            digest.update(f"{file.relative_to(root).as_posix()}\n".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()
