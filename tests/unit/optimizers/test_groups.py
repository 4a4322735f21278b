from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bertspec import optimizers
from bertspec.config import OptimizerConfig
from bertspec.errors import InvalidConfig
from bertspec.optimizers import groups, levels
from tests.unit.models.conftest import Built, built  # noqa: F401 - a fixture
from tests.unit.optimizers.conftest import Small

FAMILIES = ("albert", "bert", "distilbert", "electra", "modernbert", "roberta")
BOTTOM = ("embeddings", "embedding_hidden_mapping_in", "embeddings_project")
TOP = ("classifier", "pooler", "pre_classifier", "head", "final_norm")


def moved(config: OptimizerConfig, model: nn.Module, gradient: float = 1.0) -> dict[str, Tensor]:
    """How far one step of rate 1 moves each weight."""
    before = {name: weight.detach().clone() for name, weight in model.named_parameters()}
    optimizer = optimizers.build(config, model)

    def closure() -> Tensor:
        for weight in model.parameters():
            weight.grad = torch.full_like(weight, gradient)
        return torch.tensor(0.0)

    optimizer.step(closure, learning_rate=1.0)
    return {name: before[name] - weight.detach() for name, weight in model.named_parameters()}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_rate_falls_from_the_head_to_the_embeddings(family: str, built: Built) -> None:  # noqa: F811
    model, _ = built(f"{family}-tiny")
    found = moved(OptimizerConfig(algorithm="sgd", learning_rate=1.0, layer_decay=0.5), model)
    layers = 1 if family == "albert" else 2  # ALBERT's layers share their weights
    top = layers + 1
    for name, change in found.items():
        height = expected(name, top)
        assert torch.allclose(change, torch.tensor(0.5 ** (top - height)), atol=1e-6), name


def expected(name: str, top: int) -> int:
    parts = name.split(".")
    if not set(parts).isdisjoint(BOTTOM):
        return 0
    if not set(parts).isdisjoint(TOP):
        return top
    return 1 + int(next(part for part in parts if part.isdecimal()))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_weight_is_in_one_group(family: str, built: Built) -> None:  # noqa: F811
    model, _ = built(f"{family}-tiny")
    config = OptimizerConfig(algorithm="muon", learning_rate=1.0, layer_decay=0.5)
    grouped = [weight for group in groups(config, model, hidden_apart=True) for weight in group["params"]]
    assert len(grouped) == len({id(weight) for weight in grouped}) == len(list(model.parameters()))


@pytest.mark.parametrize("family", FAMILIES)
def test_muon_gets_the_matrices_of_the_layers_and_no_other(family: str, built: Built) -> None:  # noqa: F811
    model, _ = built(f"{family}-tiny")
    config = OptimizerConfig(algorithm="muon", learning_rate=1.0)
    hidden = {
        id(weight)
        for group in groups(config, model, hidden_apart=True)
        if group["hidden"]
        for weight in group["params"]
    }
    names = {name for name, weight in model.named_parameters() if id(weight) in hidden}
    matrices = {name for name, weight in model.named_parameters() if weight.ndim == 2}
    assert names == {name for name in matrices if set(name.split(".")).isdisjoint({*BOTTOM, *TOP})}


def test_without_layer_decay_there_are_two_groups_and_no_layers_are_looked_for() -> None:
    config = OptimizerConfig(algorithm="adamw", learning_rate=1.0, weight_decay=0.1)
    found = groups(config, nn.Linear(2, 2), hidden_apart=False)
    assert [(group["weight_decay"], group["scale"]) for group in found] == [(0.1, 1.0), (0.0, 1.0)]


def test_an_embedding_is_at_the_bottom_wherever_it_is_registered(small: Small) -> None:
    small.late = nn.Embedding(3, 4)
    assert levels(small)[small.late.weight] == 0
    assert levels(small)[small.norm.weight] == 3


@pytest.mark.parametrize("lists", [0, 2])
def test_layer_decay_needs_one_list_of_layers(lists: int) -> None:
    model = nn.Sequential(nn.Linear(2, 2), *(nn.ModuleList([nn.Linear(2, 2)]) for _ in range(lists)))
    with pytest.raises(InvalidConfig, match="need a model with one list of layers; given: '(no list of layers|1, 2)'"):
        optimizers.build(OptimizerConfig(algorithm="sgd", learning_rate=1.0, layer_decay=0.9), model)


@pytest.mark.parametrize(
    ("exempt", "decayed"),
    [
        ("biases-and-norms", {"embedding.weight", "layers.0.weight", "layers.1.weight", "head.weight"}),
        ("none", None),
    ],
)
def test_what_is_exempt_has_no_weight_decay(small: Small, exempt: Any, decayed: set[str] | None) -> None:
    with torch.no_grad():
        for weight in small.parameters():
            weight.fill_(1.0)
    config = OptimizerConfig(algorithm="adamw", learning_rate=1.0, weight_decay=0.25, decay_exempt=exempt)
    found = moved(config, small, gradient=0.0)
    shrunk = {name for name, change in found.items() if torch.allclose(change, torch.tensor(0.25))}
    kept = {name for name, change in found.items() if torch.equal(change, torch.zeros_like(change))}
    assert shrunk == (set(found) if decayed is None else decayed)
    assert kept == set(found) - shrunk
