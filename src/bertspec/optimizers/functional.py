"""Update rules as pure functions of one long vector, so that torch can differentiate them.

The weights of a model and the rule's memory of the past are the parts of a *point*: vectors of shape (weights,). A
rule moves a point and changes none. Each gives what torch's own optimizer of that name gives.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, Protocol

import torch
from pydantic import Field
from torch import Tensor

from bertspec.optimizers.protocol import Share

__all__ = ["SGD", "Adam", "AdamW", "Point", "UpdateRule", "clipped"]

Point = tuple[Tensor, ...]
"""The weights, then what the rule remembers."""


class UpdateRule(Protocol):
    """How one gradient moves a point."""

    @property
    def memory(self) -> int:
        """How many vectors it remembers beside the weights; they begin as zeros."""

    def moved(self, point: Point, gradient: Tensor, rate: Tensor, *, decay: Tensor, step: int) -> Point:
        """The point after step ``step`` (from 1); ``decay`` is each weight's own."""


def clipped(gradient: Tensor, norm: float | None) -> Tensor:
    """The gradient, scaled down to that norm where it is longer, as ``torch.nn.utils.clip_grad_norm_`` does."""
    if norm is None:
        return gradient
    share: Tensor = norm / (torch.linalg.vector_norm(gradient) + 1e-6)
    return gradient * share.clamp(max=1.0)


@dataclass(frozen=True, slots=True)
class SGD:
    """Stochastic gradient descent; weight decay enters the gradient."""

    momentum: Share = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov needs momentum")

    @property
    def memory(self) -> int:
        """The momentum, where there is any."""
        return 1 if self.momentum else 0

    def moved(self, point: Point, gradient: Tensor, rate: Tensor, *, decay: Tensor, step: int) -> Point:
        """Against the gradient, or against its running sum."""
        del step
        weights, *memory = point
        gradient = gradient + decay * weights
        if not memory:
            return (weights - rate * gradient,)
        running = self.momentum * memory[0] + gradient
        direction = gradient + self.momentum * running if self.nesterov else running
        return weights - rate * direction, running


@dataclass(frozen=True, slots=True)
class Adam:
    """Adam with bias correction; weight decay enters the gradient (Kingma and Ba, 2015)."""

    beta1: Share = 0.9
    beta2: Share = 0.999
    epsilon: Annotated[float, Field(gt=0)] = 1e-8

    decoupled: ClassVar[bool] = False
    """Whether weight decay acts on the weights themselves."""

    @property
    def memory(self) -> int:
        """The running means of the gradient and of its square."""
        return 2

    def moved(self, point: Point, gradient: Tensor, rate: Tensor, *, decay: Tensor, step: int) -> Point:
        """Against the mean gradient, each weight at the pace of its own."""
        weights, mean, square = point
        if self.decoupled:
            weights = weights - rate * decay * weights
        else:
            gradient = gradient + decay * weights
        mean = self.beta1 * mean + (1 - self.beta1) * gradient
        square = self.beta2 * square + (1 - self.beta2) * gradient * gradient
        spread = _root(square) / math.sqrt(1 - self.beta2**step) + self.epsilon
        return weights - rate / (1 - self.beta1**step) * mean / spread, mean, square


@dataclass(frozen=True, slots=True)
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019)."""

    decoupled: ClassVar[bool] = True


def _root(square: Tensor) -> Tensor:
    """The square root, whose derivative at 0 is 0 here: a weight that never had a gradient has not moved."""
    positive = square > 0
    return torch.where(positive, torch.where(positive, square, 1.0).sqrt(), 0.0)
