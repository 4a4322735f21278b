"""The update rules that torch has. Defaults are torch's, which are the papers'."""

from __future__ import annotations

import contextlib
import itertools
from contextlib import AbstractContextManager
from typing import Any, Literal

import torch
from torch import Tensor

from bertspec.optimizers.protocol import Closure, Groups, Optimizer, Requirements, Share, TorchOptimizer, in_place_of

__all__ = ["adadelta", "adafactor", "adagrad", "adam", "adamw", "asgd", "muon", "nadam", "radam", "rmsprop", "sgd"]


def adamw(
    groups: Groups, *, learning_rate: float, beta1: Share = 0.9, beta2: Share = 0.999, epsilon: float = 1e-8
) -> Optimizer:
    """AdamW: decoupled weight decay (Loshchilov and Hutter, 2019)."""
    return TorchOptimizer(torch.optim.AdamW(groups, learning_rate, (beta1, beta2), epsilon, fused=True))


def adam(
    groups: Groups, *, learning_rate: float, beta1: Share = 0.9, beta2: Share = 0.999, epsilon: float = 1e-8
) -> Optimizer:
    """Adam with bias correction; weight decay enters the gradient (Kingma and Ba, 2015)."""
    return TorchOptimizer(torch.optim.Adam(groups, learning_rate, (beta1, beta2), epsilon, fused=True))


def sgd(groups: Groups, *, learning_rate: float, momentum: Share = 0.0, nesterov: bool = False) -> Optimizer:
    """Stochastic gradient descent, with or without momentum (Polyak, 1964; Nesterov, 1983)."""
    return TorchOptimizer(torch.optim.SGD(groups, learning_rate, momentum, nesterov=nesterov, fused=True))


def rmsprop(
    groups: Groups,
    *,
    learning_rate: float,
    alpha: Share = 0.99,
    epsilon: float = 1e-8,
    momentum: Share = 0.0,
    centered: bool = False,
) -> Optimizer:
    """RMSprop: gradients over their running root mean square (Tieleman and Hinton, 2012; centred, Graves, 2013)."""
    inner = torch.optim.RMSprop(groups, learning_rate, alpha, epsilon, 0.0, momentum, centered, foreach=True)
    return TorchOptimizer(inner)


def adagrad(
    groups: Groups,
    *,
    learning_rate: float,
    rate_decay: float = 0.0,
    initial_accumulator: float = 0.0,
    epsilon: float = 1e-10,
) -> Optimizer:
    """Adagrad: gradients over the root of the sum of all their squares (Duchi et al., 2011)."""
    on_cpu = groups[0]["params"][0].device.type == "cpu"  # torch fuses it there, and nowhere else
    inner = torch.optim.Adagrad(groups, learning_rate, rate_decay, 0.0, initial_accumulator, epsilon, fused=on_cpu)
    return TorchOptimizer(inner)


def adadelta(groups: Groups, *, learning_rate: float, rho: Share = 0.9, epsilon: float = 1e-6) -> Optimizer:
    """Adadelta: a step is as long as earlier steps were; the paper's learning rate is 1 (Zeiler, 2012)."""
    return TorchOptimizer(torch.optim.Adadelta(groups, learning_rate, rho, epsilon, foreach=True))


def adafactor(
    groups: Groups,
    *,
    learning_rate: float,
    beta2_decay: float = -0.8,
    epsilon1: float | None = None,
    epsilon2: float = 1e-3,
    clip_threshold: float = 1.0,
) -> Optimizer:
    """Adafactor: second moments as the product of a row and a column (Shazeer and Stern, 2018).

    The learning rate bounds the paper's relative step, min(rate, 1/√t), which is a share of each tensor's root mean
    square; ``epsilon1: null`` is the machine epsilon.
    """
    inner = torch.optim.Adafactor(
        groups, learning_rate, beta2_decay, (epsilon1, epsilon2), clip_threshold, 0.0, foreach=True
    )
    return TorchOptimizer(inner)


def nadam(
    groups: Groups,
    *,
    learning_rate: float,
    beta1: Share = 0.9,
    beta2: Share = 0.999,
    epsilon: float = 1e-8,
    momentum_decay: float = 4e-3,
    decoupled_decay: bool = False,
) -> Optimizer:
    """NAdam: Adam with Nesterov's momentum (Dozat, 2016); weight decay enters the gradient unless decoupled."""
    betas = (beta1, beta2)
    inner = torch.optim.NAdam(groups, learning_rate, betas, epsilon, 0.0, momentum_decay, decoupled_decay, foreach=True)
    return TorchOptimizer(inner)


def radam(
    groups: Groups,
    *,
    learning_rate: float,
    beta1: Share = 0.9,
    beta2: Share = 0.999,
    epsilon: float = 1e-8,
    decoupled_decay: bool = False,
) -> Optimizer:
    """RAdam: Adam without steps of too uncertain a size (Liu et al., 2020); weight decay as NAdam's."""
    inner = torch.optim.RAdam(groups, learning_rate, (beta1, beta2), epsilon, 0.0, decoupled_decay, foreach=True)
    return TorchOptimizer(inner)


def asgd(
    groups: Groups,
    *,
    learning_rate: float,
    decay: float = 1e-4,
    power: float = 0.75,
    averaging_start: float = 1e6,
) -> Optimizer:
    """Averaged SGD (Polyak and Juditsky, 1992): the mean of all weights after step ``averaging_start`` is scored.

    Torch's rule: the rate falls as 1 / (1 + decay · rate · step)^power, and is used one step later.
    """
    if min(decay, power, averaging_start) < 0:
        raise ValueError(f"decay {decay}, power {power} and averaging_start {averaging_start} must be at least 0")
    inner = torch.optim.ASGD(groups, learning_rate, decay, power, averaging_start, foreach=True)
    return _Asgd(inner)


def muon(  # noqa: PLR0913 - every setting is a keyword
    groups: Groups,
    *,
    learning_rate: float,
    momentum: Share = 0.95,
    nesterov: bool = True,
    newton_schulz_steps: int = 5,
    epsilon: float = 1e-7,
    adjust: Literal["match-rms-adamw", "original"] = "match-rms-adamw",
    adamw_rate_ratio: float = 1.0,
    beta1: Share = 0.9,
    beta2: Share = 0.999,
    adamw_epsilon: float = 1e-8,
) -> Optimizer:
    """Muon (Jordan et al., 2024) for the matrices of the hidden layers, AdamW for all other weights.

    The learning rate is Muon's, and ``adamw_rate_ratio`` times it AdamW's. Where ``adjust`` is ``match-rms-adamw``
    (Liu et al., 2025) Muon's updates are as long as AdamW's, and one rate fits both; ``original`` is Jordan's scale,
    with which Muon's rate is about fifty times AdamW's. Both have the recipe's decoupled weight decay.
    """
    if adamw_rate_ratio <= 0:
        raise ValueError(f"adamw_rate_ratio {adamw_rate_ratio} is not above 0")
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


class _Asgd(TorchOptimizer):
    def scored(self) -> AbstractContextManager[None]:
        """Torch's own average, which is the weights themselves before it begins."""
        weights = itertools.chain.from_iterable(group["params"] for group in self._inner.param_groups)
        moved = [weight for weight in weights if "ax" in self._inner.state[weight]]
        return in_place_of(moved, [self._inner.state[weight]["ax"] for weight in moved])


class _Two:
    """Muon and AdamW, each for its own weights, with one backward per step."""

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
        """Score the weights themselves."""
        return contextlib.nullcontext()

    def state_dict(self) -> dict[str, Any]:
        """Return torch's own states."""
        return {name: inner.state_dict() for name, inner in self._inner.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load torch's own states."""
        for name, inner in self._inner.items():
            inner.load_state_dict(state[name])
