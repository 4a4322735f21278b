"""What is asked for: frozen records of encoders, tasks, recipes, runs, studies and sweeps.

Pure: no environment, no files, no device. A record that exists is valid.
"""

from __future__ import annotations

from bertspec.config.sweeps import (
    DISTRIBUTIONS,
    MOST_TRIALS,
    OWN,
    HyperbandConfig,
    MetricConfig,
    ParameterConfig,
    SweepConfig,
    TuningConfig,
)
from bertspec.config.training import (
    MOST_ROWS,
    MOST_SEEDS,
    MOST_STEPS,
    REFUSED,
    AveragingConfig,
    EmaConfig,
    EncoderConfig,
    GeneratedConfig,
    OptimizerConfig,
    RecipeConfig,
    RunConfig,
    StudyConfig,
    SwaConfig,
    TaskConfig,
)
from bertspec.records import Setting

__all__ = [
    "DISTRIBUTIONS",
    "MOST_ROWS",
    "MOST_SEEDS",
    "MOST_STEPS",
    "MOST_TRIALS",
    "OWN",
    "REFUSED",
    "AveragingConfig",
    "EmaConfig",
    "EncoderConfig",
    "GeneratedConfig",
    "HyperbandConfig",
    "MetricConfig",
    "OptimizerConfig",
    "ParameterConfig",
    "RecipeConfig",
    "RunConfig",
    "Setting",
    "StudyConfig",
    "SwaConfig",
    "SweepConfig",
    "TaskConfig",
    "TuningConfig",
]
