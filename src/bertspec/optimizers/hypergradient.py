"""Learning rates that are learned while training: HD, RTHO and MARTHE, as in AWS AdaTune.

All three follow the *hypergradient*, the derivative of a loss by the learning rate, through the derivative of the
weights, z = dw/dη. They differ in the loss and in how far back z looks:

- HD (Baydin et al., 2018): the loss of the next training batch; z is that of the last update alone.
- RTHO (Franceschi et al., 2017): the loss of rows that are held out of training; z is carried through every update
  since the first, as if the rate had been the same all along.
- MARTHE (Donini et al., 2020): the same, with what is carried multiplied by μ at every update. μ is a number, or
  adaptive: large while the long look and the look at the last update agree.

RTHO and MARTHE carry z exactly: torch's forward mode differentiates the update rule and the clipping, double backward
gives the Hessian of the loss times z.

The step on the rate is Baydin's multiplicative one, η ← η (1 − β cos(gradient, z)), and not the additive one of the
other papers: the size of a hypergradient depends on the loss, on the rule and on the number of weights, and an additive
β must be tuned over many powers of ten for each of them. Here β is the largest share by which one step
changes the rate, which stays above 0 since β is below 1. What is learned is the peak rate: the schedule's warm-up and
decay multiply it.
"""

from __future__ import annotations

import abc
import contextlib
import inspect
import logging
import math
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Annotated, Any, get_type_hints

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.nn.utils import parameters_to_vector

from bertspec.optimizers.functional import SGD, Adam, AdamW, Point, UpdateRule, clipped
from bertspec.optimizers.protocol import Closure, Groups, Optimizer, Requirements, Share

__all__ = ["ALGORITHMS", "HD", "REQUIREMENTS", "LearnedRate", "Marthe"]

_log = logging.getLogger(__name__)


class LearnedRate(abc.ABC):
    """What HD, RTHO and MARTHE share: a point that moves, and a peak rate that is learned."""

    requirements = Requirements()

    def __init__(self, groups: Groups, rule: UpdateRule, *, learning_rate: float, hyper_learning_rate: float) -> None:
        self.rate: float | None = None
        self.hypergradient: float | None = None
        """The derivative of the loss by the peak rate that the last step used; None before the first."""
        self._rule, self._given, self._peak, self._pace = rule, learning_rate, learning_rate, hyper_learning_rate
        self._weights: list[nn.Parameter] = [weight for group in groups for weight in group["params"]]
        self._sizes = [weight.numel() for weight in self._weights]
        decays = [torch.full_like(w, g["weight_decay"]).flatten() for g in groups for w in g["params"]]
        self._decay = torch.cat(decays)
        scales = [torch.full_like(w, g.get("scale", 1.0)).flatten() for g in groups for w in g["params"]]
        self._scale = torch.cat(scales)
        """Each weight's own share of the learning rate."""
        self._memory: Point = tuple(torch.zeros_like(self._decay) for _ in range(rule.memory))
        self._carried: Point | None = None
        """The derivative of the point by the peak rate, part by part."""
        self._steps = 0

    @abc.abstractmethod
    def step(self, closure: Closure, *, learning_rate: float) -> Tensor:
        """Learn the rate and take one step at it."""

    def scored(self) -> AbstractContextManager[None]:
        """Score the weights themselves."""
        return contextlib.nullcontext()

    def state_dict(self) -> dict[str, Any]:
        """The peak rate that was learned, the rule's memory, and the derivative of both."""
        carried = None if self._carried is None else list(self._carried)
        return {"steps": self._steps, "peak": self._peak, "memory": list(self._memory), "carried": carried}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take them over."""
        self._steps, self._peak = state["steps"], state["peak"]
        self._memory = tuple(self._here(part) for part in state["memory"])
        carried = state["carried"]
        self._carried = None if carried is None else tuple(self._here(part) for part in carried)

    def _here(self, part: Tensor) -> Tensor:
        """A copy with the memory layout of the original, on which the last bit of sums depends."""
        return part.to(self._decay, copy=True)

    def _learn(self, gradient: Tensor) -> None:
        """Change the peak rate by the gradient of a loss at the current weights."""
        if self._carried is None:
            return
        derivative = self._carried[0]
        product = float(gradient @ derivative)
        lengths = float(torch.linalg.vector_norm(gradient)) * float(torch.linalg.vector_norm(derivative))
        if not (math.isfinite(product) and math.isfinite(lengths)):
            _log.debug("the derivative by the learning rate grew beyond all numbers; it starts anew")
            self._carried = None
            return
        self.hypergradient = product
        if lengths > 0:
            self._peak *= 1 - self._pace * product / lengths

    def _point(self) -> Point:
        return parameters_to_vector(self._weights).detach(), *self._memory

    def _moved(
        self, gradient: Tensor, share: float, *, clip: float | None, along: tuple[Point, Tensor] | None = None
    ) -> tuple[Point, Point]:
        """The point after an update at the learned rate, and its derivative by the peak rate.

        Args:
            gradient: of the loss by the weights.
            share: the schedule's share of the peak rate.
            clip: the norm that the gradient is still to be clipped to.
            along: the derivatives of point and gradient by the peak rate; None for zeros.
        """
        point = self._point()
        rate = torch.tensor(self._peak * share, dtype=gradient.dtype, device=gradient.device)
        with torch.no_grad(), forward_ad.dual_level():
            if along is not None:
                point = tuple(_dual(one, two) for one, two in zip(point, along[0], strict=True))
                gradient = _dual(gradient, along[1])
            rate = _dual(rate, torch.full_like(rate, share)) * self._scale
            gradient, step = clipped(gradient, clip), self._steps + 1
            parts = [_parted(part) for part in self._rule.moved(point, gradient, rate, decay=self._decay, step=step)]
        return tuple(value for value, _ in parts), tuple(tangent for _, tangent in parts)

    def _take(self, point: Point, derivative: Point, share: float) -> None:
        self.rate = self._peak * share
        self._memory, self._carried = point[1:], derivative
        self._steps += 1
        # Copied: views of one vector have another alignment than after a resume, which changes the last bit.
        with torch.no_grad():
            for weight, part in zip(self._weights, torch.split(point[0], self._sizes), strict=True):
                weight.copy_(part.view_as(weight))


class HD(LearnedRate):
    """Hypergradient descent: one backward a step, and the gradient of the next batch judges the last update.

    Where the recipe clips, it is the clipped gradient that judges: the same direction, and the step goes by that alone.
    """

    def step(self, closure: Closure, *, learning_rate: float) -> Tensor:
        """Learn the rate from the fresh gradient, then apply the rule."""
        loss = closure()
        gradient = torch.cat([_or_zeros(weight).flatten() for weight in self._weights])
        self._learn(gradient)
        share = learning_rate / self._given
        point, derivative = self._moved(gradient, share, clip=None)
        self._take(point, (derivative[0],), share)
        return loss


class Marthe(LearnedRate):
    """MARTHE; and RTHO, which is MARTHE with μ = 1."""

    def __init__(
        self,
        groups: Groups,
        rule: UpdateRule,
        *,
        learning_rate: float,
        hyper_learning_rate: float,
        held_out: float,
        mu: float | str = 1.0,
    ) -> None:
        super().__init__(groups, rule, learning_rate=learning_rate, hyper_learning_rate=hyper_learning_rate)
        if mu != "adaptive" and (isinstance(mu, str) or not 0 <= mu <= 1):
            raise ValueError("mu is a number from 0 to 1, or adaptive")
        self.requirements = Requirements(second_derivative=True, held_out=held_out)
        self._adaptive = mu == "adaptive"
        self._mu = 0.0 if isinstance(mu, str) else float(mu)
        self._kept = 0.0
        """The sum of μ since it was last 0: the larger it is, the slower μ falls."""
        self._alone: Tensor | None = None
        """The derivative of the weights by the rate of the last update alone, for an adaptive μ."""

    def step(self, closure: Closure, *, learning_rate: float) -> Tensor:
        """Learn the rate from a held-out batch, then apply the rule and carry the derivative through it."""
        if self._carried is not None:
            self._look(self._gradient(closure.held_out_loss()))
        share, clip = learning_rate / self._given, closure.clip_norm
        loss = closure.loss()
        gradient, along = self._with_curvature(loss)
        point, derivative = self._moved(gradient, share, clip=clip, along=along)
        if self._adaptive:
            self._alone = self._moved(gradient, share, clip=clip)[1][0]
        self._take(point, derivative, share)
        return loss.detach()

    def state_dict(self) -> dict[str, Any]:
        """Also μ and what it goes by."""
        own = {"mu": self._mu, "kept": self._kept, "alone": self._alone, "hypergradient": self.hypergradient}
        return {**super().state_dict(), **own}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take them over."""
        super().load_state_dict(state)
        self._mu, self._kept, self.hypergradient = state["mu"], state["kept"], state["hypergradient"]
        self._alone = None if state["alone"] is None else self._here(state["alone"])

    def _look(self, gradient: Tensor) -> None:
        before = self.hypergradient
        self._learn(gradient)
        if self._adaptive and self._alone is not None:
            self._mu = self._agreement(before or 0.0, float(gradient @ self._alone))

    def _agreement(self, long: float, short: float) -> float:
        """The paper's μ: how much of the long look the newest update confirms, between 0 and 1.

        Args:
            long: the hypergradient before the newest update.
            short: the derivative of the loss after it, by the rate of that update alone.
        """
        ratio = min(max(long / short, 0.0), 1.0) if short else 0.0
        self._kept = self._kept + self._mu if self._mu else 0.0
        return float(ratio ** (1 / (self._kept + 1)))

    def _gradient(self, loss: Tensor, *, twice: bool = False) -> Tensor:
        # A weight that the loss does not depend on has a gradient of zeros.
        parts = torch.autograd.grad(loss, self._weights, create_graph=twice, materialize_grads=True)
        return torch.cat([part.flatten() for part in parts])

    def _with_curvature(self, loss: Tensor) -> tuple[Tensor, tuple[Point, Tensor] | None]:
        """The gradient; and the derivatives of point and gradient by the peak rate, as far as they are carried."""
        if self._carried is None or self._mu == 0:
            return self._gradient(loss), None
        carried = tuple(self._mu * part for part in self._carried)
        gradient = self._gradient(loss, twice=True)
        if not gradient.requires_grad:
            return gradient, (carried, torch.zeros_like(gradient))
        parts = torch.autograd.grad(gradient, self._weights, grad_outputs=carried[0], materialize_grads=True)
        return gradient.detach(), (carried, torch.cat([part.flatten() for part in parts]))


def _dual(value: Tensor, tangent: Tensor) -> Tensor:
    make: Any = forward_ad.make_dual  # the library has no types here
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the first call makes torch use its own old compiler
        dual: Tensor = make(value, tangent)
    return dual


def _parted(dual: Tensor) -> tuple[Tensor, Tensor]:
    """Value and tangent; what does not depend on the rate has a tangent of zeros."""
    unpack: Any = forward_ad.unpack_dual  # the library has no types here
    value, tangent = unpack(dual)
    return value, torch.zeros_like(value) if tangent is None else tangent


def _or_zeros(weight: nn.Parameter) -> Tensor:
    return torch.zeros_like(weight) if weight.grad is None else weight.grad


_HELD_OUT = 0.1
_RULES: Mapping[str, type[UpdateRule]] = {"sgd": SGD, "adam": Adam, "adamw": AdamW}
_METHODS: Mapping[str, tuple[type[LearnedRate], Mapping[str, Any]]] = {
    "hd": (HD, {"hyper_learning_rate": 0.2}),
    "rtho": (Marthe, {"hyper_learning_rate": 0.2, "held_out": _HELD_OUT}),
    "marthe": (Marthe, {"hyper_learning_rate": 0.2, "held_out": _HELD_OUT, "mu": "adaptive"}),
}
"""The settings that each method adds to those of its rule, with their defaults."""
_TYPES = {
    "hyper_learning_rate": Share,  # β
    "held_out": Annotated[float, Field(gt=0, lt=1)],  # the share of the training rows
    "mu": float | str,
}


def _algorithm(learned: type[LearnedRate], rule: type[UpdateRule], own: Mapping[str, Any]) -> Callable[..., Optimizer]:
    """The function that builds a method around a rule; its signature has the settings of both."""

    def build(groups: Groups, *, learning_rate: float, **settings: Any) -> Optimizer:
        of_rule = {name: value for name, value in settings.items() if name not in own}
        of_method = {name: settings.get(name, default) for name, default in own.items()}
        return learned(groups, rule(**of_rule), learning_rate=learning_rate, **of_method)

    kinds = {**_TYPES, **get_type_hints(rule.__init__, include_extras=True), "groups": Groups, "learning_rate": float}
    of_rule = {name: keyword.default for name, keyword in inspect.signature(rule).parameters.items()}
    keywords = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kinds[name])
        for name, default in {"learning_rate": inspect.Parameter.empty, **own, **of_rule}.items()
    ]
    groups = inspect.Parameter("groups", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Groups)
    build.__signature__ = inspect.Signature([groups, *keywords])  # type: ignore[attr-defined]
    build.__annotations__ = {name: kinds[name] for name in ("groups", *(keyword.name for keyword in keywords))}
    return build


ALGORITHMS: Mapping[str, Callable[..., Optimizer]] = {
    f"{method}-{name}": _algorithm(learned, rule, own)
    for method, (learned, own) in _METHODS.items()
    for name, rule in _RULES.items()
}
"""Each of hd, rtho and marthe around each of sgd, adam and adamw, such as ``rtho-adamw``."""

REQUIREMENTS: Mapping[str, Requirements] = {
    name: Requirements(second_derivative=True, held_out=_HELD_OUT) for name in ALGORITHMS if not name.startswith("hd-")
}
