"""An encoder that is ready to answer: loaded once, with a new head on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from bertspec import models
from bertspec.config import EncoderConfig, TaskConfig
from bertspec.data.examples import Examples
from bertspec.data.tokens import Tokens, encode
from bertspec.device import Device
from bertspec.sources import pretrained
from bertspec.sources.locations import Locations

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["Subject"]

_TASK = TaskConfig(
    name="two classes", dataset="none", text="text", head="classification", labels=("0", "1"), metrics=("accuracy",)
)
"""How long an answer takes does not depend on what the weights of the head have learned."""


@dataclass(frozen=True, slots=True)
class Subject:
    """An encoder with its tokenizer, on a device."""

    name: str
    model: models.EncoderModel
    tokenizer: PreTrainedTokenizerBase
    device: Device

    @classmethod
    def load(cls, encoder: EncoderConfig, locations: Locations, device: Device) -> Subject:
        """Load an encoder, or draw its weights where it is one from scratch.

        Raises:
            BertspecError: the encoder cannot be had, or cannot be built.
        """
        files = pretrained.find(encoder, locations)
        tokenizer = models.load_tokenizer(files)
        model = models.build(encoder, files, _TASK, tokenizer).to(device.torch).eval()
        return cls(encoder.name, model, tokenizer, device)

    def texts_of(self, length: int, *, count: int) -> Tokens:
        """So many texts of exactly that many tokens, drawn from the ordinary words of the vocabulary."""
        size = min(len(self.tokenizer), self.model.network.config.vocab_size)
        ordinary = np.setdiff1d(np.arange(size, dtype=np.int32), self.tokenizer.all_special_ids)
        ids = np.random.default_rng(length).choice(ordinary, size=count * length)
        return Tokens(ids, np.zeros(len(ids), dtype=np.int8), np.arange(count + 1, dtype=np.int64) * length)

    def tokens_of(self, text: str) -> Tokens:
        """The token ids of a text, special ones included, cut where the positions end.

        Raises:
            DataError: the tokenizer knows less than half of its tokens.
        """
        longest = self.model.longest or len(text.encode()) + 8  # no text has more tokens than bytes
        return encode(self.tokenizer, Examples([text], None, np.zeros(1)), max_length=longest, key="", cache=None)

    @torch.no_grad()
    def answer(self, tokens: Tokens, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Outputs of shape (rows, 2), on the host, as ``bertspec predict`` has them made."""
        batch = self.model.batch(tokens, rows, pad_id=self.tokenizer.pad_token_id or 0)
        with self.device.autocast():
            found: NDArray[np.float32] = self.model(batch).float().cpu().numpy()
        return found
