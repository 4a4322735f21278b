"""What a study reached when it was last looked at closely: its mean and its spread over many seeds.

A record is made by :func:`calibrate`, reviewed like any other config, and used by every later verdict on the same
study: the spread says how far seeds lie apart, and the mean says where a bound is to be expected.
"""

from __future__ import annotations

from bertspec.calibration.making import REFERENCE_SEEDS, calibrate
from bertspec.calibration.records import Record, Reference, identity
from bertspec.calibration.use import at_its_record, judge, judge_contrast, reference, require, spread_of_run

__all__ = [
    "REFERENCE_SEEDS",
    "Record",
    "Reference",
    "at_its_record",
    "calibrate",
    "identity",
    "judge",
    "judge_contrast",
    "reference",
    "require",
    "spread_of_run",
]
