"""Every optimizer of the catalog, on a bundled task."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bertspec import device, optimizers
from bertspec.catalog import Catalog
from bertspec.engine import Material, preparation
from bertspec.engine.training import train
from bertspec.errors import InvalidSpec
from bertspec.heads import Head
from bertspec.sources import checkpoints, tables
from bertspec.sources.places import Places
from bertspec.spec import GeneratedSpec, RecipeSpec, RunSpec
from bertspec.tracking.observers import SilentObserver
from tests.unit.engine.conftest import Ran

CATALOG = Catalog.beside(Path("/nowhere"))
BOLD = {"lamb": 3.0, "prodigy": 1.0, "radam": 30.0}
"""By how much the rates may be raised for sixteen rows, where it is not by ten."""


def changed(spec: RunSpec, **values: Any) -> RunSpec:
    return spec.model_copy(update={"recipe": RecipeSpec.model_validate(spec.recipe.model_dump() | values)})


def without_dropout(spec: RunSpec) -> RunSpec:
    still = {**spec.encoder.architecture, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    return spec.model_copy(update={"encoder": spec.encoder.model_copy(update={"architecture": still})})


def by_heart(spec: RunSpec) -> RunSpec:
    """A task of one batch, and the wide initialisation that suits a small width."""
    spec = without_dropout(spec)
    wide = spec.encoder.model_copy(update={"architecture": spec.encoder.architecture | {"initializer_range": 0.15}})
    few = GeneratedSpec(train_rows=16, evaluation_rows=40, label_noise=0.05)
    return spec.model_copy(update={"encoder": wide, "task": spec.task.model_copy(update={"generated": few})})


@pytest.mark.parametrize("name", CATALOG.names("optimizers"))
def test_every_optimizer_lowers_the_loss_of_a_bundled_task(name: str, spec: RunSpec, ran: Ran) -> None:
    """Sixty steps on sixteen rows, to be learned by heart, which bears more than the rate of a real task."""
    optimizer = CATALOG.optimizer(name, spec.encoder).model_dump()
    rate = BOLD.get(name, 10.0) * optimizer["learning_rate"]
    settings = optimizer["settings"] | ({"initial_distance": 1e-2} if name == "prodigy" else {})
    bold = optimizer | {"learning_rate": rate, "settings": settings}
    result = ran(by_heart(changed(spec, steps=60, schedule="constant", optimizer=bold)))
    assert result.curve.loss[-1] < 0.9 * result.curve.loss[0]
    assert result.facts.diverged is None


@pytest.mark.parametrize("name", ["swa", "ema"])
def test_the_average_is_what_is_scored_and_saved(name: str, spec: RunSpec, ran: Ran, tmp_path: Path) -> None:
    optimizer = CATALOG.optimizer(name, spec.encoder).model_dump()
    averaged = ran(changed(spec, steps=48, optimizer=optimizer), save_to=tmp_path)
    assert averaged.curve.loss.shape == (48,)
    encoder = spec.encoder.model_copy(update={"checkpoint": str(tmp_path), "family": None, "architecture": {}})
    again = changed(
        spec.model_copy(update={"encoder": encoder}), steps=1, optimizer={"algorithm": "sgd", "learning_rate": 1e-12}
    )
    np.testing.assert_allclose(ran(again).outcomes.outputs, averaged.outcomes.outputs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [1, 3, 5, 8])
def test_gradients_of_parts_add_up_to_those_of_the_batch(spec: RunSpec, nowhere: Places, size: int) -> None:
    whole, parts = (gradient(changed(without_dropout(spec), micro_batch=each), nowhere) for each in (None, size))
    torch.testing.assert_close(parts, whole, rtol=1e-5, atol=1e-6)
    assert whole.abs().max() > 1e-3


def gradient(spec: RunSpec, nowhere: Places) -> torch.Tensor:
    """What the first step of a run is taken by."""
    found: list[torch.Tensor] = []

    class Looked(optimizers.TorchOptimizer):
        def step(self, closure: optimizers.Closure, *, learning_rate: float) -> torch.Tensor:
            loss = closure()
            found.append(torch.cat([p.grad.flatten() for group in self._inner.param_groups for p in group["params"]]))
            return loss

    one = changed(spec, steps=1)
    material = Material(checkpoints.find(one.encoder, nowhere), tables.load(one.task, nowhere))
    chosen = device.choose("cpu", one.recipe)
    with chosen.session(one.seed):
        prepared = preparation.prepare(one, material, chosen, None)
        object.__setattr__(prepared, "optimizer", Looked(prepared.optimizer._inner))
        train(one.recipe, prepared, SilentObserver(), seed=one.seed)
    return found[0]


def test_a_recipe_that_asks_for_parts_is_not_said_to_lack_memory(spec: RunSpec, ran: Ran) -> None:
    parts = ran(changed(without_dropout(spec), micro_batch=5))
    assert parts.facts.micro_batch is None
    whole = ran(without_dropout(spec))
    np.testing.assert_allclose(parts.curve.loss, whole.curve.loss, rtol=1e-4)


@pytest.mark.parametrize("algorithm", sorted(optimizers.ALGORITHMS))
def test_rules_that_take_whole_tensors_keep_every_row_of_the_vocabulary(
    algorithm: str, spec: RunSpec, ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    narrowed: list[bool] = []
    narrow = Head.narrow
    monkeypatch.setattr(Head, "narrow", lambda self, *tokens: narrowed.append(True) or narrow(self, *tokens))
    optimizer = {"algorithm": algorithm, "learning_rate": 1e-3}
    ran(changed(spec, steps=1, schedule="constant", optimizer=optimizer))
    padded = algorithm.startswith(("rtho", "marthe"))  # differentiated twice
    assert bool(narrowed) is not (padded or algorithm in {"adafactor", "lamb", "prodigy"})


def test_muon_learns_the_same_with_a_narrow_vocabulary(
    spec: RunSpec, ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = changed(without_dropout(spec), optimizer={"algorithm": "muon", "learning_rate": 1e-3, "weight_decay": 0.1})
    narrow = ran(asked)
    monkeypatch.setattr(Head, "narrow", lambda _, *tokens: tokens)
    np.testing.assert_allclose(ran(asked).curve.loss, narrow.curve.loss, rtol=1e-5)


def test_layer_decay_reaches_the_training(spec: RunSpec, ran: Ran) -> None:
    optimizer = {"algorithm": "sgd", "learning_rate": 0.1, "layer_decay": 0.1}
    assert not np.array_equal(
        ran(changed(spec, optimizer=optimizer)).outcomes.outputs,
        ran(changed(spec, optimizer=optimizer | {"layer_decay": 1.0})).outcomes.outputs,
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"optimizer": {"algorithm": "schedule-free-adamw", "learning_rate": 0.1}}, "takes the place of a schedule"),
        (
            {"optimizer": {"algorithm": "sgd", "learning_rate": 0.1, "averaging": {"kind": "swa"}}},
            "fewer than two sets of weights",
        ),
        ({"optimizer": {"algorithm": "muon", "learning_rate": 0.1}, "frozen_encoder": True}, "no matrix of a hidden"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_the_first_step(
    values: dict[str, Any], message: str, spec: RunSpec, ran: Ran
) -> None:
    with pytest.raises(InvalidSpec, match=message):
        ran(changed(spec, **values))
