"""A model that is to be differentiated twice: its Hessian is right, for every family."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from bertspec import models
from bertspec.catalog import Catalog
from bertspec.config import TaskConfig
from bertspec.data import batches
from bertspec.data.tokens import Tokens
from bertspec.sources import Sources, pretrained
from tests.unit.models.conftest import CATALOG

if TYPE_CHECKING:
    from .conftest import Built

FAMILIES = ("albert-tiny", "bert-tiny", "distilbert-tiny", "electra-tiny", "modernbert-tiny", "roberta-tiny")
CPU = torch.device("cpu")
ROWS = np.arange(7)


def twice(name: str, task: TaskConfig, places: Sources, catalog: Catalog = CATALOG) -> tuple[models.EncoderModel, int]:
    config = catalog.encoder(name)
    files = pretrained.find(config, places)
    tokenizer = models.load_tokenizer(files)
    torch.manual_seed(0)
    return models.build(config, files, task, tokenizer, differentiated_twice=True).eval(), tokenizer.pad_token_id


def gradient(model: models.EncoderModel, tokens: Tokens, pad_id: int, *, graph: bool = False) -> Tensor:
    batch = batches.pad(tokens, ROWS, pad_id=pad_id, device=CPU)
    loss = torch.nn.functional.cross_entropy(model(batch), torch.arange(7) % 2)
    parts = torch.autograd.grad(loss, list(model.parameters()), create_graph=graph, materialize_grads=True)
    return torch.cat([part.flatten() for part in parts])


@pytest.mark.parametrize("name", FAMILIES)
def test_its_hessian_is_the_difference_of_gradients(
    name: str, task: TaskConfig, nowhere: Sources, tokens: Tokens
) -> None:
    model, pad_id = twice(name, task, nowhere)
    model.double()
    assert not model.packs
    weights = list(model.parameters())
    here = parameters_to_vector(weights).detach()
    direction = torch.randn(here.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = torch.autograd.grad(
        gradient(model, tokens, pad_id, graph=True), weights, grad_outputs=direction, materialize_grads=True
    )
    sides = []
    width, tolerance = (1e-3, 1e-2) if name == "modernbert-tiny" else (1e-6, 1e-6)  # it has its softmax in fp32
    for shift in (width, -width):
        vector_to_parameters(here + shift * direction, weights)
        sides.append(gradient(model, tokens, pad_id))
    expected = (sides[0] - sides[1]) / (2 * width)
    assert float((torch.cat([part.flatten() for part in found]) - expected).norm() / expected.norm()) < tolerance


@pytest.mark.parametrize("name", FAMILIES)
def test_it_says_what_the_packed_one_says(
    name: str, built: Built, task: TaskConfig, nowhere: Sources, tokens: Tokens
) -> None:
    (model, pad_id), (packed, _) = twice(name, task, nowhere), built(name)
    with torch.no_grad():
        batch = packed.batch(tokens, ROWS, pad_id=pad_id)
        plain = model.batch(tokens, batch.rows, pad_id=pad_id)
        torch.testing.assert_close(model(plain), packed(batch), rtol=1e-4, atol=1e-5)
