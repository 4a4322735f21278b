"""A study: one run per seed, judged together."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bertspec import verdict
from bertspec.errors import Diverged, InvalidSpec
from bertspec.sources.places import Places
from bertspec.spec import RunSpec, StudySpec
from bertspec.store import StoredRun
from bertspec.study.fingerprint import fingerprint
from bertspec.study.workbench import Workbench
from bertspec.verdict import Claim, Verdict

if TYPE_CHECKING:
    from bertspec.device import Device
    from bertspec.engine import Material

__all__ = ["Study", "gather", "run"]


@dataclass(frozen=True, slots=True)
class Study:
    """The finished runs of a study."""

    spec: StudySpec
    runs: tuple[StoredRun, ...]
    trained: int
    """How many of the runs were made now; the others came from the store."""

    @property
    def origin(self) -> str:
        """Where the runs came from, in words."""
        kept = len(self.runs) - self.trained
        return " and ".join([f"{self.trained} trained"] * (self.trained > 0) + [f"{kept} from the store"] * (kept > 0))

    def scores(self, metric: str) -> tuple[float, ...]:
        """One score per seed, through the ``evaluate`` module of the metric.

        Raises:
            UnknownName: no metric is called so.
            InvalidSpec: the metric does not fit the task.
        """
        from bertspec import metrics
        from bertspec.metrics import modules

        metrics.check(self.spec.task.model_copy(update={"metrics": (metric,)}))
        module = modules.load(metric)
        return tuple(module.score(run.result.outcomes) for run in self.runs)

    def judge(self, claim: Claim) -> Verdict:
        """The verdict on a claim about the mean of a metric over the seeds."""
        return verdict.judge(claim, self.scores(claim.quantity))

    def judge_ahead_of(self, other: Study, claim: Claim) -> Verdict:
        """The verdict on a claim about how far this study's mean exceeds another's."""
        verdict_on = replace(claim, quantity=f"lead in {claim.quantity}")
        return verdict.judge_difference(verdict_on, self.scores(claim.quantity), other.scores(claim.quantity))

    def judge_collapse(self) -> Verdict:
        """The verdict on the claim that no seed collapses.

        Raises:
            InvalidSpec: the task has no classes.
        """
        if self.spec.task.head != "classification":
            raise InvalidSpec(
                "a collapse is of classes", given=f"a {self.spec.task.head} head", where=f"task {self.spec.task.name!r}"
            )
        outcomes = [run.result.outcomes for run in self.runs]
        return verdict.judge_collapse([verdict.collapsed(o.predictions, o.references) for o in outcomes])


def run(spec: StudySpec, bench: Workbench) -> Study:
    """Every run of the study, in the order of its seeds. A run that the store has is not made again.

    Raises:
        BertspecError: see :func:`bertspec.engine.run`; finished runs are kept.
    """
    material = gather(spec, bench.places)
    from bertspec import device

    chosen = device.choose(bench.device, spec.recipe)
    made = [_run_once(each, material, chosen, bench) for each in spec.runs()]
    return Study(spec, tuple(run for run, _ in made), sum(trained for _, trained in made))


def gather(spec: StudySpec, places: Places) -> Material:
    """The files and rows of a study, from the first place that holds them.

    Raises:
        BertspecError: something is missing, or is not what was promised.
    """
    from bertspec.sources import checkpoints, tables

    files, splits = checkpoints.find(spec.encoder, places), tables.load(spec.task, places)
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
        finished = StoredRun(name, spec, result, bench.session)
        bench.store.put(finished)
    except BaseException as error:
        if isinstance(error, Diverged):  # going on would diverge again
            bench.store.forget_unfinished(name)
        observer.failed(error)
        raise
    bench.store.forget_unfinished(name)
    observer.finished(result)
    return finished
