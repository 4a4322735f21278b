"""A study: one run per seed, made as they are needed."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bertspec.config import RunConfig, StudyConfig
from bertspec.results import RunResult
from bertspec.sources import Sources
from bertspec.statistics import looks
from bertspec.store import StoredRun
from bertspec.study.fingerprint import fingerprint
from bertspec.study.session import Session

if TYPE_CHECKING:
    from bertspec.device import Device
    from bertspec.engine import RunInputs
    from bertspec.sources.pretrained import EncoderFiles
    from bertspec.sources.tables import Splits

__all__ = ["Study", "begin", "gather", "prepare", "run"]


@dataclass(slots=True)
class Study:
    """The runs of a study: those that are finished, and the seeds that are still allowed."""

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
        """Make the runs up to that number, of the seeds that come next.

        Raises:
            BertspecError: see :func:`bertspec.engine.run`; finished runs are kept.
        """
        for config in self.config.runs()[len(self.runs) : count]:
            run, trained = _run_once(config, self.inputs, self.device, self.session)
            self.runs.append(run)
            self.trained |= {run.fingerprint} if trained else set()

    def missing(self, count: int) -> tuple[int, ...]:
        """The seeds, up to that number of runs, that would have to be trained."""
        asked = self.config.runs()[len(self.runs) : count]
        names = [fingerprint(config, self.inputs, self.device) for config in asked]
        found = [_usable(self.session.store.get(name), self.session) for name in names]
        return tuple(config.seed for config, run in zip(asked, found, strict=True) if run is None)

    def scores(self, metric: str) -> tuple[float, ...]:
        """One score per finished run, through the ``evaluate`` module of the metric.

        Raises:
            UnknownName: no metric is called so.
            InvalidConfig: the metric does not fit the task.
        """
        from bertspec import metrics
        from bertspec.metrics import modules

        metrics.check(self.config.task.model_copy(update={"metrics": (metric,)}))
        module = modules.load(metric)
        return tuple(module.score(run.result.outcomes) for run in self.runs)


def run(config: StudyConfig, session: Session) -> Study:
    """Every run of the study, in the order of its seeds. A run that the store has is not made again.

    Raises:
        BertspecError: see :func:`bertspec.engine.run`; finished runs are kept.
    """
    study = prepare(config, session)
    study.extend(len(config.seeds))
    return study


def begin(config: StudyConfig, session: Session) -> Study:
    """The first runs of the study, as many as the first look needs; a claim that stays open adds more.

    Raises:
        BertspecError: see :func:`bertspec.engine.run`; finished runs are kept.
    """
    study = prepare(config, session)
    study.extend(max(looks(len(config.seeds))[0], session.least_runs))
    return study


def prepare(config: StudyConfig, session: Session) -> Study:
    """The study before its first run: what it reads is found, and nothing is trained.

    Raises:
        BertspecError: something is missing, or is not what was promised.
    """
    found = _sources(config, session.sources)
    session.tracker.settle()  # before torch is loaded: what is away is told within seconds
    inputs = _material(*found)
    from bertspec import device

    return Study(config, session, inputs, device.choose(session.device, config.recipe))


def gather(config: StudyConfig, sources: Sources) -> RunInputs:
    """The files and rows of a study, from the first place that holds them.

    Raises:
        BertspecError: something is missing, or is not what was promised.
    """
    return _material(*_sources(config, sources))


def _sources(config: StudyConfig, sources: Sources) -> tuple[EncoderFiles, Splits]:
    from bertspec.sources import pretrained, tables

    return pretrained.find(config.encoder, sources), tables.load(config.task, sources)


def _material(files: EncoderFiles, splits: Splits) -> RunInputs:
    from bertspec.engine import RunInputs  # after them: what cannot be had is told before torch is loaded

    return RunInputs(files=files, splits=splits)


def _run_once(config: RunConfig, inputs: RunInputs, device: Device, session: Session) -> tuple[StoredRun, bool]:
    name = fingerprint(config, inputs, device)
    kept = _usable(session.store.get(name), session)
    if kept is not None:
        return kept, False
    with session.store.lock(name):
        kept = _usable(session.store.get(name), session)  # another process may have made it meanwhile
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
    try:
        with session.store.new_model(name) if session.keep_models else contextlib.nullcontext() as model:
            result = engine.run(
                config,
                inputs,
                observer,
                device=device,
                cache=session.store.token_cache,
                checkpoints=checkpoints,
                save_to=model,
            )
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
    """The run as it was first finished, where only its model was missing and it came out the same."""
    if before is None or session.fresh:
        return None
    same = np.array_equal(before.result.outcomes.outputs, result.outcomes.outputs)
    return before if same else None
