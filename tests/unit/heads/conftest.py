from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest
import torch

from bertspec import encoders, heads
from bertspec.catalog import Catalog
from bertspec.data.tokens import Tokens
from bertspec.sources import checkpoints
from bertspec.sources.places import Places
from bertspec.spec import EncoderSpec, TaskSpec

CATALOG = Catalog.beside(Path("/nowhere"))


class Built(Protocol):
    """The head of an encoder, by its name or its spec, and its tokenizer."""

    def __call__(self, encoder: EncoderSpec | str, **architecture: Any) -> tuple[heads.Head, Any]: ...


@pytest.fixture
def built(task: TaskSpec, nowhere: Places) -> Built:
    def build(encoder: EncoderSpec | str, **architecture: Any) -> tuple[heads.Head, Any]:
        spec = CATALOG.encoder(encoder) if isinstance(encoder, str) else encoder
        spec = spec.model_copy(update={"architecture": spec.architecture | architecture})
        files = checkpoints.find(spec, nowhere)
        tokenizer = encoders.tokenizer(files)
        torch.manual_seed(0)
        return heads.build(spec, files, task, tokenizer).eval(), tokenizer

    return build


@pytest.fixture
def tokens() -> Tokens:
    """Seven examples of 5 to 60 tokens, in no order."""
    rng = np.random.default_rng(0)
    lengths = np.array([5, 60, 31, 17, 30, 8, 22])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    ids = rng.integers(5, 200, offsets[-1]).astype(np.int32)
    return Tokens(ids, (rng.random(offsets[-1]) < 0.5).astype(np.int8), offsets)
