"""Every optimizer of the catalog, on a bundled task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bertspec import device, optimizers
from bertspec.catalog import Catalog
from bertspec.config import GeneratedConfig, RecipeConfig, RunConfig
from bertspec.engine import RunInputs, preparation
from bertspec.engine.training import train
from bertspec.errors import InvalidConfig
from bertspec.models import EncoderModel
from bertspec.sources import Sources, pretrained, tables
from bertspec.tracking import SilentObserver
from tests.unit.engine.conftest import Ran

CATALOG = Catalog.beside(Path("/nowhere"))
BOLD = {"lamb": 3.0, "prodigy": 1.0, "radam": 30.0}
"""By how much the rates may be raised for sixteen rows, where it is not by ten."""


def changed(config: RunConfig, **values: Any) -> RunConfig:
    return config.model_copy(update={"recipe": RecipeConfig.model_validate(config.recipe.model_dump() | values)})


def without_dropout(config: RunConfig) -> RunConfig:
    still = {**config.encoder.architecture, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return config.model_copy(update={"encoder": config.encoder.model_copy(update={"architecture": still})})


def by_heart(config: RunConfig) -> RunConfig:
    """A task of one batch, and the wide initialisation that suits a small width."""
    config = without_dropout(config)
    wide = config.encoder.model_copy(update={"architecture": config.encoder.architecture | {"initializer_range": 0.15}})
    few = GeneratedConfig(train_rows=16, evaluation_rows=40, label_noise=0.05)
    return config.model_copy(update={"encoder": wide, "task": config.task.model_copy(update={"generated": few})})


@pytest.mark.parametrize("name", CATALOG.names("optimizers"))
def test_every_optimizer_lowers_the_loss_of_a_bundled_task(name: str, config: RunConfig, ran: Ran) -> None:
    """Sixty steps on sixteen rows, to be learned by heart, which bears more than the rate of a real task."""
    optimizer = CATALOG.optimizer(name, config.encoder).model_dump()
    rate = BOLD.get(name, 10.0) * optimizer["learning_rate"]
    settings = optimizer["settings"] | ({"initial_distance": 1e-2} if name == "prodigy" else {})
    bold = optimizer | {"learning_rate": rate, "settings": settings}
    result = ran(by_heart(changed(config, steps=60, schedule="constant", optimizer=bold)))
    assert result.curve.loss[-1] < 0.9 * result.curve.loss[0]
    assert result.facts.diverged is None


@pytest.mark.parametrize("name", ["swa", "ema"])
def test_the_average_is_what_is_scored_and_saved(name: str, config: RunConfig, ran: Ran, tmp_path: Path) -> None:
    optimizer = CATALOG.optimizer(name, config.encoder).model_dump()
    averaged = ran(changed(config, steps=48, optimizer=optimizer), save_to=tmp_path)
    assert averaged.curve.loss.shape == (48,)
    encoder = config.encoder.model_copy(update={"checkpoint": str(tmp_path), "family": None, "architecture": {}})
    again = changed(
        config.model_copy(update={"encoder": encoder}), steps=1, optimizer={"algorithm": "sgd", "learning_rate": 1e-12}
    )
    np.testing.assert_allclose(ran(again).outcomes.outputs, averaged.outcomes.outputs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [1, 3, 5, 8])
def test_gradients_of_parts_add_up_to_those_of_the_batch(config: RunConfig, nowhere: Sources, size: int) -> None:
    whole, parts = (gradient(changed(without_dropout(config), micro_batch=each), nowhere) for each in (None, size))
    torch.testing.assert_close(parts, whole, rtol=1e-5, atol=1e-6)
    assert whole.abs().max() > 1e-3


def gradient(config: RunConfig, nowhere: Sources) -> torch.Tensor:
    """What the first step of a run is taken by."""
    found: list[torch.Tensor] = []

    class Looked(optimizers.TorchOptimizer):
        def step(self, closure: optimizers.Closure, *, learning_rate: float) -> torch.Tensor:
            loss = closure()
            found.append(torch.cat([p.grad.flatten() for group in self._inner.param_groups for p in group["params"]]))
            return loss

    one = changed(config, steps=1)
    inputs = RunInputs(pretrained.find(one.encoder, nowhere), tables.load(one.task, nowhere))
    chosen = device.choose("cpu", one.recipe)
    with chosen.session(one.seed):
        context = preparation.prepare(one, inputs, chosen, None)
        object.__setattr__(context, "optimizer", Looked(context.optimizer._inner))
        train(one.recipe, context, SilentObserver(), seed=one.seed)
    return found[0]


def test_a_recipe_that_asks_for_parts_is_not_said_to_lack_memory(config: RunConfig, ran: Ran) -> None:
    parts = ran(changed(without_dropout(config), micro_batch=5))
    assert parts.facts.micro_batch is None
    whole = ran(without_dropout(config))
    np.testing.assert_allclose(parts.curve.loss, whole.curve.loss, rtol=1e-4)


@pytest.mark.parametrize("algorithm", sorted(optimizers.ALGORITHMS))
def test_rules_that_take_whole_tensors_keep_every_row_of_the_vocabulary(
    algorithm: str, config: RunConfig, ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrowed: list[bool] = []
    narrow = EncoderModel.narrow
    monkeypatch.setattr(EncoderModel, "narrow", lambda self, *tokens: narrowed.append(True) or narrow(self, *tokens))
    optimizer = {"algorithm": algorithm, "learning_rate": 1e-3}
    ran(changed(config, steps=1, schedule="constant", optimizer=optimizer))
    padded = algorithm.startswith(("rtho", "marthe"))  # differentiated twice
    assert bool(narrowed) is not (padded or algorithm in {"adafactor", "lamb", "prodigy"})


def test_muon_learns_the_same_with_a_narrow_vocabulary(
    config: RunConfig, ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = changed(
        without_dropout(config), optimizer={"algorithm": "muon", "learning_rate": 1e-3, "weight_decay": 0.1}
    )
    narrow = ran(asked)
    monkeypatch.setattr(EncoderModel, "narrow", lambda _, *tokens: tokens)
    np.testing.assert_allclose(ran(asked).curve.loss, narrow.curve.loss, rtol=1e-5)


def test_layer_decay_reaches_the_training(config: RunConfig, ran: Ran) -> None:
    optimizer = {"algorithm": "sgd", "learning_rate": 0.1, "layer_decay": 0.1}
    assert not np.array_equal(
        ran(changed(config, optimizer=optimizer)).outcomes.outputs,
        ran(changed(config, optimizer=optimizer | {"layer_decay": 1.0})).outcomes.outputs,
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"optimizer": {"algorithm": "schedule-free-adamw", "learning_rate": 0.1}}, "replaces the schedule"),
        (
            {"optimizer": {"algorithm": "sgd", "learning_rate": 0.1, "averaging": {"kind": "swa"}}},
            "fewer than two sets of weights",
        ),
        ({"optimizer": {"algorithm": "muon", "learning_rate": 0.1}, "frozen_encoder": True}, "no matrix of a hidden"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_the_first_step(
    values: dict[str, Any], message: str, config: RunConfig, ran: Ran
) -> None:
    with pytest.raises(InvalidConfig, match=message):
        ran(changed(config, **values))
