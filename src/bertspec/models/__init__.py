"""An encoder with a head: a model that reads packed batches, or padded ones."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from bertspec.config import EncoderConfig, TaskConfig
from bertspec.data import batches
from bertspec.data.batches import Batch, PackedBatch, Rows
from bertspec.data.tokens import Tokens
from bertspec.errors import InvalidConfig, SourceError, StoreError
from bertspec.models import dropout, encoders, packing
from bertspec.models.vocabulary import Vocabulary
from bertspec.sources.pretrained import EncoderFiles

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["EncoderModel", "build"]

_HEAD_MODULES = ("classifier", "pooler", "pre_classifier", "head", "score")
"""What may be new in a fine-tuned model; weights missing anywhere else mean a broken checkpoint."""


_OFFSET_POSITIONS = ("camembert", "roberta", "xlm-roberta")
"""Families whose positions begin after the padding id."""


class EncoderModel(nn.Module):
    """A transformers sequence model behind one interface: a batch in, numbers out."""

    def __init__(self, model: PreTrainedModel, *, differentiated_twice: bool = False) -> None:
        super().__init__()
        self.model = model
        accepted = inspect.signature(model.forward).parameters
        self._typed = "token_type_ids" in accepted and getattr(model.config, "type_vocab_size", 0) > 1
        if differentiated_twice:  # neither our packed attention nor a fused one has a second derivative
            model.set_attn_implementation("eager")
        self._narrowing = None if differentiated_twice else packing.install(model)
        self._vocabulary: Vocabulary | None = None
        dropout.replace(model)

    @property
    def longest(self) -> int | None:
        """How many tokens the encoder has positions for, or none where it has no such limit."""
        config = self.model.config
        positions: int | None = getattr(config, "max_position_embeddings", None)
        return None if positions is None else positions - self._first_position

    @property
    def _first_position(self) -> int:
        config = self.model.config
        return config.pad_token_id + 1 if config.model_type in _OFFSET_POSITIONS else 0

    @property
    def packs(self) -> bool:
        """Whether it reads packed batches best: on a CPU, where its family can read them."""
        return self._narrowing is not None and next(self.parameters()).device.type == "cpu"

    def batch(self, tokens: Tokens, rows: Rows, *, pad_id: int) -> Batch:
        """Some examples as this head reads them best, on its device."""
        device = next(self.parameters()).device
        if self.packs:
            return batches.pack(tokens, rows, device=device)
        return batches.pad(tokens, rows, pad_id=pad_id, device=device)

    def forward(self, batch: Batch) -> Tensor:
        """Outputs of shape (batch, width of the head), in the compute type and the batch's order.

        Raises:
            InvalidConfig: the batch is packed, and the family cannot read such.
        """
        if isinstance(batch, PackedBatch):
            return self._packed(batch)
        typed: dict[str, Any] = {"token_type_ids": batch.token_type_ids} if self._typed else {}
        outputs: Tensor = self.model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, **typed).logits
        return outputs

    def _packed(self, batch: PackedBatch) -> Tensor:
        config = self.model.config
        if self._narrowing is None:
            raise InvalidConfig(
                "this encoder cannot read packed batches",
                given=config.model_type,
                allowed="padded ones",
                where=config.name_or_path or "its head",
            )
        typed: dict[str, Any] = {"token_type_ids": batch.token_type_ids[None]} if self._typed else {}
        self._narrowing.starts = batch.starts
        try:
            outputs: Tensor = self.model(
                input_ids=batch.input_ids[None],
                position_ids=batch.places[None] + self._first_position,
                packing=packing.Packing(batch, config.num_attention_heads),
                **typed,
            ).logits
        finally:
            self._narrowing.starts = None
        return outputs

    def narrow(self, *splits: Tokens) -> tuple[Tokens, ...]:
        """Keep the word embeddings of these splits only, and give their examples with the ids that this leaves.

        See :mod:`bertspec.models.vocabulary`; what is saved has all of them.

        Raises:
            ValueError: it is narrow already, and these ids are not the tokenizer's.
        """
        if self._vocabulary is not None:
            raise ValueError("the vocabulary is narrow already: widen it first")
        self._vocabulary = Vocabulary.narrow(self.model, *splits)
        return tuple(self._vocabulary.of(tokens) for tokens in splits)

    def widen(self) -> None:
        """Take up the word embeddings that :meth:`narrow` left out; token ids are the tokenizer's again."""
        if self._vocabulary is not None:
            self._vocabulary.widen(self.model)
            self._vocabulary = None

    def refuse_longer(self, asked: str, tokens: int, *, encoder: str) -> None:
        """Refuse texts that the encoder has no positions for.

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
        """Leave every weight as it is but those of the head, which a fine-tuning may bring along new."""
        for name, weight in self.named_parameters():
            weight.requires_grad_(not set(name.split(".")).isdisjoint(_HEAD_MODULES))

    def save(self, folder: Path, tokenizer: PreTrainedTokenizerBase) -> None:
        """Write safetensors weights, configuration and tokenizer; the folder is a checkpoint again.

        A narrow vocabulary is widened for good: token ids are the tokenizer's from here on.

        Raises:
            StoreError: the folder cannot be written.
        """
        self.widen()
        try:
            with _quietly():
                self.model.save_pretrained(folder)
                tokenizer.save_pretrained(folder)
        except (OSError, SafetensorError) as refusal:
            raise StoreError(
                f"the fine-tuned model cannot be written: {refusal}",
                where=folder,
                allowed="a writable folder with free space",
            ) from refusal


def build(
    encoder: EncoderConfig,
    files: EncoderFiles,
    task: TaskConfig,
    vocabulary: PreTrainedTokenizerBase,
    *,
    differentiated_twice: bool = False,
) -> EncoderModel:
    """The model of an encoder and a task, with fp32 weights; new weights come from torch's generator.

    One whose outputs are to be differentiated twice reads padded batches, with plain attention.

    Raises:
        InvalidConfig: the architecture has values that its family does not know.
        SourceError: the checkpoint cannot be loaded, or weights of its encoder are missing.
    """
    config = encoders.build_config(encoder, files, outputs=task.outputs, vocabulary=vocabulary)
    if task.head == "classification":
        config.id2label = dict(enumerate(task.labels))
        config.label2id = {name: number for number, name in enumerate(task.labels)}
    model = _new(encoder, config) if files.folder is None else _pretrained(files.folder, config)
    return EncoderModel(model, differentiated_twice=differentiated_twice)


def _new(encoder: EncoderConfig, config: PretrainedConfig) -> PreTrainedModel:
    from transformers import AutoModelForSequenceClassification

    try:
        new: Any = AutoModelForSequenceClassification.from_config  # the library has no types here
        model: PreTrainedModel = new(config, dtype=torch.float32)
    except (ValueError, TypeError) as refusal:
        raise SourceError(
            f"the architecture cannot be built: {refusal}", where=f"encoder {encoder.name!r}"
        ) from refusal
    return model


def _pretrained(folder: Path, config: PretrainedConfig) -> PreTrainedModel:
    from transformers import AutoModelForSequenceClassification

    try:
        with _quietly():
            model, loading = AutoModelForSequenceClassification.from_pretrained(
                folder,
                config=config,
                dtype=torch.float32,
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
    except (OSError, ValueError, RuntimeError, SafetensorError) as refusal:
        raise SourceError(f"the checkpoint cannot be loaded: {refusal}", where=folder) from refusal
    _refuse_holes(loading, folder)
    loaded: PreTrainedModel = model
    return loaded


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """The library draws bars and reports the new head, which is what was asked for."""
    from transformers.utils import logging

    reports: Any = logging  # the library has no types here

    level, bars = reports.get_verbosity(), reports.is_progress_bar_enabled()
    reports.set_verbosity_error()
    reports.disable_progress_bar()
    try:
        yield
    finally:
        reports.set_verbosity(level)
        if bars:
            reports.enable_progress_bar()


def _refuse_holes(loading: dict[str, Any], folder: Path) -> None:
    mismatched = [key if isinstance(key, str) else key[0] for key in loading["mismatched_keys"]]
    new = [*loading["missing_keys"], *mismatched]
    holes = sorted(key for key in new if not set(key.split(".")) & set(_HEAD_MODULES))
    if holes:
        raise SourceError(
            "weights of the encoder itself are missing, or have another shape",
            given=", ".join(holes[:5]) + (f" and {len(holes) - 5} more" if len(holes) > 5 else ""),
            allowed="a checkpoint that lacks no more than its head",
            where=folder,
        )
