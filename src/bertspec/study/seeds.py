"""A study: one run per seed, made as they are needed."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from bertspec.result import RunResult
from bertspec.sources.places import Places
from bertspec.spec import RunSpec, StudySpec
from bertspec.store import StoredRun
from bertspec.study.fingerprint import fingerprint
from bertspec.study.workbench import Workbench
from bertspec.verdict import looks

if TYPE_CHECKING:
    from bertspec.device import Device
    from bertspec.engine import Material
    from bertspec.sources.checkpoints import EncoderFiles
    from bertspec.sources.tables import Splits

__all__ = ["Study", "begin", "gather", "prepare", "run"]


@dataclass(slots=True)
class Study:
    """The runs of a study: those that are finished, and the seeds that are still allowed."""

    spec: StudySpec
    bench: Workbench
    material: Material
    device: Device
    runs: list[StoredRun] = field(default_factory=list)
    """In the order of the seeds; runs are added, and never replaced."""
    trained: int = 0
    """How many of the runs were made now; the others came from the store."""

    @property
    def origin(self) -> str:
        """Where the runs came from, in words."""
        kept = len(self.runs) - self.trained
        return " and ".join([f"{self.trained} trained"] * (self.trained > 0) + [f"{kept} from the store"] * (kept > 0))

    def extend(self, count: int) -> None:
        """Make the runs up to that number, of the seeds that come next.

        Raises:
            BertspecError: see :func:`bertspec.engine.run`; finished runs are kept.
        """
        for spec in self.spec.runs()[len(self.runs) : count]:
            run, made = _run_once(spec, self.material, self.device, self.bench)
            self.runs.append(run)
            self.trained += made

    def missing(self, count: int) -> tuple[int, ...]:
        """The seeds, up to that number of runs, that would have to be trained."""
        asked = self.spec.runs()[len(self.runs) : count]
        names = [fingerprint(spec, self.material, self.device) for spec in asked]
        found = [_usable(self.bench.store.get(name), self.bench) for name in names]
        return tuple(spec.seed for spec, run in zip(asked, found, strict=True) if run is None)

    def scores(self, metric: str) -> tuple[float, ...]:
        """One score per finished run, through the ``evaluate`` module of the metric.

        Raises:
            UnknownName: no metric is called so.
            InvalidSpec: the metric does not fit the task.
        """
        from bertspec import metrics
        from bertspec.metrics import modules

        metrics.check(self.spec.task.model_copy(update={"metrics": (metric,)}))
        module = modules.load(metric)
        return tuple(module.score(run.result.outcomes) for run in self.runs)


def run(spec: StudySpec, bench: Workbench) -> Study:
    """Every run of the study, in the order of its seeds. A run that the store has is not made again.

    Raises:
        BertspecError: see :func:`bertspec.engine.run`; finished runs are kept.
    """
    study = prepare(spec, bench)
    study.extend(len(spec.seeds))
    return study


def begin(spec: StudySpec, bench: Workbench) -> Study:
    """The first runs of the study, as many as the first look needs; a claim that stays open adds more.

    Raises:
        BertspecError: see :func:`bertspec.engine.run`; finished runs are kept.
    """
    study = prepare(spec, bench)
    study.extend(max(looks(len(spec.seeds))[0], bench.least_runs))
    return study


def prepare(spec: StudySpec, bench: Workbench) -> Study:
    """The study before its first run: what it reads is found, and nothing is trained.

    Raises:
        BertspecError: something is missing, or is not what was promised.
    """
    found = _sources(spec, bench.places)
    bench.tracker.settle()  # before torch is loaded: what is away is told within seconds
    material = _material(*found)
    from bertspec import device

    return Study(spec, bench, material, device.choose(bench.device, spec.recipe))


def gather(spec: StudySpec, places: Places) -> Material:
    """The files and rows of a study, from the first place that holds them.

    Raises:
        BertspecError: something is missing, or is not what was promised.
    """
    return _material(*_sources(spec, places))


def _sources(spec: StudySpec, places: Places) -> tuple[EncoderFiles, Splits]:
    from bertspec.sources import checkpoints, tables

    return checkpoints.find(spec.encoder, places), tables.load(spec.task, places)


def _material(files: EncoderFiles, splits: Splits) -> Material:
    from bertspec.engine import Material  # after them: what cannot be had is told before torch is loaded

    return Material(files=files, splits=splits)


def _run_once(spec: RunSpec, material: Material, device: Device, bench: Workbench) -> tuple[StoredRun, bool]:
    name = fingerprint(spec, material, device)
    kept = _usable(bench.store.get(name), bench)
    if kept is not None:
        return kept, False
    with bench.store.lock(name):
        kept = _usable(bench.store.get(name), bench)  # another process may have made it meanwhile
        if kept is not None:
            return kept, False
        return _train(spec, name, material, device, bench), True


def _usable(run: StoredRun | None, bench: Workbench) -> StoredRun | None:
    if run is None or (bench.fresh and run.session != bench.session):
        return None
    return None if bench.keep_models and bench.store.intact_model(run.fingerprint) is None else run


def _train(spec: RunSpec, name: str, material: Material, device: Device, bench: Workbench) -> StoredRun:
    from bertspec import engine

    if bench.fresh:
        bench.store.forget_unfinished(name)
    snapshots = engine.Snapshots(bench.store.unfinished(name), every=bench.checkpoint_every)
    observer = bench.tracker.observe(spec, fingerprint=name)
    try:
        with bench.store.new_model(name) if bench.keep_models else contextlib.nullcontext() as model:
            result = engine.run(
                spec,
                material,
                observer,
                device=device,
                cache=bench.store.token_cache,
                snapshots=snapshots,
                save_to=model,
            )
        finished = _known(bench.store.get(name), result, bench) or StoredRun(name, spec, result, bench.session)
        bench.store.put(finished)
    except BaseException as error:
        observer.failed(error)
        raise
    bench.store.forget_unfinished(name)
    observer.finished(result)
    return finished


def _known(before: StoredRun | None, result: RunResult, bench: Workbench) -> StoredRun | None:
    """The run as it was first finished, where only its model was missing and it came out the same."""
    if before is None or bench.fresh:
        return None
    same = np.array_equal(before.result.outcomes.outputs, result.outcomes.outputs)
    return before if same else None
