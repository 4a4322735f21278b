"""The seam between the training loop and an update rule."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

__all__ = ["Closure", "Length", "Optimizer", "Requirements", "TorchOptimizer", "in_place_of"]


class Closure(Protocol):
    """What the loop offers to one step: the losses of its batch, and of rows that are not trained on."""

    def __call__(self) -> Tensor:
        """Clear the gradients, compute the loss of the batch, its gradients, and clip them; give the loss."""

    @property
    def clip_norm(self) -> float | None:
        """The recipe's largest gradient norm: applied by a call, and left to a rule that differentiates by itself."""

    def loss(self) -> Tensor:
        """The loss of the batch, with a graph; it can be differentiated twice where the rule's requirements say so."""

    def held_out_loss(self) -> Tensor:
        """The loss of the next batch of rows that are held out of training, with a graph.

        Dropout is off, as it is where the model is scored: this is the error that a held-out row shows.
        """


@dataclass(frozen=True, slots=True)
class Requirements:
    """What an update rule asks of the loop."""

    backwards: int = 1
    """How often one step calls the closure."""
    whole_tensors: bool = False
    """Whether the update of a row hangs on other rows of its tensor: then no row of the vocabulary is left out."""
    hidden_apart: bool = False
    """Whether the matrices of the encoder's layers are treated differently from all other weights."""
    one_rate: bool = False
    """Whether all weights have one learning rate: then it cannot fall from layer to layer."""
    constant_schedule: bool = False
    """Whether the rule takes the place of a schedule, and wants a constant rate after the warm-up."""
    averages: bool = False
    """Whether the rule scores an average of its own: then no other is taken."""
    second_derivative: bool = False
    """Whether the loss is differentiated twice: then batches are padded, attention is the plain one, and a batch is
    never taken in parts."""
    held_out: float = 0.0
    """The share of the training rows that is kept out of training, for :meth:`Closure.held_out_loss`."""


@dataclass(frozen=True, slots=True)
class Length:
    """How long a training is."""

    steps: int
    per_pass: int
    """Steps to a pass over the training split."""


class Optimizer(Protocol):
    """An update rule with its state."""

    requirements: Requirements
    """What the table says of its rule; see ``bertspec.optimizers.REQUIREMENTS``."""

    @property
    def rate(self) -> float | None:
        """The learning rate of the last step, where the rule chose it itself; none where it took the schedule's."""

    def step(self, closure: Closure, *, learning_rate: float) -> Tensor:
        """Take one step and give the loss before it, a scalar on the device."""

    def scored(self) -> AbstractContextManager[None]:
        """Put the weights that are to be scored into the model, such as an average; and take them out again after."""

    def state_dict(self) -> dict[str, Any]:
        """All that the next step depends on besides weights and gradients: dicts, lists, plain values, tensors."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over such a state, of an optimizer of the same config and model."""


@contextlib.contextmanager
def in_place_of(weights: Sequence[Tensor], others: Sequence[Tensor]) -> Iterator[None]:
    """Put other values into weights, and the very same bits back after."""
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
    """One of torch's optimizers: one backward a step. Its groups say their ``scale`` of the learning rate."""

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
        """The weights themselves."""
        return contextlib.nullcontext()

    def state_dict(self) -> dict[str, Any]:
        """Torch's own state."""
        return self._inner.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over torch's own state."""
        self._inner.load_state_dict(state)
