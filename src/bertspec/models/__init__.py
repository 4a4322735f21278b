"""An encoder with a task head on top: one model, which reads packed batches or padded ones."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator
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
from bertspec.data.batches import Batch, PackedBatch, Rows
from bertspec.data.tokens import Tokens
from bertspec.errors import InvalidConfig, SourceError, StoreError
from bertspec.heads import TaskHead
from bertspec.models import dropout, packing
from bertspec.sources.pretrained import EncoderFiles

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

__all__ = ["EncoderModel", "Vocabulary", "build", "build_config", "load_tokenizer"]

_OFFSET_POSITIONS = ("camembert", "roberta", "xlm-roberta")
"""Families whose positions begin after the padding id."""

_SPECIAL = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
"""The special tokens of the generated tasks' tokenizer."""


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

    @property
    def longest(self) -> int | None:
        """How many tokens the encoder has positions for, or None where there is no such limit."""
        config = self.network.config
        positions: int | None = getattr(config, "max_position_embeddings", None)
        return None if positions is None else positions - self._first_position

    @property
    def _first_position(self) -> int:
        config = self.network.config
        return config.pad_token_id + 1 if config.model_type in _OFFSET_POSITIONS else 0

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
        device = next(self.parameters()).device
        if self.packs:
            return batches.pack(tokens, rows, device=device)
        return batches.pad(tokens, rows, pad_id=pad_id, device=device)

    def forward(self, batch: Batch) -> Tensor:
        """Outputs of shape (batch, width of the head), in the compute type and the batch's order.

        Raises:
            InvalidConfig: the batch is packed, and this model cannot read packed batches.
        """
        if isinstance(batch, PackedBatch):
            return self._packed(batch)
        typed: dict[str, Any] = {"token_type_ids": batch.token_type_ids} if self._typed else {}
        outputs: Tensor = self.network(input_ids=batch.input_ids, attention_mask=batch.attention_mask, **typed).logits
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
        self._narrowing.starts = batch.starts
        try:
            outputs: Tensor = self.network(
                input_ids=batch.input_ids[None],
                position_ids=batch.positions[None] + self._first_position,
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
        for name, weight in self.named_parameters():
            weight.requires_grad_(not set(name.split(".")).isdisjoint(self.task_head.new_modules))

    def save(self, folder: Path, tokenizer: PreTrainedTokenizerBase) -> None:
        """Write safetensors weights, configuration and tokenizer; the folder can be loaded as a checkpoint.

        A narrow vocabulary is widened first, and stays wide.

        Raises:
            StoreError: the folder cannot be written.
        """
        self.widen()
        try:
            with _quietly():
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
    network = _new(encoder, config, head) if files.folder is None else _pretrained(files.folder, config, head)
    return EncoderModel(network, head, differentiated_twice=differentiated_twice)


def load_tokenizer(files: EncoderFiles) -> PreTrainedTokenizerBase:
    """Load the fast tokenizer of an encoder.

    Raises:
        SourceError: the files hold no tokenizer that the library can read.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    if files.folder is None:
        special = {name: f"[{name.removesuffix('_token').upper()}]" for name in _SPECIAL}
        new: Any = PreTrainedTokenizerFast  # the library has no types here
        tokenizer: PreTrainedTokenizerBase = new(tokenizer_file=str(files.tokenizer), **special)
        return tokenizer
    try:
        return AutoTokenizer.from_pretrained(files.folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as refusal:
        raise SourceError(f"the tokenizer cannot be read: {refusal}", where=files.folder) from refusal


def build_config(encoder: EncoderConfig, files: EncoderFiles, head: TaskHead, tokenizer: Any) -> PretrainedConfig:
    """Build the transformers configuration of an encoder with a task head.

    Args:
        encoder: what was asked for.
        files: where its files are.
        head: the task head, whose width and class names the configuration takes over.
        tokenizer: its size and special token ids go into a new architecture.

    Raises:
        InvalidConfig: the architecture has values that its family does not know.
        SourceError: the checkpoint's configuration cannot be read.
    """
    config = _saved_config(files.folder, head) if files.folder is not None else _new_config(encoder, head, tokenizer)
    if head.class_names:
        config.id2label = dict(enumerate(head.class_names))
        config.label2id = {name: number for number, name in enumerate(head.class_names)}
    return config


def _saved_config(folder: Path, head: TaskHead) -> PretrainedConfig:
    from transformers import AutoConfig

    try:
        saved: PretrainedConfig = AutoConfig.from_pretrained(
            folder, num_labels=head.width, local_files_only=True, trust_remote_code=False
        )
    except (OSError, ValueError) as refusal:
        raise SourceError(f"the configuration cannot be read: {refusal}", where=folder) from refusal
    return saved


def _new_config(encoder: EncoderConfig, head: TaskHead, tokenizer: Any) -> PretrainedConfig:
    from transformers import AutoConfig

    known = _known_values(encoder)
    special = {
        "pad_token_id": tokenizer.pad_token_id,
        "cls_token_id": tokenizer.cls_token_id,
        "sep_token_id": tokenizer.sep_token_id,
        "bos_token_id": tokenizer.cls_token_id,
        "eos_token_id": tokenizer.sep_token_id,
    }
    return AutoConfig.for_model(
        str(encoder.family),
        **encoder.architecture,
        **{name: value for name, value in special.items() if name in known},
        vocab_size=len(tokenizer),
        num_labels=head.width,
    )


def _known_values(encoder: EncoderConfig) -> set[str]:
    """The values that the family's configuration has.

    The library ignores unknown keywords silently; a misspelt one would leave a default in force.
    """
    from transformers import AutoConfig

    family = type(AutoConfig.for_model(str(encoder.family)))
    known = set(inspect.signature(family).parameters) | set(family.attribute_map)
    unknown = sorted(set(encoder.architecture) - known)
    if unknown:
        raise InvalidConfig(
            f"the {encoder.family} architecture has no such value",
            given=", ".join(unknown),
            allowed=", ".join(sorted(known)),
            where=f"encoder {encoder.name!r}",
        )
    return known


def _new(encoder: EncoderConfig, config: PretrainedConfig, head: TaskHead) -> PreTrainedModel:
    try:
        network: PreTrainedModel = _auto_class(head).from_config(config, dtype=torch.float32)
    except (ValueError, TypeError) as refusal:
        raise SourceError(
            f"the architecture cannot be built: {refusal}", where=f"encoder {encoder.name!r}"
        ) from refusal
    return network


def _pretrained(folder: Path, config: PretrainedConfig, head: TaskHead) -> PreTrainedModel:
    try:
        with _quietly():
            network, loading = _auto_class(head).from_pretrained(
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
    _refuse_incomplete(loading, head, folder)
    loaded: PreTrainedModel = network
    return loaded


def _auto_class(head: TaskHead) -> Any:
    import transformers

    return getattr(transformers, head.auto_class)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Silence the library's progress bars and its warnings that the head is new."""
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


def _refuse_incomplete(loading: dict[str, Any], head: TaskHead, folder: Path) -> None:
    mismatched = [key if isinstance(key, str) else key[0] for key in loading["mismatched_keys"]]
    new = [*loading["missing_keys"], *mismatched]
    missing = sorted(key for key in new if set(key.split(".")).isdisjoint(head.new_modules))
    if missing:
        raise SourceError(
            "weights of the encoder itself are missing, or have another shape",
            given=", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else ""),
            allowed="a checkpoint that lacks no more than its head",
            where=folder,
        )
