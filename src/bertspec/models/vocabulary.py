"""Training only the word embeddings that occur in the examples.

Most rows of the word embeddings are in no example, so their gradient is zero. Left out, they keep their values, and
weight decay does not touch them. The other rows learn the same if an update is elementwise, as those of AdamW, Adam and
SGD are; a rule that takes the norm of a whole tensor would differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bertspec.data.tokens import Tokens

if TYPE_CHECKING:
    from transformers import PreTrainedModel

__all__ = ["Vocabulary"]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The rows of a model's word embeddings that occur, and the full embeddings before training."""

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
            full.weight.detach()[occurring],
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
            self.full.weight[self.occurring] = narrow.weight
        model.set_input_embeddings(self.full)
