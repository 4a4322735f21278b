"""Encoders on packed batches: examples stand one after the other, and only attention pads.

Linear layers, normalisation and dropout see the tokens of a batch as one long row. Attention groups neighbours of
similar length, pads them to the longest of the group, and unpads its result. After the last attention, only the rows
that the head reads are computed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from bertspec.data.batches import PackedBatch
from bertspec.models.dropout import keep

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["Narrowing", "Packing", "install"]

_NAME = "bertspec"
"""The name of our attention among those of transformers."""

_SIMILAR = 0.7
"""The shortest of the examples that attend together has at least this share of the longest's tokens."""

_LAST: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "albert": (),
        "bert": ("bert.encoder.layer", "attention.output"),
        "camembert": ("roberta.encoder.layer", "attention.output"),
        "distilbert": ("distilbert.transformer.layer", "sa_layer_norm"),
        "electra": ("electra.encoder.layer", "attention.output"),
        "ernie": ("ernie.encoder.layer", "attention.output"),
        "modernbert": ("model.final_norm",),
        "roberta": ("roberta.encoder.layer", "attention.output"),
        "xlm-roberta": ("roberta.encoder.layer", "attention.output"),
    }
)
"""The families that read packed batches, with the first module that only needs the rows that the head reads.

Two words name a part of the last layer. An empty tuple means the end of the encoder, whose layers are one module. Add a
family here once tests/unit/models shows that packed equals padded: deberta and mpnet accept our attention, and would be
wrong.
"""


def install(model: PreTrainedModel) -> Narrowing | None:
    """Let a model read packed batches as well as padded ones; return None if it would be wrong on packed ones.

    That is so for unknown families, causal attention, feed-forward layers in chunks, and heads that read all tokens.
    """
    from transformers import AttentionInterface, AttentionMaskInterface

    config = model.config
    causal, in_chunks = getattr(config, "is_decoder", False), getattr(config, "chunk_size_feed_forward", 0)
    of_all_tokens = getattr(config, "classifier_pooling", "cls") != "cls"
    if config.model_type not in _LAST or causal or in_chunks or of_all_tokens:
        return None
    AttentionInterface.register(_NAME, _attend)
    AttentionMaskInterface.register(_NAME, _mask)
    model.set_attn_implementation(_NAME)
    return Narrowing(model)


@dataclass(frozen=True, slots=True)
class _Group:
    """Neighbours in a packed batch whose attention is computed together, padded to the longest of them."""

    shape: tuple[int, int]
    """(examples · heads, length)."""
    first_row: int
    """The index of its first padded row among those of all groups."""
    first_pair: int
    """The index of its first attention weight among those of all groups."""
    bias: Tensor
    """Shape (examples · heads, 1, length): a large negative number at padding."""

    def rows(self, padded: Tensor) -> Tensor:
        """This group's part of all padded rows, shape (examples · heads, length, width)."""
        count, length = self.shape
        return padded[self.first_row : self.first_row + count * length].view(count, length, -1)

    def pairs(self, weights: Tensor) -> Tensor:
        """This group's part of all attention weights, shape (examples · heads, length, length)."""
        count, length = self.shape
        return weights[self.first_pair : self.first_pair + count * length**2].view(count, length, length)


class Packing:
    """The layout of one batch in attention, for a number of attention heads."""

    groups: tuple[_Group, ...]
    pairs: int
    """The number of attention weights of all groups."""
    gather: Tensor
    """Packed row for each padded one, shape (padded rows,); padding repeats an example's first token."""
    restore: Tensor
    """Padded row for each packed one, shape (tokens · heads,)."""
    inside: Tensor
    """Shape (padded rows, 1): 1 for tokens, 0 for padding."""

    def __init__(self, batch: PackedBatch, heads: int) -> None:
        groups: list[_Group] = []
        gather, restore, inside = [], [], []
        device = batch.input_ids.device
        token = row = pair = 0
        for lengths in _neighbours(batch.lengths):
            longest = int(lengths[0])
            positions, starts = np.arange(longest), (token + np.cumsum(lengths) - lengths)[:, None]
            is_token = positions < lengths[:, None]
            per_head = np.repeat(is_token, heads, axis=0)
            tokens = np.where(is_token, starts + positions, starts)
            rows = row + np.arange(per_head.size).reshape(len(lengths), heads, longest)
            gather.append((tokens[:, None] * heads + np.arange(heads)[:, None]).ravel())
            restore.append(rows.transpose(0, 2, 1)[is_token].ravel())
            inside.append(per_head.ravel())
            bias = np.where(per_head, np.float32(0.0), np.float32(-1e30))[:, None]
            groups.append(_Group(per_head.shape, row, pair, torch.from_numpy(bias).to(device)))
            token, row, pair = token + int(lengths.sum()), row + per_head.size, pair + per_head.size * longest
        self.groups, self.pairs = tuple(groups), pair
        self.gather, self.restore = (torch.from_numpy(np.concatenate(each)).to(device) for each in (gather, restore))
        self.inside = torch.from_numpy(np.concatenate(inside)[:, None].astype(np.float32)).to(device)

    def pad(self, rows: Tensor) -> Tensor:
        """Pad packed rows, in fp32."""
        return rows.index_select(0, self.gather).float()


def _neighbours(lengths: np.ndarray[Any, np.dtype[np.int64]]) -> Iterator[np.ndarray[Any, np.dtype[np.int64]]]:
    """Yield the lengths of each group. Lengths fall, so a group ends before the first much shorter example."""
    first = 0
    while first < len(lengths):
        shorter = np.flatnonzero(lengths[first:] < _SIMILAR * lengths[first])
        last = first + int(shorter[0]) if len(shorter) else len(lengths)
        yield lengths[first:last]
        first = last


@dataclass(frozen=True, slots=True)
class _Rule:
    """The attention settings of a layer."""

    scale: float
    dropout: float
    window: int
    """Tokens this far apart, or farther, do not attend to each other; 0 for no limit."""


class _Attention(torch.autograd.Function):
    """Scaled dot-product attention inside each example of a packed batch, with dropout of the weights.

    Each group has its own matrix products and softmax; elementwise operations run over all groups at once. Everything
    is fp32, whatever the layers compute in: oneDNN compiles a bf16 kernel for every new shape, which takes longer than
    such small products save.
    """

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, packing: Packing, rule: _Rule) -> Tensor:
        """Queries, keys, values and result have shape (tokens · heads, width)."""
        q, k, v = (packing.pad(rows) for rows in (query, key, value))
        weights, mixed = q.new_empty(packing.pairs), torch.empty_like(q)
        for group in packing.groups:
            scores = torch.baddbmm(group.bias, group.rows(q), group.rows(k).mT, alpha=rule.scale)
            _hide_far(scores, rule.window)
            torch.softmax(scores, -1, out=group.pairs(weights))
        kept = keep(weights.shape, rule.dropout, device=weights.device) if rule.dropout else None
        dropped = weights if kept is None else weights * kept
        for group in packing.groups:
            torch.bmm(group.pairs(dropped), group.rows(v), out=group.rows(mixed))
        ctx.save_for_backward(q, k, v, weights, kept)
        ctx.packing, ctx.scale = packing, rule.scale
        return mixed.index_select(0, packing.restore).to(value.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of queries, keys and values."""
        packing: Packing = ctx.packing
        q, k, v, weights, kept = ctx.saved_tensors
        above = packing.pad(gradient).mul_(packing.inside)
        of_weights = torch.empty_like(weights)
        for group in packing.groups:
            pairs = group.pairs(of_weights)
            torch.baddbmm(pairs, group.rows(above), group.rows(v).mT, beta=0, alpha=ctx.scale, out=pairs)
        if kept is not None:
            of_weights.mul_(kept)
        dropped = weights if kept is None else weights * kept
        of_q, of_k, of_v = (torch.empty_like(above) for _ in range(3))
        for group in packing.groups:
            of_pairs, pairs = group.pairs(of_weights), group.pairs(weights)
            of_scores = torch._softmax_backward_data(of_pairs, pairs, -1, pairs.dtype)  # noqa: SLF001
            torch.bmm(of_scores, group.rows(k), out=group.rows(of_q))
            torch.bmm(of_scores.mT, group.rows(q), out=group.rows(of_k))
            torch.bmm(group.pairs(dropped).mT, group.rows(above), out=group.rows(of_v))
        return *(rows.index_select(0, packing.restore) for rows in (of_q, of_k, of_v)), None, None


def _hide_far(scores: Tensor, window: int) -> None:
    """Mask the scores of tokens that are too far apart."""
    length = scores.shape[-1]
    if 0 < window < length:
        positions = torch.arange(length, device=scores.device)
        # A finite number, because padding may have only padding near it.
        scores.masked_fill_((positions[:, None] - positions).abs() >= window, torch.finfo(scores.dtype).min)


def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, None]:
    """The attention function that transformers' layers call: ours on a packed batch, torch's on a padded one.

    Queries, keys and values have shape (batch, heads, length, width); a packed batch is one long example.
    """
    packing: Packing | None = options.pop("packing", None)
    if packing is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        result, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
        return result, None
    heads, width = query.shape[1], query.shape[3]
    rows = [states[0].transpose(0, 1).reshape(-1, width) for states in (query, key, value)]
    rule = _Rule(options["scaling"], options["dropout"], options.get("sliding_window") or 0)
    with _no_autocast(query.device.type):
        mixed = _Attention.apply(*rows, packing, rule)  # type: ignore[no-untyped-call]
    return mixed.view(1, -1, heads, width), None


def _no_autocast(kind: str) -> AbstractContextManager[object]:
    """Compute in the types of the operands, on a kind of device that may know no autocast."""
    known = torch.amp.is_autocast_available(kind)
    return torch.autocast(kind, enabled=False) if known else contextlib.nullcontext()


def _mask(*given: Any, **options: Any) -> Tensor | None:
    """The mask of a padded batch; None for a packed one."""
    from transformers.masking_utils import sdpa_mask

    return None if options.get("attention_mask") is None else sdpa_mask(*given, **options)


class Narrowing:
    """Keeps only the rows that the head reads, once attention needs no others.

    Their shape is (batch, 1, width), so that a head that pools the first token reads the right one.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self.starts: Tensor | None = None
        """Shape (batch,): the first token of every example; None for a padded batch."""
        path = _LAST[model.config.model_type]
        if not path:
            model.get_submodule(f"{model.base_model_prefix}.encoder").register_forward_hook(self._after)
            return
        module = model.get_submodule(path[0])
        if isinstance(module, nn.ModuleList):
            module = module[-1].get_submodule(path[1])
        module.register_forward_pre_hook(self._before)

    def _before(self, module: nn.Module, states: tuple[Tensor, ...]) -> tuple[Tensor, ...] | None:
        return None if self.starts is None else tuple(_rows(state, self.starts) for state in states)

    def _after(self, module: nn.Module, given: tuple[Any, ...], result: Any) -> Any:
        if self.starts is not None:
            result.last_hidden_state = _rows(result.last_hidden_state, self.starts)
        return result


def _rows(states: Tensor, starts: Tensor) -> Tensor:
    return states[0].index_select(0, starts)[:, None]
