"""Loss functions by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from torch import Tensor
from torch.nn import functional

from bertspec.errors import InvalidConfig
from bertspec.heads import TaskHead

__all__ = ["LOSSES", "Loss", "choose", "register"]

Loss = Callable[[Tensor, Tensor], Tensor]
"""(outputs of shape (batch, width), references of shape (batch,)) → the mean loss, a scalar."""


def cross_entropy(outputs: Tensor, references: Tensor) -> Tensor:
    """Cross-entropy of class logits, computed in fp32."""
    return functional.cross_entropy(outputs.float(), references.long())


def mse(outputs: Tensor, references: Tensor) -> Tensor:
    """Squared error of one predicted number, computed in fp32."""
    return functional.mse_loss(outputs[:, 0].float(), references.float())


_LOSSES: dict[str, Loss] = {"cross_entropy": cross_entropy, "mse": mse}
LOSSES: Mapping[str, Loss] = MappingProxyType(_LOSSES)
"""Every loss by its name."""


def register(name: str, loss: Loss) -> None:
    """Add a loss, for this process: a task head names those that can train it.

    Raises:
        ValueError: the name belongs to another loss.
    """
    if _LOSSES.setdefault(name, loss) is not loss:
        raise ValueError(f"the loss {name!r} exists already")


def choose(name: str, head: TaskHead) -> Loss:
    """The named loss, or with ``auto`` the default of the head.

    Raises:
        InvalidConfig: the loss cannot train such a head.
    """
    chosen = head.losses[0] if name == "auto" else name
    if chosen not in head.losses:
        allowed = ", ".join(("auto", *head.losses))
        raise InvalidConfig(
            f"the loss does not fit a {head.name} head", given=name, allowed=allowed, where="the recipe"
        )
    return LOSSES[chosen]
