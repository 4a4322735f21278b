"""The runs of one recipe over its seeds: from the store where they are, by the engine where they are not."""

from __future__ import annotations

from bertspec.study.fingerprint import ENGINE_PACKAGES, engine_hash, fingerprint
from bertspec.study.models import model_of
from bertspec.study.outcomes import collapses, row_covariance
from bertspec.study.seeds import Study, begin, gather, prepare, run
from bertspec.study.session import Session
from bertspec.study.timing import Timing, time_in_turns

__all__ = [
    "ENGINE_PACKAGES",
    "Session",
    "Study",
    "Timing",
    "begin",
    "collapses",
    "engine_hash",
    "fingerprint",
    "gather",
    "model_of",
    "prepare",
    "row_covariance",
    "run",
    "time_in_turns",
]
