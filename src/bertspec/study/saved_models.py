"""The fine-tuned model of a stored run: the one that was kept, or the same one trained again."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from bertspec.config import StudyConfig
from bertspec.errors import StoreError
from bertspec.store import StoredRun
from bertspec.study.fingerprint import fingerprint
from bertspec.study.session import Session
from bertspec.study.study import gather, run

if TYPE_CHECKING:
    from bertspec.device import Device
    from bertspec.engine import RunInputs

__all__ = ["model_of"]

_log = logging.getLogger(__name__)


def model_of(stored: StoredRun, session: Session) -> Path:
    """The folder of a run's fine-tuned model. If it was not kept, it is trained again, provided the result is the same.

    Raises:
        StoreError: the model was not kept, and training it again would give another one.
        BertspecError: training it again failed.
    """
    kept = session.store.intact_model(stored.fingerprint)
    if kept is not None:
        return kept
    from bertspec import device

    config = stored.config
    study = StudyConfig(encoder=config.encoder, task=config.task, recipe=config.recipe, seeds=(config.seed,))
    inputs, chosen = gather(study, session.sources), device.choose(session.device, config.recipe)
    if fingerprint(config, inputs, chosen) != stored.fingerprint:
        raise StoreError(
            "the model of this run was not kept, and training it again would give another one",
            given=_differences(stored, inputs, chosen),
            allowed="a run that was trained with --keep-models",
            where=f"run {stored.fingerprint[:12]}",
        )
    _log.warning(
        "the model of run %s was not kept: it is trained again, which took %.0f s then",
        stored.fingerprint[:12],
        stored.result.facts.timings.train_s,
    )
    run(study, dataclasses.replace(session, keep_models=True))
    return session.store.models / stored.fingerprint


def _differences(stored: StoredRun, inputs: RunInputs, device: Device) -> str:
    then, now = stored.result.facts, device.environment()
    before = {**then.environment.versions, "device": then.environment.device, "precision": then.environment.precision}
    after = {**now.versions, "device": now.device, "precision": now.precision}
    before["threads"], after["threads"] = str(then.environment.threads), str(now.threads)
    for name, origin in inputs.provenance:
        before[name], after[name] = getattr(then.provenance, name).sha256[:12], origin.sha256[:12]
    changed = [f"{name} {before.get(name)} → {value}" for name, value in after.items() if before.get(name) != value]
    return ", ".join(changed) or "another version of the engine"
