"""The runs of one recipe over its seeds: from the store where they are, by the engine where they are not."""

from __future__ import annotations

from bertspec.study.fingerprint import ENGINE_ROOMS, engine_hash, fingerprint
from bertspec.study.judging import collapses, guarded, judge, judge_collapse, judge_contrast, row_covariance
from bertspec.study.models import model_of
from bertspec.study.seeds import Study, begin, gather, prepare, run
from bertspec.study.timing import Timing, time_in_turns
from bertspec.study.workbench import Workbench

__all__ = [
    "ENGINE_ROOMS",
    "Study",
    "Timing",
    "Workbench",
    "begin",
    "collapses",
    "engine_hash",
    "fingerprint",
    "gather",
    "guarded",
    "judge",
    "judge_collapse",
    "judge_contrast",
    "model_of",
    "prepare",
    "row_covariance",
    "run",
    "time_in_turns",
]
