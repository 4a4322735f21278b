"""The update rules that torch lacks, from the package pytorch_optimizer. Defaults are the papers'."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from bertspec.errors import InvalidConfig
from bertspec.optimizers.protocol import Groups, Optimizer, Share, TorchOptimizer, in_place_of

__all__ = ["lamb", "lion", "prodigy", "schedule_free_adamw"]


def lion(groups: Groups, *, learning_rate: float, beta1: Share = 0.9, beta2: Share = 0.99) -> Optimizer:
    """Lion: the sign of a momentum, with decoupled weight decay (Chen et al., 2023).

    The paper's rate is a third to a tenth of AdamW's, and its weight decay as many times larger.
    """
    return TorchOptimizer(_package().Lion(groups, learning_rate, (beta1, beta2), foreach=True))


def lamb(
    groups: Groups, *, learning_rate: float, beta1: Share = 0.9, beta2: Share = 0.999, epsilon: float = 1e-6
) -> Optimizer:
    """LAMB: Adam's step, scaled to each tensor's norm (You et al., 2020); weight decay is part of what is scaled.

    Without bias correction, as the paper's third version: it would cancel in the scaling.
    """
    inner = _package().Lamb(
        groups,
        learning_rate,
        (beta1, beta2),
        weight_decouple=False,
        adam_debias=True,  # or the package divides the scaled step by 1 - beta1^t, ten times too long at first
        eps=epsilon,
        foreach=True,
    )
    return TorchOptimizer(inner)


def prodigy(  # noqa: PLR0913 - every setting is a keyword
    groups: Groups,
    *,
    learning_rate: float,
    beta1: Share = 0.9,
    beta2: Share = 0.999,
    epsilon: float = 1e-8,
    initial_distance: float = 1e-6,
    distance_coefficient: float = 1.0,
    growth_rate: float = float("inf"),
    bias_correction: bool = False,
    safeguard_warmup: bool = False,
) -> Optimizer:
    """Prodigy: Adam that estimates its own learning rate (Mishchenko and Defazio, 2024).

    ``learning_rate`` is a factor on the estimate, 1 in the paper. ``safeguard_warmup`` keeps a warm-up out of the
    estimate. Weight decay is decoupled.
    """
    if initial_distance <= 0 or distance_coefficient <= 0 or growth_rate < 1:
        raise ValueError(
            f"initial_distance {initial_distance} and distance_coefficient {distance_coefficient} must be above 0, "
            f"growth_rate {growth_rate} at least 1"
        )
    inner = _package().Prodigy(
        groups,
        learning_rate,
        (beta1, beta2),
        d0=initial_distance,
        d_coef=distance_coefficient,
        growth_rate=growth_rate,
        bias_correction=bias_correction,
        safeguard_warmup=safeguard_warmup,
        eps=epsilon,
        foreach=True,
    )
    return TorchOptimizer(inner)


def schedule_free_adamw(
    groups: Groups,
    *,
    learning_rate: float,
    beta1: Share = 0.9,
    beta2: Share = 0.999,
    epsilon: float = 1e-8,
    step_power: float = 0.0,
    rate_power: float = 2.0,
) -> Optimizer:
    """Schedule-free AdamW (Defazio et al., 2024): an average of the weights replaces a falling rate.

    The average is what is scored; it weighs step t with t^step_power · (its largest rate so far)^rate_power.
    """
    inner = _package().ScheduleFreeAdamW(
        groups, learning_rate, (beta1, beta2), r=step_power, weight_lr_power=rate_power, eps=epsilon, foreach=True
    )
    return _ScheduleFree(inner)


class _ScheduleFree(TorchOptimizer):
    @contextlib.contextmanager
    def scored(self) -> Iterator[None]:
        """Score the average, in what the package calls its evaluation mode."""
        inner: Any = self._inner
        weights = [weight for group in inner.param_groups for weight in group["params"]]
        with in_place_of(weights, weights):  # the package's way back is not exact to the bit
            inner.eval()
            try:
                yield
            finally:
                inner.train()


def _package() -> Any:
    """Imported late: it is an extra, and takes a second.

    Raises:
        InvalidConfig: it is not installed.
    """
    try:
        import pytorch_optimizer
    except ImportError as missing:
        raise InvalidConfig(
            "this optimizer needs the package pytorch_optimizer", allowed="pip install 'bertspec[optimizers]'"
        ) from missing
    return pytorch_optimizer
