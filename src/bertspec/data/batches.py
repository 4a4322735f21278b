"""Token ids → batches: which examples go together, and how they are padded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bertspec.data.tokens import Tokens

__all__ = ["Batch", "evaluation_batches", "pad", "training_batches"]

WINDOW_BATCHES = 16
"""Training sorts by length inside windows of this many batches: near-equal lengths, still random batches."""

EVALUATION_TOKENS = 4_096
"""Padded tokens per evaluation batch."""

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Batch:
    """Padded examples on a device."""

    rows: Rows
    """Shape (batch,): the examples' row numbers."""
    input_ids: Tensor
    """Shape (batch, length)."""
    token_type_ids: Tensor
    """Shape (batch, length)."""
    attention_mask: Tensor
    """Shape (batch, length): 1 for tokens, 0 for padding."""


def training_batches(lengths: NDArray[np.int64], *, batch_size: int, seed: int) -> Iterator[Rows]:
    """Row numbers of batches without end; each pass sees every example once.

    The last batch of a pass may be smaller. The same arguments give the same batches.
    """
    rng = np.random.default_rng(seed)
    while True:
        yield from _one_pass(lengths, batch_size, rng)


def _one_pass(lengths: NDArray[np.int64], batch_size: int, rng: np.random.Generator) -> list[Rows]:
    order = rng.permutation(len(lengths))
    batches: list[Rows] = []
    for start in range(0, len(order), batch_size * WINDOW_BATCHES):
        window = order[start : start + batch_size * WINDOW_BATCHES]
        window = window[np.argsort(lengths[window], kind="stable")]
        batches += [window[i : i + batch_size] for i in range(0, len(window), batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def evaluation_batches(lengths: NDArray[np.int64], *, token_budget: int = EVALUATION_TOKENS) -> Iterator[Rows]:
    """Row numbers of batches that see every example once, longest first, within a budget of padded tokens."""
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, token_budget // int(lengths[order[start]]))
        yield order[start : start + size]
        start += size


def pad(tokens: Tokens, rows: Rows, *, pad_id: int, device: torch.device) -> Batch:
    """Gather examples and pad them to the longest of them."""
    lengths = tokens.lengths[rows]
    inside = np.arange(int(lengths.max()))[None, :] < lengths[:, None]
    places = np.where(inside, tokens.offsets[rows][:, None] + np.arange(inside.shape[1])[None, :], 0)
    ids = np.where(inside, tokens.ids[places], pad_id)
    types = np.where(inside, tokens.types[places], 0)
    as_tensor = [torch.from_numpy(array.astype(np.int64)).to(device) for array in (ids, types, inside)]
    return Batch(rows, *as_tensor)
