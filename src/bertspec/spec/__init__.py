"""What is asked for: frozen records of encoders, tasks, recipes, runs and studies.

Pure: no environment, no files, no device. A record that exists is valid.
"""

from __future__ import annotations

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
    "EncoderSpec",
    "GeneratedSpec",
    "OptimizerSpec",
    "RecipeSpec",
    "RunSpec",
    "Setting",
    "StudySpec",
    "TaskSpec",
]
