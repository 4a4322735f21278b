"""Muon, which is for the matrices of the hidden layers, and AdamW for all other weights."""

from __future__ import annotations

import contextlib
from contextlib import AbstractContextManager
from typing import Any, Literal

import torch
from torch import Tensor

from bertspec.optimizers.groups import Groups
from bertspec.optimizers.protocol import Closure, Optimizer, Requirements

__all__ = ["muon"]

Adjust = Literal["match-rms-adamw", "original"]


def muon(  # noqa: PLR0913 - every setting is a keyword
    groups: Groups,
    *,
    learning_rate: float,
    momentum: float = 0.95,
    nesterov: bool = True,
    newton_schulz_steps: int = 5,
    epsilon: float = 1e-7,
    adjust: Adjust = "match-rms-adamw",
    adamw_rate_ratio: float = 1.0,
    beta1: float = 0.9,
    beta2: float = 0.999,
    adamw_epsilon: float = 1e-8,
) -> Optimizer:
    """Muon (Jordan et al., 2024) for the matrices of the hidden layers, AdamW for all other weights.

    The learning rate is Muon's, and ``adamw_rate_ratio`` times it AdamW's. Where ``adjust`` is ``match-rms-adamw``
    (Liu et al., 2025) Muon's updates are as long as AdamW's, and one rate fits both; ``original`` is Jordan's scale,
    with which Muon's rate is about fifty times AdamW's. Both have the recipe's decoupled weight decay.
    """
    if adamw_rate_ratio <= 0:
        raise ValueError(f"adamw_rate_ratio {adamw_rate_ratio} is not above 0")
    if not 0 <= momentum < 1:
        raise ValueError(f"momentum {momentum} is not in [0, 1)")
    if not 1 <= newton_schulz_steps < 100:
        raise ValueError(f"newton_schulz_steps {newton_schulz_steps} is not in 1 to 99")
    hidden = [group for group in groups if group["hidden"]]
    others = [group | {"scale": group["scale"] * adamw_rate_ratio} for group in groups if not group["hidden"]]
    if not hidden:
        raise ValueError("no matrix of a hidden layer is trained, and Muon is for these")
    inner = torch.optim.Muon(
        hidden,
        learning_rate,
        momentum=momentum,
        nesterov=nesterov,
        eps=epsilon,
        ns_steps=newton_schulz_steps,
        adjust_lr_fn=adjust.replace("-", "_"),
    )
    beside = torch.optim.AdamW(others, learning_rate, (beta1, beta2), adamw_epsilon, fused=True)
    return _Two(inner, beside)


class _Two:
    """Two of torch's optimizers, each for weights of its own, at one gradient."""

    rate: float | None = None

    def __init__(self, muon: torch.optim.Optimizer, adamw: torch.optim.Optimizer) -> None:
        self.requirements = Requirements()
        self._inner = {"muon": muon, "adamw": adamw}

    def step(self, closure: Closure, *, learning_rate: float) -> Tensor:
        """Compute the gradients at the current weights, and apply both rules."""
        loss = closure()
        for inner in self._inner.values():
            for group in inner.param_groups:
                group["lr"] = learning_rate * group["scale"]
            inner.step()
        return loss

    def scored(self) -> AbstractContextManager[None]:
        """The weights themselves."""
        return contextlib.nullcontext()

    def state_dict(self) -> dict[str, Any]:
        """Torch's own states."""
        return {name: inner.state_dict() for name, inner in self._inner.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over torch's own states."""
        for name, inner in self._inner.items():
            inner.load_state_dict(state[name])
