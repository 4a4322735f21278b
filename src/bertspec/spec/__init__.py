"""What is asked for: frozen records of encoders, tasks, recipes, runs, studies and sweeps.

Pure: no environment, no files, no device. A record that exists is valid.
"""

from __future__ import annotations

from bertspec.spec.optimizer import REFUSED, AveragingSpec, EmaSpec, OptimizerSpec, SwaSpec
from bertspec.spec.parameters import DISTRIBUTIONS, ParameterSpec
from bertspec.spec.record import Setting
from bertspec.spec.sweeps import OWN, HyperbandSpec, MetricSpec, SweepSpec, TuningSpec
from bertspec.spec.training import EncoderSpec, GeneratedSpec, RecipeSpec, RunSpec, StudySpec, TaskSpec

__all__ = [
    "DISTRIBUTIONS",
    "OWN",
    "REFUSED",
    "AveragingSpec",
    "EmaSpec",
    "EncoderSpec",
    "GeneratedSpec",
    "HyperbandSpec",
    "MetricSpec",
    "OptimizerSpec",
    "ParameterSpec",
    "RecipeSpec",
    "RunSpec",
    "Setting",
    "StudySpec",
    "SwaSpec",
    "SweepSpec",
    "TaskSpec",
    "TuningSpec",
]
