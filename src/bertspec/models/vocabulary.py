"""Training no more of a vocabulary than occurs.

Most rows of the word embeddings are in no example: their gradient is zero, and an optimizer would only carry them
along. Left out, they stay as they were, weight decay included; what is learned of the others is the same wherever an
update goes element by element, as AdamW's, Adam's and SGD's do. A rule that takes a whole tensor's norm would differ.
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
    """The rows of a model's word embeddings that occur, and all of them as they were."""

    occurring: Tensor
    """Shape (occurring,): token ids, rising."""
    full: nn.Embedding

    @classmethod
    def narrow(cls, model: PreTrainedModel, *splits: Tokens) -> Vocabulary:
        """Leave a model the embeddings of these splits' tokens only, in the order of their ids."""
        full = cast("nn.Embedding", model.get_input_embeddings())
        padding = [] if full.padding_idx is None else [full.padding_idx]
        ids = np.unique(np.concatenate([np.unique(tokens.ids) for tokens in splits] + [np.array(padding, np.int32)]))
        occurring = torch.from_numpy(ids.astype(np.int64))
        made: Any = nn.Embedding.from_pretrained  # the library has no types here
        narrow: nn.Embedding = made(
            full.weight.detach()[occurring],
            freeze=not full.weight.requires_grad,
            padding_idx=int(np.searchsorted(ids, padding[0])) if padding else None,
        )
        model.set_input_embeddings(narrow)
        return cls(occurring, full)

    def of(self, tokens: Tokens) -> Tokens:
        """The same examples with the narrow model's token ids."""
        ids: NDArray[np.int64] = np.searchsorted(self.occurring.numpy(), tokens.ids)
        return Tokens(ids.astype(np.int32), tokens.types, tokens.offsets)

    def widen(self, model: PreTrainedModel) -> None:
        """Give a model all its rows back, with what was learned of some."""
        narrow = cast("nn.Embedding", model.get_input_embeddings())
        with torch.no_grad():
            self.full.weight[self.occurring] = narrow.weight
        model.set_input_embeddings(self.full)
