"""The one evaluation loop."""

from __future__ import annotations

import logging

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bertspec.data import batches
from bertspec.engine.preparation import Prepared

__all__ = ["evaluate"]

_log = logging.getLogger(__name__)


def evaluate(prepared: Prepared, *, token_budget: int = batches.EVALUATION_TOKENS) -> NDArray[np.float32]:
    """Outputs of shape (examples, width) in row order.

    Batches run longest first and are copied once. Where they do not fit the memory, smaller ones are tried.

    Raises:
        RuntimeError, MemoryError: torch's own complaint, where one example alone does not fit.
    """
    while True:
        try:
            return _evaluated(prepared, token_budget)
        except (RuntimeError, MemoryError) as error:
            alone = token_budget <= int(prepared.evaluation.tokens.lengths.max())
            if alone or not prepared.device.is_out_of_memory(error):
                raise
        token_budget //= 2  # outside the handler, which holds the tensors of the failed attempt
        prepared.device.release_memory()
        _log.warning("out of memory while evaluating: going on with batches of %d tokens", token_budget)


@torch.no_grad()
def _evaluated(prepared: Prepared, token_budget: int) -> NDArray[np.float32]:
    prepared.head.eval()
    order: list[NDArray[np.int64]] = []
    outputs: list[Tensor] = []
    for rows in batches.evaluation_batches(prepared.evaluation.tokens.lengths, token_budget=token_budget):
        batch, _ = prepared.batch(prepared.evaluation, rows)
        with prepared.device.autocast():
            outputs.append(prepared.head(batch).float())
        order.append(rows)
    found = torch.cat(outputs).cpu().numpy()
    in_order = np.empty_like(found)
    in_order[np.concatenate(order)] = found
    return in_order
