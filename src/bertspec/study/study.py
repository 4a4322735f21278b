"""A study: one run per seed, from the store or trained now; and the fine-tuned model of a stored run."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bertspec.config import RunConfig, StudyConfig
from bertspec.errors import StoreError
from bertspec.printing import brief
from bertspec.results import RunResult
from bertspec.sources import Sources
from bertspec.store import StoredRun
from bertspec.study.fingerprint import fingerprint
from bertspec.study.session import Session

if TYPE_CHECKING:
    from bertspec.device import Device
    from bertspec.engine import RunInputs
    from bertspec.sources.pretrained import EncoderFiles
    from bertspec.sources.tables import Splits

__all__ = ["Study", "gather", "model_of", "prepare", "run"]


_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Study:
    """The finished runs of a study, and what it needs to run more of its seeds."""

    config: StudyConfig
    session: Session
    inputs: RunInputs
    device: Device
    runs: list[StoredRun] = field(default_factory=list)
    """In the order of the seeds; runs are added, and never replaced."""
    trained: set[str] = field(default_factory=set)
    """The fingerprints of the runs that were trained now; the others came from the store."""

    @property
    def origin(self) -> str:
        """Where the runs came from, in words."""
        trained, kept = len(self.trained), len(self.runs) - len(self.trained)
        return " and ".join([f"{trained} trained"] * (trained > 0) + [f"{kept} from the store"] * (kept > 0))

    def extend(self, count: int) -> None:
        """Run the next seeds, up to that number of runs; no further one after a run that an observer stopped.

        Raises:
            BertspecError: see :func:`bertspec.engine.run`; finished runs are kept.
        """
        for config in self.config.runs()[len(self.runs) : count]:
            run, trained = _run_once(config, self.inputs, self.device, self.session)
            self.runs.append(run)
            self.trained |= {run.fingerprint} if trained else set()
            if run.result.facts.stopped is not None:
                return

    def missing(self, count: int) -> tuple[int, ...]:
        """The seeds, up to that number of runs, that would have to be trained."""
        asked = self.config.runs()[len(self.runs) : count]
        names = [fingerprint(config, self.inputs, self.device) for config in asked]
        stored = [_usable(self.session.store.get(name), self.session) for name in names]
        return tuple(config.seed for config, run in zip(asked, stored, strict=True) if run is None)

    def scores(self, metric: str) -> tuple[float, ...]:
        """One score per finished run, through the ``evaluate`` module of the metric.

        Raises:
            UnknownName: no metric has that name.
            InvalidConfig: the metric does not fit the task.
        """
        from bertspec import metrics
        from bertspec.metrics import modules

        metrics.check(self.config.task.model_copy(update={"metrics": (metric,)}))
        module = modules.load(metric)
        return tuple(module.score(run.result.outcomes) for run in self.runs)


def run(config: StudyConfig, session: Session) -> Study:
    """Run every seed of a study, in order. A run that the store has is not trained again.

    Raises:
        BertspecError: see :func:`bertspec.engine.run`; finished runs are kept.
    """
    study = prepare(config, session)
    study.extend(len(config.seeds))
    return study


def prepare(config: StudyConfig, session: Session) -> Study:
    """The study before its first run: its files and rows are read, and nothing is trained.

    Raises:
        BertspecError: a file or data set is missing, or has another hash than its config or the lock file says.
    """
    files, splits = _sources(config, session.sources)
    session.tracker.settle()  # before torch is loaded, so that an unreachable server is reported within seconds
    inputs = _run_inputs(files, splits)
    from bertspec import device

    return Study(config, session, inputs, device.choose(session.device, config.recipe))


def gather(config: StudyConfig, sources: Sources) -> RunInputs:
    """The files and rows of a study, from the first source that has them.

    Raises:
        BertspecError: a file or data set is missing, or has another hash than its config or the lock file says.
    """
    return _run_inputs(*_sources(config, sources))


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
        "the model of run %s was not kept; retraining it (%.0f s last time)",
        stored.fingerprint[:12],
        stored.result.facts.timings.train_s,
    )
    run(study, dataclasses.replace(session, keep_models=True))
    return session.store.models / stored.fingerprint


def _sources(config: StudyConfig, sources: Sources) -> tuple[EncoderFiles, Splits]:
    from bertspec.sources import pretrained, tables

    return pretrained.find(config.encoder, sources), tables.load(config.task, sources)


def _run_inputs(files: EncoderFiles, splits: Splits) -> RunInputs:
    from bertspec.engine import RunInputs  # late: a missing file is reported before torch is loaded

    return RunInputs(files=files, splits=splits)


def _run_once(config: RunConfig, inputs: RunInputs, device: Device, session: Session) -> tuple[StoredRun, bool]:
    name = fingerprint(config, inputs, device)
    kept = _usable(session.store.get(name), session)
    if kept is not None:
        return kept, False
    with session.store.lock(name):
        kept = _usable(session.store.get(name), session)  # another process may have trained it meanwhile
        if kept is not None:
            return kept, False
        return _train(config, name, inputs, device, session), True


def _usable(run: StoredRun | None, session: Session) -> StoredRun | None:
    if run is None or (session.fresh and run.session != session.id):
        return None
    return None if session.keep_models and session.store.intact_model(run.fingerprint) is None else run


def _train(config: RunConfig, name: str, inputs: RunInputs, device: Device, session: Session) -> StoredRun:
    from bertspec import engine

    if session.fresh:
        session.store.forget_unfinished(name)
    checkpoints = engine.Checkpoints(session.store.unfinished(name), every=session.checkpoint_every)
    observer = session.tracker.observe(config, fingerprint=name)

    def trained() -> RunResult:
        with session.store.new_model(name) if session.keep_models else contextlib.nullcontext() as model:
            return engine.run(
                config,
                inputs,
                observer,
                device=device,
                cache=session.store.token_cache,
                checkpoints=checkpoints,
                save_to=model,
            )

    try:
        try:
            result = trained()
        except engine.UnfitCheckpoint as misfit:
            _log.warning(
                "the checkpoint in %s does not fit its run (%s); training starts anew",
                checkpoints.folder,
                brief(misfit),
            )
            session.store.forget_unfinished(name)
            result = trained()
        finished = _known(session.store.get(name), result, session) or StoredRun(name, config, result, session.id)
        if result.facts.stopped is None:
            session.store.put(finished)
    except BaseException as error:
        observer.failed(error)
        raise
    session.store.forget_unfinished(name)
    observer.finished(result)
    return finished


def _known(before: StoredRun | None, result: RunResult, session: Session) -> StoredRun | None:
    """The stored run, if only its model was missing and training it again gave the same outputs."""
    if before is None or session.fresh:
        return None
    same = np.array_equal(before.result.outcomes.outputs, result.outcomes.outputs)
    return before if same else None


def _differences(stored: StoredRun, inputs: RunInputs, device: Device) -> str:
    then, now = stored.result.facts, device.environment()
    parts = ("device", "precision", "device_name" if now.device == "cuda" else "threads")
    before, after = (
        {**each.versions, **{part: str(getattr(each, part)) for part in parts}} for each in (then.environment, now)
    )
    for name, origin in inputs.provenance:
        before[name], after[name] = getattr(then.provenance, name).sha256[:12], origin.sha256[:12]
    changed = [f"{name} {before.get(name)} → {value}" for name, value in after.items() if before.get(name) != value]
    return ", ".join(changed) or "another version of the engine"
