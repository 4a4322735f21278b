"""Optimizers by name. An optimizer owns its step, and says what a step needs."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from bertspec.errors import InvalidSpec, UnknownName
from bertspec.optimizers import learned_rates
from bertspec.optimizers.seam import Closure, Needs, Optimizer, TorchOptimizer
from bertspec.spec import OptimizerSpec

__all__ = ["ALGORITHMS", "Closure", "Needs", "Optimizer", "TorchOptimizer", "build", "check", "needs"]

Groups = list[dict[str, Any]]


def adamw(
    groups: Groups, *, learning_rate: float, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
) -> Optimizer:
    """AdamW: decoupled weight decay (Loshchilov and Hutter, 2019)."""
    return TorchOptimizer(torch.optim.AdamW(groups, learning_rate, (beta1, beta2), epsilon, fused=True))


def adam(
    groups: Groups, *, learning_rate: float, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
) -> Optimizer:
    """Adam with bias correction; weight decay enters the gradient (Kingma and Ba, 2015)."""
    return TorchOptimizer(torch.optim.Adam(groups, learning_rate, (beta1, beta2), epsilon, fused=True))


def sgd(groups: Groups, *, learning_rate: float, momentum: float = 0.0, nesterov: bool = False) -> Optimizer:
    """Stochastic gradient descent, with or without momentum."""
    return TorchOptimizer(torch.optim.SGD(groups, learning_rate, momentum, nesterov=nesterov, fused=True))


ALGORITHMS: Mapping[str, Callable[..., Optimizer]] = {
    "adam": adam,
    "adamw": adamw,
    "sgd": sgd,
    **learned_rates.ALGORITHMS,
}
"""Every update rule by its name."""

WANTS: Mapping[str, Needs] = {**learned_rates.WANTS}
"""What a rule needs, where that is more than one backward."""


def check(spec: OptimizerSpec) -> None:
    """Refuse an unknown algorithm, or settings that it does not have.

    Raises:
        UnknownName: no update rule is called so.
        InvalidSpec: a setting is unknown.
    """
    if spec.algorithm not in ALGORITHMS:
        raise UnknownName("optimizer", spec.algorithm, ALGORITHMS)
    known = set(inspect.signature(ALGORITHMS[spec.algorithm]).parameters) - {"groups", "learning_rate"}
    unknown = sorted(set(spec.settings) - known)
    if unknown:
        raise InvalidSpec(
            f"{spec.algorithm} has no such setting",
            given=", ".join(unknown),
            allowed=", ".join(sorted(known)),
            where="the optimizer's settings",
        )


def needs(spec: OptimizerSpec) -> Needs:
    """What the update rule of a checked spec will ask of the loop."""
    wanted, share = WANTS.get(spec.algorithm, Needs()), spec.settings.get("held_out")
    return wanted if share is None else dataclasses.replace(wanted, held_out=float(share))


def build(spec: OptimizerSpec, model: nn.Module) -> Optimizer:
    """The optimizer of a model; biases and normalisation weights are exempt from weight decay.

    Raises:
        UnknownName: no update rule is called so.
        InvalidSpec: a setting is unknown, or has a value that the rule refuses.
    """
    check(spec)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": spec.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    try:
        return ALGORITHMS[spec.algorithm](groups, learning_rate=spec.learning_rate, **spec.settings)
    except (TypeError, ValueError) as refusal:
        raise InvalidSpec(
            f"{spec.algorithm} refuses its settings: {refusal}", given=spec.settings, where="the optimizer's settings"
        ) from refusal
