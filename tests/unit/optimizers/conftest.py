from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import pytest
import torch
from torch import Tensor, nn

from bertspec import optimizers
from bertspec.config import OptimizerConfig
from bertspec.optimizers import Length, Optimizer


class Small(nn.Module):
    """The shape of an encoder: an embedding, a list of layers, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(6, 4)
        self.layers = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])
        self.norm = nn.LayerNorm(4)
        self.head = nn.Linear(4, 1)

    def forward(self, ids: Tensor) -> Tensor:
        found = self.embedding(ids)
        for layer in self.layers:
            found = torch.tanh(layer(found))
        outputs: Tensor = self.head(self.norm(found))
        return outputs


class Trainer:
    """A small regression, trained step by step at one rate; the closure of its own steps."""

    def __init__(self, config: OptimizerConfig, model: nn.Module, length: Length | None) -> None:
        self.model, self.rate = model, config.learning_rate
        self.ids = torch.arange(6)
        self.targets = torch.tensor([[1.0], [-2.0], [0.5], [3.0], [-1.0], [0.0]]).to(next(model.parameters()).dtype)
        self.optimizer: Optimizer = optimizers.build(config, model, length=length)

    clip_norm: float | None = None

    def __call__(self) -> Tensor:
        self.model.zero_grad()
        loss = self.loss()
        loss.backward()
        return loss.detach()

    def loss(self) -> Tensor:
        return nn.functional.mse_loss(self.model(self.ids), self.targets)

    held_out_loss = loss

    def steps(self, number: int) -> Iterator[float]:
        for _ in range(number):
            yield self.optimizer.step(self, learning_rate=self.rate).item()


class Trained(Protocol):
    def __call__(
        self,
        algorithm: str,
        *,
        rate: float = ...,
        model: nn.Module | None = ...,
        length: Length | None = ...,
        **values: Any,
    ) -> Trainer: ...


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """These tensors are so small that a second thread only waits, and beside other tests it waits long."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def small() -> Small:
    torch.manual_seed(0)
    return Small()


@pytest.fixture
def trainer(small: Small) -> Trained:
    def build(
        algorithm: str,
        *,
        rate: float = 0.01,
        model: nn.Module | None = None,
        length: Length | None = None,
        **values: Any,
    ) -> Trainer:
        config = OptimizerConfig(algorithm=algorithm, learning_rate=rate, **values)
        return Trainer(config, model or small, length)

    return build
