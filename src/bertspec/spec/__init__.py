"""What is asked for: frozen records of encoders, tasks, recipes, runs and studies.

Pure: no environment, no files, no device. A record that exists is valid.
"""

from __future__ import annotations

from bertspec.spec.optimizer import REFUSED, AveragingSpec, EmaSpec, OptimizerSpec, SwaSpec
from bertspec.spec.record import Setting
from bertspec.spec.training import EncoderSpec, GeneratedSpec, RecipeSpec, RunSpec, StudySpec, TaskSpec

__all__ = [
    "REFUSED",
    "AveragingSpec",
    "EmaSpec",
    "EncoderSpec",
    "GeneratedSpec",
    "OptimizerSpec",
    "RecipeSpec",
    "RunSpec",
    "Setting",
    "StudySpec",
    "SwaSpec",
    "TaskSpec",
]
