"""What a fine-tuned encoder says about texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bertspec import models
from bertspec.config import EncoderConfig, RunConfig
from bertspec.data.examples import Examples
from bertspec.data.tokens import encode
from bertspec.device import Device, choose
from bertspec.engine import outputs
from bertspec.errors import InvalidConfig
from bertspec.heads import Prediction
from bertspec.sources import pretrained
from bertspec.sources.locations import Locations

if TYPE_CHECKING:
    from typing import Literal

    from transformers import PreTrainedTokenizerBase

__all__ = ["Prediction", "Predictor"]


@dataclass(frozen=True, slots=True)
class Predictor:
    """A fine-tuned encoder, loaded once."""

    config: RunConfig
    """The run that made it: its labels, and how long a text may be."""
    model: models.EncoderModel
    tokenizer: PreTrainedTokenizerBase
    device: Device

    @classmethod
    def load(cls, folder: Path, config: RunConfig, *, device: Literal["auto", "cpu", "cuda"] = "auto") -> Predictor:
        """Load the model that a run kept.

        Raises:
            SourceError: the folder holds no usable model.
            DeviceError: the device is not on this machine.
        """
        encoder = EncoderConfig(name=config.encoder.name, checkpoint=str(folder.absolute()))
        files = pretrained.find(encoder, Locations(mirror=None, endpoint=None))
        tokenizer = models.load_tokenizer(files)
        chosen = choose(device, config.recipe)
        model = models.build(encoder, files, config.task, tokenizer).to(chosen.torch)
        return cls(config, model, tokenizer, chosen)

    def predict(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[Prediction]:
        """One prediction per text, in order. A text longer than the run's ``max_length`` is cut.

        Args:
            texts: the texts, or the first of each pair.
            pairs: the second of each pair, for a task that has pairs.

        Raises:
            InvalidConfig: pairs are missing, or not wanted.
            DataError: the tokenizer knows less than half of the texts' tokens.
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
        examples = Examples(list(texts), None if pairs is None else list(pairs), np.zeros(len(texts)))
        tokens = encode(self.tokenizer, examples, max_length=self.config.recipe.max_length, key="", cache=None)
        with self.device.session(0):
            logits = outputs(self.model, tokens, pad_id=self.tokenizer.pad_token_id or 0, device=self.device)
        return task.task_head.predictions(logits)
