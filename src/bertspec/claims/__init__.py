"""The one place that judges: claims about studies, sweeps and timings → verdicts.

A study only runs seeds. A claim looks at its scores, and asks for more seeds while it is open. How far seeds lie apart
comes from the study's calibration record: the mean and the spread of many reference seeds, made by
:func:`calibrate` and reviewed like any other config. A study without a record gets a conservative prior.
"""

from __future__ import annotations

from bertspec.claims.calibration import (
    REFERENCE_SEEDS,
    Record,
    Reference,
    calibrate,
    identity,
    reference,
    require,
    spread_of_run,
)
from bertspec.claims.studies import (
    at_its_record,
    begin,
    contamination,
    judge,
    judge_collapse,
    judge_contrast,
    judge_latency,
    judge_rate,
    judge_speed,
    problems,
    promises,
)

__all__ = [
    "REFERENCE_SEEDS",
    "Record",
    "Reference",
    "at_its_record",
    "begin",
    "calibrate",
    "contamination",
    "identity",
    "judge",
    "judge_collapse",
    "judge_contrast",
    "judge_latency",
    "judge_rate",
    "judge_speed",
    "problems",
    "promises",
    "reference",
    "require",
    "spread_of_run",
]
