"""The protocol between the training loop and an update rule."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

import torch
from pydantic import Field
from torch import Tensor

__all__ = ["Closure", "Groups", "Length", "Optimizer", "Requirements", "Share", "TorchOptimizer", "in_place_of"]

Groups = list[dict[str, Any]]
"""Groups of weights: ``params``, ``weight_decay``, ``scale`` (a factor on the learning rate), and ``hidden`` (whether
they are matrices of the encoder's layers)."""

Share = Annotated[float, Field(ge=0, lt=1)]
"""The share of an old value in a new one, such as momentum."""


class Closure(Protocol):
    """What the loop offers to one step: the loss of its batch, and of rows that are not trained on."""

    def __call__(self) -> Tensor:
        """Clear the gradients, compute the loss of the batch and its clipped gradients, and return the loss."""

    @property
    def clip_norm(self) -> float | None:
        """The recipe's largest gradient norm. A call applies it; a rule that differentiates by itself must."""

    def loss(self) -> Tensor:
        """The loss of the batch, with a graph; twice differentiable if the rule requires ``second_derivative``."""

    def held_out_loss(self) -> Tensor:
        """The loss of the next batch of held-out rows, with a graph; without dropout, as in evaluation."""


@dataclass(frozen=True, slots=True)
class Requirements:
    """What an update rule requires of the loop."""

    whole_tensors: bool = False
    """Whether the update of a row depends on other rows of its tensor; unused rows of the vocabulary then stay in."""
    hidden_apart: bool = False
    """Whether the matrices of the encoder's layers are groups of their own."""
    one_rate: bool = False
    """Whether all weights have one learning rate, which excludes ``layer_decay``."""
    constant_schedule: bool = False
    """Whether the rule replaces the schedule, and needs a constant rate after the warm-up."""
    averages: bool = False
    """Whether the rule scores its own average of the weights, which excludes ``averaging``."""
    second_derivative: bool = False
    """Whether the loss is differentiated twice. Batches are then padded, attention is the plain implementation, and a
    batch is never split into micro-batches."""
    held_out: float = 0.0
    """The share of the training rows that is held out, for :meth:`Closure.held_out_loss`."""


@dataclass(frozen=True, slots=True)
class Length:
    """The length of a training."""

    steps: int
    per_pass: int
    """Steps per pass over the training split."""


class Optimizer(Protocol):
    """An update rule with its state."""

    requirements: Requirements
    """See ``bertspec.optimizers.REQUIREMENTS``."""

    @property
    def rate(self) -> float | None:
        """The learning rate of the last step if the rule chose it itself; None if it used the schedule's."""

    def step(self, closure: Closure, *, learning_rate: float) -> Tensor:
        """Take one step and return the loss before it, a scalar on the device."""

    def scored(self) -> AbstractContextManager[None]:
        """Put the weights that are scored, such as an average, into the model; restore the others on exit."""

    def state_dict(self) -> dict[str, Any]:
        """All that the next step depends on besides weights and gradients: dicts, lists, plain values, tensors."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load the state of an optimizer with the same config and model."""


@contextlib.contextmanager
def in_place_of(weights: Sequence[Tensor], others: Sequence[Tensor]) -> Iterator[None]:
    """Put other values into weights, and restore the same bits on exit."""
    with torch.no_grad():
        kept = [weight.clone() for weight in weights]
        for weight, other in zip(weights, others, strict=True):
            weight.copy_(other)
    try:
        yield
    finally:
        with torch.no_grad():
            for weight, value in zip(weights, kept, strict=True):
                weight.copy_(value)


class TorchOptimizer:
    """One of torch's optimizers. Each of its groups has a ``scale``, a factor on the learning rate."""

    rate: float | None = None

    def __init__(self, inner: torch.optim.Optimizer) -> None:
        self.requirements = Requirements()
        self._inner = inner

    def step(self, closure: Closure, *, learning_rate: float) -> Tensor:
        """Compute the gradients at the current weights and apply the rule."""
        loss = closure()
        for group in self._inner.param_groups:
            group["lr"] = learning_rate * group["scale"]
        self._inner.step()
        return loss

    def scored(self) -> AbstractContextManager[None]:
        """Score the weights themselves."""
        return contextlib.nullcontext()

    def state_dict(self) -> dict[str, Any]:
        """Return torch's own state."""
        return self._inner.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load torch's own state."""
        self._inner.load_state_dict(state)
