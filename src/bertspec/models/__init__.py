"""An encoder with a task head on top: one model, which reads packed batches or padded ones."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from torch import Tensor, nn

from bertspec.config import EncoderConfig, TaskConfig
from bertspec.data import batches
from bertspec.data.batches import Batch, PackedBatch, PaddedBatch, Rows
from bertspec.data.tokens import Tokens
from bertspec.errors import InvalidConfig, StoreError
from bertspec.heads import TaskHead
from bertspec.models import dropout, packing, probe
from bertspec.models.loading import build_config, load_network, load_tokenizer, on_top, quietly
from bertspec.models.probe import Positions
from bertspec.sources.pretrained import EncoderFiles

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["EncoderModel", "Vocabulary", "build", "build_config", "load_tokenizer"]


class EncoderModel(nn.Module):
    """A transformers model behind one interface: a batch in, outputs for each example out.

    Args:
        network: the transformers model.
        head: the task head that it ends in.
        differentiated_twice: whether its outputs are differentiated twice; it then reads padded batches only.
    """

    def __init__(self, network: PreTrainedModel, head: TaskHead, *, differentiated_twice: bool = False) -> None:
        super().__init__()
        self.network = network
        self.task_head = head
        accepted = inspect.signature(network.forward).parameters
        self._typed = "token_type_ids" in accepted and getattr(network.config, "type_vocab_size", 0) > 1
        if differentiated_twice:  # neither our packed attention nor a fused one has a second derivative
            network.set_attn_implementation("eager")
        packable = head.reads == "first" and not differentiated_twice
        self._narrowing = packing.install(network) if packable else None
        self._vocabulary: Vocabulary | None = None
        dropout.replace(network)

    @functools.cached_property
    def positions(self) -> Positions:
        """Where the encoder's positions begin, and how many it has."""
        return probe.positions(self.network)

    @property
    def longest(self) -> int | None:
        """How many tokens the encoder has positions for, or None where there is no such limit."""
        return self.positions.longest

    @property
    def embeddings(self) -> int | None:
        """How many token ids the encoder has embeddings for, or None where it needs none."""
        table = probe.embeddings(self.network)
        return None if table is None else len(table.weight)

    @property
    def packable(self) -> bool:
        """Whether it can read packed batches, on any device."""
        return self._narrowing is not None

    @property
    def packs(self) -> bool:
        """Whether it is faster on packed batches: on a CPU, if it can read them."""
        return self.packable and next(self.parameters()).device.type == "cpu"

    def batch(self, tokens: Tokens, rows: Rows, *, pad_id: int) -> Batch:
        """Gather examples in the form that this model reads fastest, on its device."""
        if self.packs:
            return batches.pack(tokens, rows, device=next(self.parameters()).device)
        return self.padded(tokens, rows, pad_id=pad_id)

    def padded(self, tokens: Tokens, rows: Rows, *, pad_id: int) -> PaddedBatch:
        """Gather examples and pad them, on its device."""
        return batches.pad(tokens, rows, pad_id=pad_id, device=next(self.parameters()).device)

    def inputs(self, batch: PaddedBatch) -> dict[str, Tensor]:
        """The arguments of the network for a padded batch."""
        typed = {"token_type_ids": batch.token_type_ids} if self._typed else {}
        return {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask, **typed}

    def forward(self, batch: Batch) -> Tensor:
        """Outputs of shape (batch, width of the head), in the compute type and the batch's order.

        Raises:
            InvalidConfig: the batch is packed, and this model cannot read packed batches.
        """
        if isinstance(batch, PackedBatch):
            return self._packed(batch)
        outputs: Tensor = self.network(**self.inputs(batch)).logits
        return outputs

    def _packed(self, batch: PackedBatch) -> Tensor:
        config = self.network.config
        if self._narrowing is None:
            raise InvalidConfig(
                "this encoder cannot read packed batches",
                given=config.model_type,
                allowed="padded batches",
                where=config.name_or_path or "its configuration",
            )
        typed: dict[str, Any] = {"token_type_ids": batch.token_type_ids[None]} if self._typed else {}
        positions = batch.positions[None] + self.positions.first
        self._narrowing.starts = batch.starts
        try:
            outputs: Tensor = self.network(
                input_ids=batch.input_ids[None],
                position_ids=positions,
                packing=packing.Packing(batch, config.num_attention_heads),
                **typed,
            ).logits
        finally:
            self._narrowing.starts = None
        return outputs

    def narrow(self, *splits: Tokens) -> tuple[Tokens, ...]:
        """Keep the word embeddings of these splits' tokens only; return the splits with the new token ids.

        See :class:`Vocabulary`. A saved model has all embeddings.

        Raises:
            ValueError: the vocabulary is narrow already, so that the ids cannot be the tokenizer's.
        """
        if self._vocabulary is not None:
            raise ValueError("the vocabulary is narrow already: widen it first")
        self._vocabulary = Vocabulary.narrow(self.network, *splits)
        return tuple(self._vocabulary.of(tokens) for tokens in splits)

    def widen(self) -> None:
        """Restore the word embeddings that :meth:`narrow` left out; token ids are the tokenizer's again."""
        if self._vocabulary is not None:
            self._vocabulary.widen(self.network)
            self._vocabulary = None

    def refuse_longer(self, asked: str, tokens: int, *, encoder: str) -> None:
        """Refuse texts that the encoder has too few positions for.

        Args:
            asked: the setting that asks for them, such as ``max_length``.
            tokens: tokens per text.
            encoder: the encoder's name.

        Raises:
            InvalidConfig: there are fewer positions than tokens.
        """
        if self.longest is not None and tokens > self.longest:
            raise InvalidConfig(
                "texts are longer than the encoder's positions",
                given=f"{asked} {tokens}",
                allowed=f"at most {self.longest}",
                where=f"encoder {encoder!r}",
            )

    def freeze_encoder(self) -> None:
        """Train no weights but those of the modules on top of the encoder."""
        for name, weight in self.network.named_parameters():
            weight.requires_grad_(on_top(self.network, name))

    def save(self, folder: Path, tokenizer: PreTrainedTokenizerBase) -> None:
        """Write safetensors weights, configuration and tokenizer; the folder can be loaded as a checkpoint.

        A narrow vocabulary is widened first, and stays wide.

        Raises:
            StoreError: the folder cannot be written.
        """
        self.widen()
        try:
            with quietly():
                self.network.save_pretrained(folder)
                tokenizer.save_pretrained(folder)
        except (OSError, SafetensorError) as refusal:
            raise StoreError(
                f"the fine-tuned model cannot be written: {refusal}",
                where=folder,
                allowed="a writable folder with free space",
            ) from refusal


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The rows of a model's word embeddings that occur in the examples, and the full embeddings before training.

    Most rows of the word embeddings are in no example, so their gradient is zero. Left out, they keep their values, and
    weight decay does not touch them. The other rows learn the same if an update is elementwise, as those of AdamW, Adam
    and SGD are; a rule that takes the norm of a whole tensor would differ.
    """

    occurring: Tensor
    """Shape (occurring,): token ids, rising."""
    full: nn.Embedding

    @classmethod
    def narrow(cls, model: PreTrainedModel, *splits: Tokens) -> Vocabulary:
        """Keep only the embeddings of these splits' tokens in a model, in the order of their ids."""
        full = cast("nn.Embedding", model.get_input_embeddings())
        padding = [] if full.padding_idx is None else [full.padding_idx]
        ids = np.unique(np.concatenate([np.unique(tokens.ids) for tokens in splits] + [np.array(padding, np.int32)]))
        occurring = torch.from_numpy(ids.astype(np.int64))
        new: Any = nn.Embedding.from_pretrained  # the library has no types here
        narrow: nn.Embedding = new(
            full.weight.detach()[occurring.to(full.weight.device)],
            freeze=not full.weight.requires_grad,
            padding_idx=int(np.searchsorted(ids, padding[0])) if padding else None,
        )
        model.set_input_embeddings(narrow)
        return cls(occurring, full)

    def of(self, tokens: Tokens) -> Tokens:
        """Translate examples to the narrow model's token ids."""
        ids: NDArray[np.int64] = np.searchsorted(self.occurring.numpy(), tokens.ids)
        return Tokens(ids.astype(np.int32), tokens.types, tokens.offsets)

    def widen(self, model: PreTrainedModel) -> None:
        """Restore all rows of a model's embeddings, with the trained values of those that were kept."""
        narrow = cast("nn.Embedding", model.get_input_embeddings())
        with torch.no_grad():
            self.full.weight[self.occurring.to(narrow.weight.device)] = narrow.weight
        model.set_input_embeddings(self.full)


def build(
    encoder: EncoderConfig,
    files: EncoderFiles,
    task: TaskConfig,
    tokenizer: PreTrainedTokenizerBase,
    *,
    differentiated_twice: bool = False,
) -> EncoderModel:
    """Build the model of an encoder and a task, with fp32 weights; new weights come from torch's generator.

    Args:
        encoder: what was asked for.
        files: where its files are.
        task: its head becomes the top of the model.
        tokenizer: its size and special token ids go into a new architecture.
        differentiated_twice: whether the outputs are differentiated twice; the model then reads padded batches, with
            plain attention.

    Raises:
        InvalidConfig: the architecture has values that its family does not know.
        SourceError: the checkpoint cannot be loaded, or weights of its encoder are missing.
    """
    head = task.task_head
    config = build_config(encoder, files, head, tokenizer)
    network = load_network(encoder, files, config, head)
    return EncoderModel(network, head, differentiated_twice=differentiated_twice)
