"""Token ids → batches: which examples go together, and how they are padded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bertspec.data.tokens import Tokens

__all__ = ["Batch", "PackedBatch", "PaddedBatch", "evaluation_batches", "pack", "pad", "training_batches"]

WINDOW_BATCHES = 16
"""For padded batches, training sorts by length inside windows of this many batches: similar lengths, still random."""

EVALUATION_TOKENS = 4_096
"""Tokens per evaluation batch, counted as if it were padded."""

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PaddedBatch:
    """Padded examples on a device."""

    rows: Rows
    """Shape (batch,): the examples' row numbers."""
    input_ids: Tensor
    """Shape (batch, length)."""
    token_type_ids: Tensor
    """Shape (batch, length)."""
    attention_mask: Tensor
    """Shape (batch, length): 1 for tokens, 0 for padding."""


@dataclass(frozen=True, slots=True)
class PackedBatch:
    """Examples one after the other, the longest first, without padding."""

    rows: Rows
    """Shape (batch,): the examples' row numbers, in the batch's order."""
    lengths: NDArray[np.int64]
    """Shape (batch,): tokens per example, never rising."""
    input_ids: Tensor
    """Shape (tokens,)."""
    token_type_ids: Tensor
    """Shape (tokens,)."""
    positions: Tensor
    """Shape (tokens,): each token's position in its example, from 0."""
    starts: Tensor
    """Shape (batch,): the first token of each example."""


Batch = PackedBatch | PaddedBatch


def training_batches(
    lengths: NDArray[np.int64], *, batch_size: int, seed: int | tuple[int, ...], window_batches: int = 1
) -> Iterator[Rows]:
    """Yield the row numbers of batches without end; each pass sees every example once.

    The last batch of a pass may be smaller. The same arguments give the same batches.

    Args:
        lengths: tokens per example, shape (examples,).
        batch_size: examples per batch.
        seed: decides the order.
        window_batches: examples of similar length are batched together inside windows of this many batches; with 1,
            batches are purely random.
    """
    rng = np.random.default_rng(seed)
    while True:
        yield from _one_pass(lengths, batch_size, batch_size * window_batches, rng)


def _one_pass(lengths: NDArray[np.int64], batch_size: int, size: int, rng: np.random.Generator) -> list[Rows]:
    order = rng.permutation(len(lengths))
    batches: list[Rows] = []
    for start in range(0, len(order), size):
        window = order[start : start + size]
        window = window[np.argsort(lengths[window], kind="stable")]
        batches += [window[i : i + batch_size] for i in range(0, len(window), batch_size)]
    return [batches[i] for i in rng.permutation(len(batches))]


def evaluation_batches(lengths: NDArray[np.int64], *, token_budget: int = EVALUATION_TOKENS) -> Iterator[Rows]:
    """Yield the row numbers of batches that see every example once, longest first, within a budget of padded tokens."""
    order = np.argsort(-lengths, kind="stable")
    start = 0
    while start < len(order):
        size = max(1, token_budget // int(lengths[order[start]]))
        yield order[start : start + size]
        start += size


def pad(tokens: Tokens, rows: Rows, *, pad_id: int, device: torch.device) -> PaddedBatch:
    """Gather examples and pad them to the longest of them."""
    lengths = tokens.lengths_of(rows)
    inside = np.arange(int(lengths.max()))[None, :] < lengths[:, None]
    sources = np.where(inside, tokens.offsets[rows][:, None] + np.arange(inside.shape[1])[None, :], 0)
    ids = np.where(inside, tokens.ids[sources], pad_id)
    types = np.where(inside, tokens.types[sources], 0)
    as_tensor = [torch.from_numpy(array.astype(np.int64)).to(device) for array in (ids, types, inside)]
    return PaddedBatch(rows, *as_tensor)


def pack(tokens: Tokens, rows: Rows, *, device: torch.device) -> PackedBatch:
    """Gather examples one after the other, the longest first."""
    rows = rows[np.argsort(-tokens.lengths_of(rows), kind="stable")]
    lengths = tokens.lengths_of(rows)
    starts = np.cumsum(lengths) - lengths
    positions = np.arange(int(lengths.sum())) - np.repeat(starts, lengths)
    sources = positions + np.repeat(tokens.offsets[rows], lengths)
    arrays = (tokens.ids[sources], tokens.types[sources], positions, starts)
    return PackedBatch(rows, lengths, *(torch.from_numpy(array.astype(np.int64)).to(device) for array in arrays))
