"""The reference study: many seeds of one recipe, and their record."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

import bertspec
from bertspec import study
from bertspec.claims.calibration import Measured, Record, identity, path_of, write
from bertspec.config import StudyConfig
from bertspec.statistics import Spread
from bertspec.study import Session, Study

__all__ = ["REFERENCE_SEEDS", "calibrate"]

REFERENCE_SEEDS = 101
"""The first of the seeds that no feature uses: what is judged must not be what it was measured by."""

_DIGITS = 6


def calibrate(config: StudyConfig, session: Session, *, seeds: Sequence[int]) -> tuple[Path, Record]:
    """Run the reference study, and write its record into the first folder of configs.

    Args:
        config: the study; its own seeds are not used.
        session: where it is run; runs that the store has are not made again.
        seeds: at least three.

    Raises:
        BertspecError: a run failed, or the record cannot be written; finished runs are kept.
    """
    reference = study.run(config.model_copy(update={"seeds": tuple(seeds)}), session)
    record, file = _record(reference), path_of(config, reference.inputs, session.catalog.folders[0])
    write(record, file, title=config.title)
    return file, record


def _record(reference: Study) -> Record:
    config, first = reference.config, reference.runs[0].result.facts.environment
    return Record(
        encoder=config.encoder.name,
        task=config.task.name,
        optimizer=config.recipe.optimizer.algorithm,
        made=datetime.datetime.now(datetime.UTC).date(),
        seeds=config.seeds,
        collapsed=sum(study.collapses(reference.runs)),
        metrics={name: _measured(reference.scores(name)) for name in config.task.metrics},
        hashes=identity(config, reference.inputs),
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

    spread = Spread.estimated(values, "")
    mean, std = float(np.mean(values)), float(np.std(values, ddof=1))
    return Measured(mean=round(mean, _DIGITS), std=round(std, _DIGITS), std_upper=round(spread.std_upper, _DIGITS))
