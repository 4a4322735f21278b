"""A study: the runs of one recipe over its seeds, from the store or by the engine. Optuna's study is our sweep."""

from __future__ import annotations

from bertspec.study.fingerprint import ENGINE_PACKAGES, engine_hash, fingerprint, machine
from bertspec.study.session import Session
from bertspec.study.study import Study, gather, model_of, prepare, run
from bertspec.study.timing import Timing, time_in_turns

__all__ = [
    "ENGINE_PACKAGES",
    "Session",
    "Study",
    "Timing",
    "engine_hash",
    "fingerprint",
    "gather",
    "machine",
    "model_of",
    "prepare",
    "run",
    "time_in_turns",
]
