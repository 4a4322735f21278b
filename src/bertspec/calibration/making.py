"""The reference study: many seeds of one recipe, and their record."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

import bertspec
from bertspec import study, verdict
from bertspec.calibration.records import Measured, Record, identity, path_of, write
from bertspec.spec import StudySpec
from bertspec.study import Study, Workbench
from bertspec.verdict import Spread

__all__ = ["REFERENCE_SEEDS", "calibrate"]

REFERENCE_SEEDS = 101
"""The first of the seeds that no feature uses: what is judged must not be what it was measured by."""

_DIGITS = 6


def calibrate(spec: StudySpec, bench: Workbench, *, seeds: Sequence[int]) -> tuple[Path, Record]:
    """Run the reference study, and write its record into the first folder of configs.

    Args:
        spec: the study; its own seeds are not used.
        bench: where it is run; runs that the store has are not made again.
        seeds: at least three.

    Raises:
        BertspecError: a run failed, or the record cannot be written; finished runs are kept.
    """
    reference = study.run(spec.model_copy(update={"seeds": tuple(seeds)}), bench)
    record, file = _record(reference), path_of(spec, reference.material, bench.catalog.folders[0])
    write(record, file, title=spec.title)
    return file, record


def _record(reference: Study) -> Record:
    spec, first = reference.spec, reference.runs[0].result.facts.environment
    classes = spec.task.head == "classification"
    return Record(
        encoder=spec.encoder.name,
        task=spec.task.name,
        optimizer=spec.recipe.optimizer.algorithm,
        made=datetime.datetime.now(datetime.UTC).date(),
        seeds=spec.seeds,
        collapsed=sum(study.collapses(reference.runs)) if classes else 0,
        metrics={name: _measured(reference.scores(name)) for name in spec.task.metrics},
        hashes=identity(spec, reference.material),
        made_with={
            **first.versions,
            "python": first.python,
            "device": f"{first.device}, {first.threads} threads, {first.precision}",
            "machine": first.device_name,
            "engine": study.engine_hash(Path(bertspec.__file__).parent)[:16],
        },
    )


def _measured(values: Sequence[float]) -> Measured:
    import numpy as np

    limit = Spread.estimated(list(values), "").limit
    mean, _ = verdict.mean_interval(values)
    spread = float(np.std(values, ddof=1))
    return Measured(mean=round(mean, _DIGITS), spread=round(spread, _DIGITS), limit=round(limit, _DIGITS))
