"""Refuses, before training, what an encoder cannot read: some of it only a loaded encoder knows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from bertspec.data.tokens import Examples, Tokens
from bertspec.device import Device
from bertspec.errors import DataError, InvalidConfig, SourceError
from bertspec.models import probe
from bertspec.models.loading import refused

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from bertspec.models import EncoderModel

__all__ = ["Examined", "refuse_no_room", "refuse_unreadable", "refuse_without_padding", "try_out"]


_PADDING = 2
"""Tokens of padding behind the example that shows what the outputs depend on."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Examined:
    """The examples of one split, as an encoder is to read them."""

    tokens: Tokens
    examples: Examples
    where: Callable[[int], str]
    """Names an example by its row."""


def refuse_no_room(tokenizer: PreTrainedTokenizerBase, max_length: int, *, pairs: bool) -> None:
    """Refuse a length that special tokens take up, so that all examples would be the same.

    Raises:
        InvalidConfig: there is no token left for each text.
    """
    special: int = tokenizer.num_special_tokens_to_add(pair=pairs)
    texts = 2 if pairs else 1
    if max_length < special + texts:
        what = "a pair of texts" if pairs else "a text"
        raise InvalidConfig(
            f"special tokens leave no room for {what}",
            given=f"max_length {max_length}",
            allowed=f"at least {special + texts}: {special} special tokens, and one token of each text",
            where="the recipe",
        )


def refuse_without_padding(tokenizer: PreTrainedTokenizerBase, *, encoder: str) -> None:
    """Refuse a tokenizer that cannot pad.

    Raises:
        SourceError: it has no padding token.
    """
    if tokenizer.pad_token_id is None:
        raise SourceError(
            "the tokenizer has no padding token, so that texts of different lengths cannot share a batch",
            allowed="a tokenizer with a pad_token",
            where=f"encoder {encoder!r}",
        )


def refuse_unreadable(
    model: EncoderModel, tokenizer: PreTrainedTokenizerBase, examined: Examined, *, encoder: str
) -> None:
    """Refuse examples without a token, and token ids that the encoder has no embedding for.

    Args:
        model: the encoder; its vocabulary is not narrow.
        tokenizer: the tokenizer of these examples.
        examined: the examples.
        encoder: the encoder's name.

    Raises:
        DataError: the tokenizer leaves nothing of a text.
        SourceError: an id is beyond the embeddings.
    """
    tokens = examined.tokens
    empty = next(_empty(tokenizer, examined), None)
    if empty is not None:
        row, text = empty
        raise DataError(
            "the tokenizer leaves nothing of a text",
            given=text,
            allowed="a text with at least one token",
            where=examined.where(row),
        )
    highest, embeddings = int(tokens.ids.max()), model.embeddings
    if embeddings is not None and highest >= embeddings:
        raise SourceError(
            "the tokenizer has more tokens than the encoder has embeddings",
            given=f"token {tokenizer.convert_ids_to_tokens(highest)!r} with id {highest}",
            allowed=f"ids below {embeddings}; resize the encoder's embeddings to its tokenizer, and save it again",
            where=f"encoder {encoder!r}",
        )


def try_out(
    model: EncoderModel, tokenizer: PreTrainedTokenizerBase, splits: Sequence[Tokens], device: Device, *, encoder: str
) -> None:
    """Let the encoder read its longest example and its shortest ones, before anything is trained.

    No weight changes, and random numbers that are drawn are given back. Memory that is too small is left to the
    training, which takes smaller batches.

    Raises:
        SourceError: it cannot read them, or its head reads a token that does not know the text.
    """
    where = f"encoder {encoder!r}"
    try:
        with refused("the encoder cannot read the examples of this task", where=where), probe.Lookups():
            seen = _read(model, _extremes(splits), tokenizer.pad_token_id or 0, where)
    except SourceError as refusal:
        if isinstance(refusal.__cause__, probe.Beyond):
            raise _beyond(model, refusal.__cause__, where) from refusal.__cause__
        if refusal.__cause__ is not None and device.is_out_of_memory(refusal.__cause__):
            return
        raise
    except (MemoryError, torch.OutOfMemoryError):
        return
    _refuse_other_padding(model, tokenizer, seen, where)
    _refuse_blind_head(model, seen, where)
    _refuse_unmarked(tokenizer, splits, seen, where)


def _empty(tokenizer: PreTrainedTokenizerBase, examined: Examined) -> Iterator[tuple[int, str]]:
    """Yield the texts of which the tokenizer leaves nothing, with their rows."""
    examples = examined.examples
    special = tokenizer.num_special_tokens_to_add(pair=examples.pairs is not None)
    for row in np.flatnonzero(examined.tokens.lengths <= special).tolist():
        yield row, examples.texts[row]
    for texts in (examples.texts, examples.pairs) if examples.pairs is not None else ():
        for row, text in enumerate(texts):
            # One of a pair alone does not show in the number of tokens; letters and digits always leave something.
            if not any(map(str.isalnum, text)) and not tokenizer(text, add_special_tokens=False)["input_ids"]:
                yield row, text


def _read(model: EncoderModel, examples: Tokens, pad_id: int, where: str) -> probe.Dependence:
    """Read the examples together, and the first alone; then observe what the outputs of the second depend on.

    An encoder that lets padding in costs a warning.
    """
    with probe.evaluating(model.network), torch.no_grad():
        for rows in (np.arange(len(examples)), np.arange(1)):
            if not torch.isfinite(model(model.batch(examples, rows, pad_id=pad_id))).all():
                raise FloatingPointError("its outputs are not finite numbers, before any training")
    batch = model.inputs(model.padded(examples, np.array([1]), pad_id=pad_id))
    room = _PADDING if model.longest is None else max(0, min(_PADDING, model.longest - int(examples.lengths[1])))
    fill = {"input_ids": pad_id}
    inputs = {name: nn.functional.pad(values, (0, room), value=fill.get(name, 0)) for name, values in batch.items()}
    seen = probe.dependence(model.network, inputs)
    if seen.sees_padding and _answers_differ(model, batch, inputs):
        _log.warning("%s sees padding: its answer to a text depends on the other texts of the batch", where)
    return seen


def _answers_differ(model: EncoderModel, *inputs: dict[str, torch.Tensor]) -> bool:
    """Whether a network answers an example otherwise with its padding than without: padding may be all zeros."""
    with probe.evaluating(model.network), torch.no_grad():
        alone, padded = (model.network(**each).logits for each in inputs)
    return not torch.allclose(alone, padded, rtol=1e-3, atol=1e-6)


def _extremes(splits: Sequence[Tokens]) -> Tokens:
    """The shortest example of all splits, the shortest with three tokens, and the longest."""
    lengths = np.concatenate([tokens.lengths for tokens in splits])
    longest = int(lengths.argmax())
    enough = np.flatnonzero(lengths >= min(3, lengths[longest]))
    wanted = [int(lengths.argmin()), int(enough[lengths[enough].argmin()]), longest]
    ends = np.cumsum([len(tokens) for tokens in splits])
    picked = []
    for row in wanted:
        split = int(np.searchsorted(ends, row, side="right"))
        picked.append(splits[split].take(np.array([row - ends[split] + len(splits[split])])))
    return Tokens(
        np.concatenate([one.ids for one in picked]),
        np.concatenate([one.types for one in picked]),
        np.concatenate([[0], np.cumsum([len(one.ids) for one in picked])]).astype(np.int64),
    )


def _beyond(model: EncoderModel, beyond: probe.Beyond, where: str) -> SourceError:
    address = beyond.table.data_ptr()
    names = [name for name, weight in model.network.named_parameters() if weight.data_ptr() == address]
    return SourceError(
        f"an embedding table of the encoder is too small: {names[0] if names else 'one without a name'}",
        given=f"row {beyond.row}",
        allowed=f"rows 0 to {len(beyond.table) - 1}",
        where=where,
    )


def _refuse_other_padding(
    model: EncoderModel, tokenizer: PreTrainedTokenizerBase, seen: probe.Dependence, where: str
) -> None:
    """Refuse two padding tokens where the encoder's decides which token is pooled, or where positions begin."""
    pad, own = tokenizer.pad_token_id, getattr(model.network.config, "pad_token_id", None)
    matters = not seen.pools_first or (own is not None and model.positions.first == own + 1)
    if own is not None and own != pad and matters:
        raise SourceError(
            "tokenizer and encoder have different padding tokens",
            given=f"id {pad} in the tokenizer, id {own} in the configuration",
            allowed="the same pad_token_id",
            where=where,
        )


def _refuse_blind_head(model: EncoderModel, seen: probe.Dependence, where: str) -> None:
    """Refuse a head that reads the state of a token which knows nothing of the text."""
    problem = (
        "the head reads the first token, which sees nothing but itself: every text would look the same"
        if seen.sees_only_first
        else "the head reads padding instead of the text"
        if seen.pools_padding
        else None
    )
    if problem is not None:
        raise SourceError(
            problem,
            given=model.network.config.model_type,
            allowed="an encoder that reads to both sides, and a head that reads the first token or all but padding",
            where=where,
        )


def _refuse_unmarked(
    tokenizer: PreTrainedTokenizerBase, splits: Sequence[Tokens], seen: probe.Dependence, where: str
) -> None:
    """Refuse a tokenizer without a special token in front where the head reads the first token."""
    first = np.concatenate([tokens.ids[tokens.offsets[:-1]] for tokens in splits])
    adds_some = tokenizer.num_special_tokens_to_add(pair=False) > 0  # otherwise, all texts begin with the same word
    marked = bool(np.isin(first, tokenizer.all_special_ids).all()) or (adds_some and len(np.unique(first)) == 1)
    if seen.pools_first and not marked:
        raise SourceError(
            "the head reads the first token, and the tokenizer puts no special token there: it would read a word",
            given=" ".join(tokenizer.convert_ids_to_tokens(splits[0].ids[: int(splits[0].offsets[1])].tolist()[:8])),
            allowed="a tokenizer that adds its special tokens, such as [CLS] … [SEP]",
            where=where,
        )
