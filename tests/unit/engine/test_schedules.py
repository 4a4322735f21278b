"""Learning rates are torch's own, where torch has such a schedule."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler, swa_utils

from bertspec import engine
from bertspec.config import RecipeConfig
from bertspec.errors import InvalidConfig

TOTAL, PEAK = 40, 2.0


def scheduled(recipe: RecipeConfig, total: int = TOTAL, **values: Any) -> list[float]:
    optimizer = {"algorithm": "sgd", "learning_rate": PEAK, "averaging": values.pop("averaging", None)}
    chosen = RecipeConfig.model_validate(recipe.model_dump() | {"optimizer": optimizer, **values})
    return [engine.learning_rate_at(step, total, chosen) for step in range(1, total + 1)]


def optimizer(rate: float = PEAK) -> torch.optim.Optimizer:
    return torch.optim.SGD([nn.Parameter(torch.zeros(1))], rate)


def rates(scheduler: Any, steps: int) -> list[float]:
    """The rate of each step of a scheduler of torch."""
    found = []
    for _ in range(steps):
        found.append(scheduler.optimizer.param_groups[0]["lr"])
        scheduler.optimizer.step()
        scheduler.step()
    return found


def test_the_warm_up_is_torchs_linear_one(recipe: RecipeConfig) -> None:
    torchs = lr_scheduler.LinearLR(optimizer(), start_factor=0.1, total_iters=9)
    assert scheduled(recipe, warmup_fraction=0.25, schedule="constant") == pytest.approx(rates(torchs, TOTAL))


def test_linear_is_torchs(recipe: RecipeConfig) -> None:
    torchs = lr_scheduler.LinearLR(optimizer(), start_factor=1.0, end_factor=0.0, total_iters=TOTAL)
    assert scheduled(recipe, warmup_fraction=0.0, schedule="linear") == pytest.approx(rates(torchs, TOTAL))


def test_cosine_is_torchs(recipe: RecipeConfig) -> None:
    torchs = lr_scheduler.CosineAnnealingLR(optimizer(), T_max=TOTAL)
    assert scheduled(recipe, warmup_fraction=0.0, schedule="cosine") == pytest.approx(rates(torchs, TOTAL))


def test_constant_stays(recipe: RecipeConfig) -> None:
    assert set(scheduled(recipe, warmup_fraction=0.0, schedule="constant")) == {PEAK}


@pytest.mark.parametrize("total", [1, 2, 3, 7, 40, 101])
def test_one_cycle_is_torchs(recipe: RecipeConfig, total: int) -> None:
    torchs = lr_scheduler.OneCycleLR(optimizer(), PEAK, total_steps=total, cycle_momentum=False)
    found = []
    for step in range(total):
        found.append(torchs.optimizer.param_groups[0]["lr"])
        torchs.optimizer.step()
        if step < total - 1:
            torchs.step()
    assert scheduled(recipe, total, warmup_fraction=0.0, schedule="one-cycle") == pytest.approx(found)


@pytest.mark.parametrize("warmup", [0.0, 0.25])
def test_inverse_square_root_is_the_formula_of_its_paper(recipe: RecipeConfig, warmup: float) -> None:
    start = max(1, round(warmup * TOTAL))
    wanted = [PEAK * min(step / start, math.sqrt(start / step)) for step in range(1, TOTAL + 1)]
    found = scheduled(recipe, warmup_fraction=warmup, schedule="inverse-square-root")
    assert found == pytest.approx(wanted)


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant", "inverse-square-root"])
def test_the_peak_is_reached_at_the_end_of_the_warm_up(recipe: RecipeConfig, schedule: str) -> None:
    found = scheduled(recipe, warmup_fraction=0.25, schedule=schedule)
    assert found[:10] == pytest.approx([PEAK * step / 10 for step in range(1, 11)])
    assert max(found) == found[9] == PEAK
    assert min(found) > 0


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
@pytest.mark.parametrize(("ours", "torchs"), [("cosine", "cos"), ("linear", "linear")])
@pytest.mark.parametrize("steps", [0, 1, 5])
def test_the_averaging_phase_has_torchs_swa_rate(
    recipe: RecipeConfig, schedule: str, ours: str, torchs: Any, steps: int
) -> None:
    start = 30
    averaging = {
        "kind": "swa",
        "start": start / TOTAL,
        "every": 1,
        "learning_rate_share": 0.25,
        "anneal_steps": steps,
        "anneal": ours,
    }
    found = scheduled(recipe, warmup_fraction=0.1, schedule=schedule, averaging=averaging)
    plain = scheduled(recipe, warmup_fraction=0.1, schedule=schedule)
    assert found[:start] == plain[:start]
    scheduler = swa_utils.SWALR(optimizer(plain[start - 1]), 0.25 * PEAK, steps, torchs)
    assert found[start:] == pytest.approx(rates(scheduler, TOTAL - start + 1)[1:])


@pytest.mark.parametrize("averaging", [{"kind": "ema"}, {"kind": "swa", "learning_rate_share": None}])
def test_an_average_without_a_rate_of_its_own_leaves_the_schedule(recipe: RecipeConfig, averaging: Any) -> None:
    assert scheduled(recipe, averaging=averaging) == scheduled(recipe)


def test_epochs_without_end_are_refused(recipe: RecipeConfig) -> None:
    endless = RecipeConfig.model_validate(recipe.model_dump() | {"steps": None, "epochs": 1e7})
    with pytest.raises(
        InvalidConfig, match="too many epochs; given: 10000000.0; allowed: at most 10,000,000 steps; an epoch"
    ):
        engine.steps_of(endless, 1000)
