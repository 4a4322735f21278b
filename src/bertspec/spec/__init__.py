"""What is asked for: frozen records of encoders, tasks, recipes, runs, studies and sweeps.

Pure: no environment, no files, no device. A record that exists is valid.
"""

from __future__ import annotations

from bertspec.spec.parameters import DISTRIBUTIONS, ParameterSpec
from bertspec.spec.sweeps import OWN, HyperbandSpec, MetricSpec, SweepSpec, TuningSpec
from bertspec.spec.training import (
    EncoderSpec,
    GeneratedSpec,
    OptimizerSpec,
    RecipeSpec,
    RunSpec,
    Setting,
    StudySpec,
    TaskSpec,
)

__all__ = [
    "DISTRIBUTIONS",
    "OWN",
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
    "SweepSpec",
    "TaskSpec",
    "TuningSpec",
]
