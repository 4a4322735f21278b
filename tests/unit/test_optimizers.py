from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bertspec import optimizers
from bertspec.errors import InvalidSpec, UnknownName
from bertspec.spec import OptimizerSpec


def trained(algorithm: str, steps: int = 60, **values: Any) -> list[float]:
    """The losses of a small regression."""
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    inputs = torch.randn(64, 4)
    targets = inputs @ torch.tensor([[1.0], [-2.0], [0.5], [3.0]])
    optimizer = optimizers.build(OptimizerSpec(algorithm=algorithm, learning_rate=0.1, **values), model)

    class Closure:
        clip_norm = None

        def __call__(self) -> Tensor:
            model.zero_grad()
            loss = self.loss()
            loss.backward()
            return loss.detach()

        def loss(self) -> Tensor:
            return nn.functional.mse_loss(model(inputs), targets)

        held_out_loss = loss

    return [optimizer.step(Closure(), learning_rate=0.1).item() for _ in range(steps)]


@pytest.mark.parametrize("algorithm", optimizers.ALGORITHMS)
def test_every_optimizer_lowers_the_loss(algorithm: str) -> None:
    losses = trained(algorithm)
    assert losses[-1] < 0.2 * losses[0]


def test_sgd_is_the_textbook_step() -> None:
    model = nn.Linear(2, 1, bias=False)
    before = model.weight.detach().clone()
    optimizer = optimizers.build(OptimizerSpec(algorithm="sgd", learning_rate=1.0), model)

    def closure() -> Tensor:
        model.weight.grad = torch.tensor([[1.0, -2.0]])
        return torch.tensor(0.0)

    optimizer.step(closure, learning_rate=0.25)
    assert torch.allclose(model.weight, before - 0.25 * torch.tensor([[1.0, -2.0]]))


def test_biases_are_exempt_from_weight_decay() -> None:
    model = nn.Linear(2, 2)
    with torch.no_grad():
        model.bias.fill_(1.0)
        model.weight.fill_(1.0)
    optimizer = optimizers.build(OptimizerSpec(algorithm="adamw", learning_rate=0.1, weight_decay=0.5), model)

    def closure() -> Tensor:
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        return torch.tensor(0.0)

    optimizer.step(closure, learning_rate=0.1)
    assert model.weight.max().item() == pytest.approx(0.95)
    assert model.bias.min().item() == 1.0


def test_one_backward_is_what_torchs_optimizers_need() -> None:
    assert optimizers.needs(OptimizerSpec(algorithm="adamw", learning_rate=0.1)).backwards == 1


def test_an_unknown_algorithm_is_answered_with_the_closest() -> None:
    with pytest.raises(UnknownName, match="did you mean adam"):
        trained("adm")


@pytest.mark.parametrize(
    ("algorithm", "settings", "message"),
    [
        ("sgd", {"beta1": 0.9}, "sgd has no such setting; given: 'beta1'; allowed: momentum, nesterov"),
        ("adamw", {"beta1": 1.5}, "adamw refuses its settings"),
        ("sgd", {"nesterov": True}, "sgd refuses its settings"),
        ("sgd", {"groups": 1}, "no such setting"),
    ],
)
def test_settings_that_cannot_be_are_refused(algorithm: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidSpec, match=message):
        trained(algorithm, settings=settings)
