"""What a study reached when it was last looked at closely: its mean and its spread over many seeds.

A record is made by :func:`calibrate`, reviewed like any other config, and used by every later verdict on the same
study: the spread says how far seeds lie apart, and the mean says where a bound is to be expected.
"""

from __future__ import annotations

from bertspec.claims.calibrated import at_its_record, judge, judge_contrast, reference, require, spread_of_run
from bertspec.claims.calibrating import REFERENCE_SEEDS, calibrate
from bertspec.claims.calibration import Record, Reference, identity
from bertspec.claims.studies import judge_collapse

__all__ = [
    "REFERENCE_SEEDS",
    "Record",
    "Reference",
    "at_its_record",
    "calibrate",
    "identity",
    "judge",
    "judge_collapse",
    "judge_contrast",
    "reference",
    "require",
    "spread_of_run",
]
