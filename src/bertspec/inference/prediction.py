"""Encoders loaded for inference: a fine-tuned one that predicts, and one with a new head whose speed is measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from bertspec import models
from bertspec.config import EncoderConfig, RunConfig, TaskConfig
from bertspec.data.tokens import Examples, Tokens, check_text, encode
from bertspec.device import Device, choose
from bertspec.engine import outputs
from bertspec.errors import InvalidConfig
from bertspec.heads import Prediction
from bertspec.models import checks
from bertspec.models.loading import refused
from bertspec.sources import Sources, pretrained

if TYPE_CHECKING:
    from typing import Literal

    from transformers import PreTrainedTokenizerBase

__all__ = ["Prediction", "Predictor", "Subject"]

_TWO_CLASSES = TaskConfig(
    name="two classes", dataset="none", text="text", head="classification", labels=("0", "1"), metrics=("accuracy",)
)
"""The task of a subject. The weights of its head are new; speed does not depend on them."""


@dataclass(frozen=True, slots=True)
class Predictor:
    """A fine-tuned encoder, loaded once."""

    config: RunConfig
    """The run that trained it."""
    model: models.EncoderModel
    tokenizer: PreTrainedTokenizerBase
    device: Device

    @classmethod
    def load(cls, folder: Path, config: RunConfig, *, device: Literal["auto", "cpu", "cuda"] = "auto") -> Predictor:
        """Load the model of a run that was kept.

        Raises:
            SourceError: the folder holds no usable model.
            DeviceError: the device is not on this machine.
        """
        encoder = EncoderConfig(name=config.encoder.name, checkpoint=str(folder.absolute()))
        files = pretrained.find(encoder, Sources(mirror=None, endpoint=None))
        tokenizer = models.load_tokenizer(files)
        chosen = choose(device, config.recipe)
        model = models.build(encoder, files, config.task, tokenizer).to(chosen.torch)
        return cls(config, model, tokenizer, chosen)

    def predict(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[Prediction]:
        """One prediction per text, in order. Texts are cut to the ``max_length`` of the run.

        Args:
            texts: the texts, or the first of each pair.
            pairs: the second of each pair, for a task that has pairs.

        Raises:
            InvalidConfig: pairs are missing, or the task has none.
            DataError: a text is empty or not Unicode, the tokenizer leaves nothing of it, or it knows less than half of
                the texts' tokens.
        """
        task = self.config.task
        if (pairs is None) != (task.text_pair is None):
            raise InvalidConfig(
                f"task {task.name!r} reads {'one text' if task.text_pair is None else 'pairs of texts'}",
                given="pairs of texts" if pairs is not None else "one text",
                where="the texts to predict",
            )
        if not texts:
            return []
        for number, text in enumerate((*texts, *(pairs or ()))):
            check_text(text, where=f"text {number % len(texts) + 1}")
        examples = Examples(list(texts), None if pairs is None else list(pairs), np.zeros(len(texts)))
        tokens = encode(self.tokenizer, examples, max_length=self.config.recipe.max_length, key="", cache=None)
        examined = checks.Examined(tokens, examples, lambda row: f"text {row + 1}")
        checks.refuse_unreadable(self.model, self.tokenizer, examined, encoder=self.config.encoder.name)
        with self.device.session(0):
            logits = outputs(self.model, tokens, pad_id=self.tokenizer.pad_token_id or 0, device=self.device)
        return task.task_head.predictions(logits)


@dataclass(frozen=True, slots=True)
class Subject:
    """An encoder with a new head, ready to be timed."""

    name: str
    model: models.EncoderModel
    tokenizer: PreTrainedTokenizerBase
    device: Device

    @classmethod
    def load(cls, encoder: EncoderConfig, sources: Sources, device: Device) -> Subject:
        """Load an encoder; weights of one from scratch are drawn.

        Raises:
            BertspecError: the encoder is not available, or cannot be built.
        """
        files = pretrained.find(encoder, sources)
        tokenizer = models.load_tokenizer(files)
        model = models.build(encoder, files, _TWO_CLASSES, tokenizer).to(device.torch).eval()
        return cls(encoder.name, model, tokenizer, device)

    def texts_of(self, length: int, *, count: int) -> Tokens:
        """``count`` texts of exactly ``length`` tokens, drawn from the vocabulary without its special tokens."""
        size = min(len(self.tokenizer), self.model.network.config.vocab_size)
        ordinary = np.setdiff1d(np.arange(size, dtype=np.int32), self.tokenizer.all_special_ids)
        ids = np.random.default_rng(length).choice(ordinary, size=count * length)
        return Tokens(ids, np.zeros(len(ids), dtype=np.int8), np.arange(count + 1, dtype=np.int64) * length)

    def tokens_of(self, text: str) -> Tokens:
        """The token ids of a text, special ones included, cut to the positions that the encoder has.

        Raises:
            DataError: the tokenizer leaves nothing of the text, or knows less than half of its tokens.
        """
        longest = self.model.longest or len(text.encode()) + 8  # no text has more tokens than bytes
        examples = Examples([text], None, np.zeros(1))
        tokens = encode(self.tokenizer, examples, max_length=longest, key="", cache=None)
        examined = checks.Examined(tokens, examples, lambda _: "the text to measure")
        checks.refuse_unreadable(self.model, self.tokenizer, examined, encoder=self.name)
        return tokens

    @torch.no_grad()
    def try_out(self, tokens: Tokens) -> None:
        """Answer one text, before anything is measured.

        Raises:
            SourceError: the encoder cannot read it.
        """
        length = int(tokens.lengths[0])
        batch = self.model.batch(tokens, np.arange(1), pad_id=self.tokenizer.pad_token_id or 0)
        with refused(f"the encoder cannot read texts of {length} tokens", where=f"encoder {self.name!r}"):
            self.model(batch)

    @torch.no_grad()
    def answer(self, tokens: Tokens, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Logits of shape (rows, 2) on the host, computed as ``bertspec predict`` does."""
        batch = self.model.batch(tokens, rows, pad_id=self.tokenizer.pad_token_id or 0)
        with self.device.autocast():
            logits: NDArray[np.float32] = self.model(batch).float().cpu().numpy()
        return logits
