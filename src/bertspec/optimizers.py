"""Optimizers by name. An optimizer owns its step, and says what a step needs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from bertspec.errors import InvalidSpec, UnknownName
from bertspec.spec import OptimizerSpec

__all__ = ["ALGORITHMS", "Closure", "Needs", "Optimizer", "TorchOptimizer", "build", "check"]

Closure = Callable[[], Tensor]
"""Clear the gradients, compute the loss of the current batch, its gradients, and clip them; give the loss."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What one step of an optimizer asks of the loop."""

    backwards: int = 1
    """How often it calls the closure."""


class Optimizer(Protocol):
    """The seam between the loop and an update rule."""

    needs: Needs

    def step(self, closure: Closure, *, learning_rate: float) -> Tensor:
        """Take one step and give the loss before it, a scalar on the device."""

    def state_dict(self) -> dict[str, Any]:
        """All that the next step depends on besides weights and gradients: dicts, lists, plain values, tensors."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over such a state, of an optimizer of the same spec and model."""


class TorchOptimizer:
    """One of torch's optimizers: one backward a step."""

    needs = Needs()

    def __init__(self, inner: torch.optim.Optimizer) -> None:
        self._inner = inner

    def step(self, closure: Closure, *, learning_rate: float) -> Tensor:
        """Compute the gradients at the current weights and apply the rule."""
        loss = closure()
        for group in self._inner.param_groups:
            group["lr"] = learning_rate
        self._inner.step()
        return loss

    def state_dict(self) -> dict[str, Any]:
        """Torch's own state."""
        return self._inner.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over torch's own state."""
        self._inner.load_state_dict(state)


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


ALGORITHMS: Mapping[str, Callable[..., Optimizer]] = {"adam": adam, "adamw": adamw, "sgd": sgd}
"""Every update rule by its name."""


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
