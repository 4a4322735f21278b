from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
import torch

from bertspec import models
from bertspec.catalog import Catalog
from bertspec.config import EncoderConfig, TaskConfig
from bertspec.data.tokens import Tokens
from bertspec.sources import Sources, pretrained

CATALOG = Catalog.beside(Path("/nowhere"))


class Built(Protocol):
    """The head of an encoder, by its name or its config, and its tokenizer."""

    def __call__(self, encoder: EncoderConfig | str, **architecture: Any) -> tuple[models.EncoderModel, Any]: ...


@pytest.fixture
def built(task: TaskConfig, nowhere: Sources) -> Built:
    def build(encoder: EncoderConfig | str, **architecture: Any) -> tuple[models.EncoderModel, Any]:
        config = CATALOG.encoder(encoder) if isinstance(encoder, str) else encoder
        config = config.model_copy(update={"architecture": config.architecture | architecture})
        files = pretrained.find(config, nowhere)
        tokenizer = models.load_tokenizer(files)
        torch.manual_seed(0)
        return models.build(config, files, task, tokenizer).eval(), tokenizer

    return build


@pytest.fixture
def tokens() -> Tokens:
    """Seven examples of 5 to 60 tokens, in no order."""
    rng = np.random.default_rng(0)
    lengths = np.array([5, 60, 31, 17, 30, 8, 22])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ids = rng.integers(5, 200, offsets[-1]).astype(np.int32)
    return Tokens(ids, (rng.random(offsets[-1]) < 0.5).astype(np.int8), offsets)
