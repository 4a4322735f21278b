"""Optimizers: an update rule with its hyperparameters, and averages of the weights."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, field_validator

from bertspec.records import FiniteRecord, Setting

__all__ = ["REFUSED", "AveragingConfig", "EmaConfig", "OptimizerConfig", "SwaConfig"]

Fraction = Annotated[float, Field(ge=0, lt=1)]

REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "lbfgs": "L-BFGS cannot train an encoder on batches: its curvature estimate and its line search compare losses "
        "and gradients of one and the same function, and here every batch and every dropout mask is another one; a "
        "step would also call for some twenty backward passes on one batch, where every other rule makes one"
    }
)
"""Update rules that cannot train an encoder here, and why."""


class SwaConfig(FiniteRecord):
    """Stochastic weight averaging: the arithmetic mean of the weights at regular steps of the last phase.

    Izmailov et al., 2018. The mean is what is scored and saved; training goes on from the weights themselves.
    """

    kind: Literal["swa"]
    start: Fraction = 0.75
    """The share of the steps before the averaging phase; the paper keeps the schedule for three quarters."""
    every: PositiveInt | Literal["epoch"] = "epoch"
    """Steps from one averaged set of weights to the next, or one for each pass over the training split."""
    learning_rate_share: PositiveFloat | None = 0.5
    """The learning rate of the averaging phase as a share of the peak; None keeps the recipe's schedule."""
    anneal_steps: NonNegativeInt = 10
    """Steps from the schedule's rate to that of the averaging phase."""
    anneal: Literal["cosine", "linear"] = "cosine"
    """How the rate moves over these steps."""


class EmaConfig(FiniteRecord):
    """An exponential moving average of the weights (Polyak and Juditsky, 1992), which is scored and saved."""

    kind: Literal["ema"]
    decay: Annotated[float, Field(gt=0, lt=1)] = 0.999
    """The share of the average that a step keeps; the rest is the new weights."""
    start: Fraction = 0.0
    """The share of the steps after which the average begins, with the weights of its first step."""


AveragingConfig = Annotated[SwaConfig | EmaConfig, Field(discriminator="kind")]


class OptimizerConfig(FiniteRecord):
    """An optimizer and its hyperparameters."""

    name: str | None = None
    """Its name in the catalog, which does not affect training."""
    algorithm: str
    """The name of the update rule; see ``bertspec.optimizers.ALGORITHMS``."""
    learning_rate: PositiveFloat
    """The peak learning rate, reached at the end of the warm-up."""
    weight_decay: NonNegativeFloat = 0.0
    """Weight decay; see ``decay_exempt``."""
    decay_exempt: Literal["biases-and-norms", "none"] = "biases-and-norms"
    """Which weights have no weight decay: biases and normalisation weights (all but matrices), or none."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    """The factor on the learning rate from a layer to the one below; the head has the full rate."""
    averaging: AveragingConfig | None = None
    """The average of the weights that is scored instead of the last ones; None scores the last ones."""
    settings: dict[str, Setting] = Field(default={})
    """The algorithm's own settings, such as SGD's momentum."""

    @property
    def word(self) -> str:
        """Its name in reports."""
        return self.name or self.algorithm

    @field_validator("algorithm")
    @classmethod
    def _can_work(cls, algorithm: str) -> str:
        if algorithm in REFUSED:
            raise ValueError(REFUSED[algorithm])
        return algorithm
