"""Averages of the weights: stochastic weight averaging and exponential moving averages."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from torch import Tensor
from torch.optim import swa_utils

from bertspec.config import AveragingConfig, SwaConfig
from bertspec.errors import InvalidConfig
from bertspec.optimizers.protocol import Closure, Length, Optimizer, in_place_of

__all__ = ["Averaged"]


class Averaged:
    """An update rule, and an average of the weights after some of its steps.

    Args:
        rule: takes the steps; its own ``scored`` is not used.
        weights: the weights to average: all that are trained.
        config: which steps count, and how much.
        length: how many steps there will be.

    Raises:
        InvalidConfig: fewer than two sets of weights would be averaged.
    """

    def __init__(self, rule: Optimizer, weights: Sequence[Tensor], config: AveragingConfig, length: Length) -> None:
        self.requirements = rule.requirements
        self._rule = rule
        self._weights = [weight.detach() for weight in weights]
        self._average: list[Tensor] = []
        self._taken, self._counted = 0, 0
        self._start = round(config.start * length.steps)
        self._every, self._join = _way(config, length)
        if (length.steps - self._start) // self._every < 2:
            raise InvalidConfig(
                "the average would hold fewer than two sets of weights",
                given=f"one every {self._every} of the {length.steps - self._start} steps after step {self._start}",
                allowed="an earlier start, a shorter interval (every), or more steps",
                where="the optimizer's averaging",
            )

    @property
    def rate(self) -> float | None:
        """The rule's rate."""
        return self._rule.rate

    def step(self, closure: Closure, *, learning_rate: float) -> Tensor:
        """Take the rule's step, and average where one is due."""
        loss = self._rule.step(closure, learning_rate=learning_rate)
        self._taken += 1
        since = self._taken - self._start
        if since > 0 and since % self._every == 0:
            if self._counted == 0:
                self._average = [weight.clone() for weight in self._weights]
            else:
                self._join(self._average, self._weights, self._counted)
            self._counted += 1
        return loss

    def scored(self) -> AbstractContextManager[None]:
        """Score the average; before it begins, the weights themselves."""
        return in_place_of(self._weights, self._average) if self._counted else contextlib.nullcontext()

    def state_dict(self) -> dict[str, Any]:
        """Return the rule's state and the average."""
        return {
            "rule": self._rule.state_dict(),
            "average": self._average,
            "taken": self._taken,
            "counted": self._counted,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Load both."""
        self._rule.load_state_dict(state["rule"])
        pairs = zip(state["average"], self._weights, strict=False)
        self._average = [kept.to(weight.device, weight.dtype, copy=True) for kept, weight in pairs]
        self._taken, self._counted = state["taken"], state["counted"]


Join = Callable[[list[Tensor], list[Tensor], int], None]
_mean_of: Any = swa_utils.get_swa_multi_avg_fn  # the library has no types here
_moving_mean_of: Any = swa_utils.get_ema_multi_avg_fn


def _way(config: AveragingConfig, length: Length) -> tuple[int, Join]:
    """The steps from one averaged set of weights to the next, and the function that adds a set to the average."""
    if isinstance(config, SwaConfig):
        return length.per_pass if config.every == "epoch" else config.every, _mean_of()
    return 1, _moving_mean_of(config.decay)
