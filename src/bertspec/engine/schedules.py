"""The number of steps of a recipe, and the learning rate of each: pure functions of the recipe."""

from __future__ import annotations

import math

from bertspec.config import MOST_STEPS, RecipeConfig, SwaConfig
from bertspec.errors import InvalidConfig

__all__ = ["learning_rate_at", "steps_of", "steps_per_epoch"]

_RISE, _FIRST, _LAST = 0.3, 1 / 25, 1e-4
"""The one-cycle schedule: the share of the steps in which it rises, its first rate as a share of the peak, and its last
as a share of the first; torch's defaults."""


def steps_per_epoch(recipe: RecipeConfig, examples: int) -> int:
    """Optimizer steps of one epoch over this many examples."""
    return math.ceil(examples / recipe.batch_size)


def steps_of(recipe: RecipeConfig, examples: int) -> int:
    """Optimizer steps of a recipe on a training split of this many examples.

    Raises:
        InvalidConfig: its epochs are too many.
    """
    if recipe.steps is not None:
        return recipe.steps
    assert recipe.epochs is not None  # noqa: S101 - a recipe has one of the two
    per_epoch = steps_per_epoch(recipe, examples)
    steps = recipe.epochs * per_epoch
    if steps > MOST_STEPS:
        allowed = f"at most {MOST_STEPS:,} steps; an epoch has {per_epoch:,}"
        raise InvalidConfig("the recipe has too many epochs", given=recipe.epochs, allowed=allowed)
    return max(1, round(steps))


def learning_rate_at(step: int, total: int, recipe: RecipeConfig) -> float:
    """The learning rate of step ``step`` (from 1) of ``total``.

    It rises linearly over the warm-up and then follows the recipe's schedule. If weights are averaged at a learning
    rate of their own, it moves there when the averaging starts.
    """
    averaging = recipe.optimizer.averaging
    if not isinstance(averaging, SwaConfig) or averaging.learning_rate_share is None:
        return _scheduled(step, total, recipe)
    start = round(averaging.start * total)
    if step <= start:
        return _scheduled(step, total, recipe)
    share = min(1.0, (step - start) / max(1, averaging.anneal_steps))
    if averaging.anneal == "cosine":
        share = (1 - math.cos(math.pi * share)) / 2
    before = _scheduled(max(1, start), total, recipe)
    return share * averaging.learning_rate_share * recipe.optimizer.learning_rate + (1 - share) * before


def _scheduled(step: int, total: int, recipe: RecipeConfig) -> float:
    warmup = round(recipe.warmup_fraction * total)
    peak = recipe.optimizer.learning_rate
    if recipe.schedule == "one-cycle":
        return _one_cycle(step, total, peak)
    if step <= warmup:
        return peak * step / warmup
    if recipe.schedule == "constant":
        return peak
    if recipe.schedule == "inverse-square-root":  # Vaswani et al., 2017
        return peak * math.sqrt(max(1, warmup) / step)
    if recipe.schedule == "cosine":  # Loshchilov and Hutter, 2017, without restarts
        return peak * (1 + math.cos(math.pi * (step - 1 - warmup) / (total - warmup))) / 2
    return peak * (total - step + 1) / (total - warmup)


def _one_cycle(step: int, total: int, peak: float) -> float:
    """Smith and Topin, 2018, with two cosine phases. Unlike torch's, the momentum stays constant."""
    top = _RISE * total - 1
    first = peak * _FIRST
    if step - 1 <= top:
        return _between(first, peak, (step - 1) / top)
    return _between(peak, first * _LAST, (step - 1 - top) / (total - 1 - top))


def _between(start: float, end: float, share: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * share)) / 2
