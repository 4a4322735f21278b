"""Encoders on packed batches: no padding, but where every token of an example must meet every other, in attention.

Linear layers, normalisation and dropout see the tokens of a batch as one long row. Attention gathers neighbours of
similar length, padded to the longest of them, and takes what they give apart again. After the last attention only
the rows that the head reads go on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from bertspec.data.batches import PackedBatch
from bertspec.heads.dropout import keep

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
"""The families that read packed batches, with the module from which on only the rows of the head are needed.

Two words: that part of the last layer; none: after the encoder, whose layers are one module. A family is added here
once tests/unit/heads shows that packed equals padded: deberta and mpnet would accept our attention and be wrong.
"""


def install(model: PreTrainedModel) -> Narrowing | None:
    """Teach a model to read packed batches beside padded ones; none where it would be wrong on them.

    So are unknown families, causal attention, feed-forward layers in chunks, and heads that read all tokens.
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
    """Neighbours in a packed batch that attend together, padded to the longest of them."""

    tokens: slice
    """Where they stand in the batch, times the number of attention heads."""
    shape: tuple[int, int]
    """(examples · heads, length)."""
    gather: Tensor
    """Packed row for each padded one, shape (examples · heads · length,)."""
    restore: Tensor
    """Padded row for each packed one, shape (tokens · heads,)."""
    bias: Tensor | None
    """Shape (examples · heads, 1, length): a large negative number at padding; none where there is no padding."""
    inside: Tensor | None
    """Shape (examples · heads, length, 1): 1 for tokens, 0 for padding."""


class Packing:
    """How the attention of one batch is laid out, for a number of attention heads."""

    def __init__(self, batch: PackedBatch, heads: int) -> None:
        self.groups = tuple(_groups(batch.lengths, heads))


def _groups(lengths: np.ndarray[Any, np.dtype[np.int64]], heads: int) -> Iterator[_Group]:
    ends = np.cumsum(lengths)
    first = 0
    while first < len(lengths):
        # Lengths fall inside a batch: the group ends before the first example that is much shorter.
        shorter = np.flatnonzero(lengths[first:] < _SIMILAR * lengths[first])
        last = first + int(shorter[0]) if len(shorter) else len(lengths)
        start = int(ends[first] - lengths[first])
        yield _group(lengths[first:last], start, heads)
        first = last


def _group(lengths: np.ndarray[Any, np.dtype[np.int64]], start: int, heads: int) -> _Group:
    count, longest, tokens = len(lengths), int(lengths[0]), int(lengths.sum())
    starts = start + np.cumsum(lengths) - lengths
    places, head = np.arange(longest), np.arange(heads)
    inside = places < lengths[:, None]
    token = np.where(inside, starts[:, None] + places, starts[:, None])
    gather = token[:, None, :] * heads + head[None, :, None]
    padded = np.arange(count * heads * longest).reshape(count, heads, longest)
    restore = padded.transpose(0, 2, 1)[inside]
    whole = bool(inside.all())
    per_head = torch.from_numpy(np.repeat(inside, heads, axis=0))
    return _Group(
        tokens=slice(start * heads, (start + tokens) * heads),
        shape=(count * heads, longest),
        gather=torch.from_numpy(gather.reshape(-1)),
        restore=torch.from_numpy(restore.reshape(-1)),
        bias=None if whole else torch.zeros(per_head.shape).masked_fill_(~per_head, -1e30)[:, None, :],
        inside=None if whole else per_head[:, :, None].float(),
    )


@dataclass(frozen=True, slots=True)
class _Rule:
    """What a layer says of its attention."""

    scale: float
    dropout: float
    window: int
    """Tokens so far apart, or farther, do not meet; 0 where all do."""


class _Attention(torch.autograd.Function):
    """Scaled dot-product attention inside each example of a packed batch, with dropout of the weights."""

    @staticmethod
    def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor, packing: Packing, rule: _Rule) -> Tensor:
        """Queries, keys, values and result have shape (tokens · heads, width)."""
        result = torch.empty_like(query)
        saved: list[Tensor | None] = []
        for group in packing.groups:
            q, k, v = (_padded(rows, group) for rows in (query, key, value))
            weights = _weights(q, k, group, rule)
            kept = keep(weights.shape, rule.dropout) if rule.dropout else None
            dropped = weights if kept is None else weights * kept
            _restore(torch.bmm(dropped.to(v.dtype), v), group, result)
            saved += [q, k, v, weights, kept]
        ctx.save_for_backward(*saved)
        ctx.packing, ctx.scale = packing, rule.scale
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of queries, keys and values."""
        found = tuple(torch.empty_like(gradient) for _ in range(3))
        for number, group in enumerate(ctx.packing.groups):
            q, k, v, weights, kept = ctx.saved_tensors[5 * number : 5 * number + 5]
            above = _padded(gradient, group)
            dropped = weights if kept is None else weights * kept
            of_weights = torch.bmm(above, v.transpose(1, 2)).to(weights.dtype)
            if kept is not None:
                of_weights.mul_(kept)
            of_scores = torch._softmax_backward_data(of_weights, weights, -1, weights.dtype).to(q.dtype)  # noqa: SLF001
            _restore(_scaled(of_scores, k, ctx.scale), group, found[0])
            _restore(_scaled(of_scores.transpose(1, 2), q, ctx.scale), group, found[1])
            _restore(torch.bmm(dropped.transpose(1, 2).to(above.dtype), above), group, found[2])
        return (*found, None, None)


def _padded(rows: Tensor, group: _Group) -> Tensor:
    """Packed rows as (examples · heads, length, width); padding repeats an example's first token."""
    return rows.index_select(0, group.gather).view(*group.shape, rows.shape[-1])


def _restore(padded: Tensor, group: _Group, packed: Tensor) -> None:
    """The same the other way round, into its place."""
    torch.index_select(padded.view(-1, padded.shape[-1]), 0, group.restore, out=packed[group.tokens])


def _scaled(one: Tensor, two: Tensor, scale: float) -> Tensor:
    """The batched matrix product times a number, in one pass."""
    nothing = one.new_empty(1).expand(one.shape[0], one.shape[1], two.shape[2])
    return torch.baddbmm(nothing, one, two, beta=0, alpha=scale)


def _weights(query: Tensor, key: Tensor, group: _Group, rule: _Rule) -> Tensor:
    """Attention weights in fp32; queries at padding have none, so that they move nothing."""
    scores = _scaled(query, key.transpose(1, 2), rule.scale).float()
    if group.bias is not None:
        scores += group.bias
    if 0 < rule.window < group.shape[1]:
        places = torch.arange(group.shape[1])
        far = (places[:, None] - places).abs() >= rule.window
        # A finite number: padding may have nothing but padding near it.
        scores.masked_fill_(far, torch.finfo(scores.dtype).min)
    weights = scores.softmax(-1)
    return weights if group.inside is None else weights.mul_(group.inside)


def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, None]:
    """What transformers' layers call: ours on a packed batch, torch's on a padded one.

    Queries, keys and values have shape (batch, heads, length, width), where a packed batch counts as one long example.
    """
    packing: Packing | None = options.pop("packing", None)
    if packing is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        result, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **options)
        return result, None
    heads, width = query.shape[1], query.shape[3]
    rows = [states[0].transpose(0, 1).reshape(-1, width) for states in (query, key, value)]
    rule = _Rule(options["scaling"], options["dropout"], options.get("sliding_window") or 0)
    mixed = _Attention.apply(*rows, packing, rule)  # type: ignore[no-untyped-call]
    return mixed.view(1, -1, heads, width), None


def _mask(*given: Any, **options: Any) -> Tensor | None:
    """The mask of a padded batch; a packed one has none."""
    from transformers.masking_utils import sdpa_mask

    return None if options.get("attention_mask") is None else sdpa_mask(*given, **options)


class Narrowing:
    """Lets only the rows that the head reads go on, once attention needs no others.

    They leave as (batch, 1, width): a head that pools the first place finds them there.
    """

    def __init__(self, model: PreTrainedModel) -> None:
        self.starts: Tensor | None = None
        """Shape (batch,): the first token of every example; none for a padded batch."""
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
