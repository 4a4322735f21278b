"""What training minimises, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal

from torch import Tensor
from torch.nn import functional

from bertspec.errors import InvalidConfig

__all__ = ["LOSSES", "Loss", "choose"]

Loss = Callable[[Tensor, Tensor], Tensor]
"""(outputs of shape (batch, width), references of shape (batch,)) → the mean loss, a scalar."""


def cross_entropy(outputs: Tensor, references: Tensor) -> Tensor:
    """Cross-entropy of class logits, computed in fp32."""
    return functional.cross_entropy(outputs.float(), references.long())


def mse(outputs: Tensor, references: Tensor) -> Tensor:
    """Squared error of one predicted number, computed in fp32."""
    return functional.mse_loss(outputs[:, 0].float(), references.float())


LOSSES: Mapping[str, Loss] = MappingProxyType({"cross_entropy": cross_entropy, "mse": mse})
"""Every loss by its name."""

_OF_HEAD = {"classification": "cross_entropy", "regression": "mse"}


def choose(name: str, head: Literal["classification", "regression"]) -> Loss:
    """The named loss, or with ``auto`` the one that belongs to the head.

    Raises:
        InvalidConfig: the loss cannot train such a head.
    """
    fitting = _OF_HEAD[head]
    if name not in ("auto", fitting):
        raise InvalidConfig(f"the loss does not fit a {head} head", given=name, allowed=fitting, where="the recipe")
    return LOSSES[fitting]
