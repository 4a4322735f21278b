"""The fine-tuned model of a stored run: the one that was kept, or the same one made again."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from bertspec.errors import StoreError
from bertspec.spec import StudySpec
from bertspec.store import StoredRun
from bertspec.study.fingerprint import fingerprint
from bertspec.study.seeds import gather, run
from bertspec.study.workbench import Workbench

if TYPE_CHECKING:
    from bertspec.device import Device
    from bertspec.engine import Material

__all__ = ["model_of"]

_log = logging.getLogger(__name__)


def model_of(stored: StoredRun, bench: Workbench) -> Path:
    """The folder of a run's fine-tuned model. One that was not kept is trained again, if it would be the same.

    Raises:
        StoreError: the model was not kept, and training it again would give another one.
        BertspecError: training it again failed.
    """
    kept = bench.store.intact_model(stored.fingerprint)
    if kept is not None:
        return kept
    from bertspec import device

    spec = stored.spec
    study = StudySpec(encoder=spec.encoder, task=spec.task, recipe=spec.recipe, seeds=(spec.seed,))
    material, chosen = gather(study, bench.places), device.choose(bench.device, spec.recipe)
    if fingerprint(spec, material, chosen) != stored.fingerprint:
        raise StoreError(
            "the model of this run was not kept, and training it again would give another one",
            given=_differences(stored, material, chosen),
            allowed="a run made with --keep-models",
            where=f"run {stored.fingerprint[:12]}",
        )
    _log.warning(
        "the model of run %s was not kept: it is trained again, which took %.0f s then",
        stored.fingerprint[:12],
        stored.result.facts.timings.train_s,
    )
    run(study, dataclasses.replace(bench, keep_models=True))
    return bench.store.models / stored.fingerprint


def _differences(stored: StoredRun, material: Material, device: Device) -> str:
    then, now = stored.result.facts, device.environment()
    before = {**then.environment.versions, "device": then.environment.device, "precision": then.environment.precision}
    after = {**now.versions, "device": now.device, "precision": now.precision}
    before["threads"], after["threads"] = str(then.environment.threads), str(now.threads)
    for name, origin in material.provenance:
        before[name], after[name] = getattr(then.provenance, name).sha256[:12], origin.sha256[:12]
    changed = [f"{name} {before.get(name)} → {value}" for name, value in after.items() if before.get(name) != value]
    return ", ".join(changed) or "another version of the engine"
