"""The one evaluation loop."""

from __future__ import annotations

import logging

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bertspec import metrics
from bertspec.data import batches
from bertspec.data.tokens import Tokens
from bertspec.device import Device
from bertspec.engine.preparation import RunContext
from bertspec.models import EncoderModel
from bertspec.results import Outcomes

__all__ = ["evaluate", "outputs", "score"]

_log = logging.getLogger(__name__)


def evaluate(context: RunContext) -> NDArray[np.float32]:
    """Outputs of shape (examples, width) for the evaluation split, in row order; see :func:`outputs`."""
    pad_id = context.tokenizer.pad_token_id or 0
    return outputs(context.model, context.evaluation.tokens, pad_id=pad_id, device=context.device)


def score(context: RunContext) -> float:
    """Score the main metric in the middle of a training, which goes on as if it had not been interrupted.

    Outputs that are not finite numbers count as zeros, as they do at the end of a run, and a score that is not defined
    as 0.
    """
    drawn = context.device.random_state()
    with context.optimizer.scored():
        logits = evaluate(context)
    context.device.restore_random_state(drawn)
    context.model.train()
    finite = logits if np.isfinite(logits).all() else np.zeros_like(logits)
    outcomes = Outcomes(finite, context.evaluation.labels, context.model.task_head)
    return metrics.find(context.metric).function(outcomes.references, outcomes.predictions)


def outputs(
    model: EncoderModel, tokens: Tokens, *, pad_id: int, device: Device, token_budget: int = batches.EVALUATION_TOKENS
) -> NDArray[np.float32]:
    """Compute a model's outputs for every example, shape (examples, width), in the examples' order.

    The longest batches run first, and outputs are copied once. If a batch does not fit into memory, smaller ones are
    tried.

    Raises:
        RuntimeError, MemoryError: torch's own error, if one example alone does not fit.
    """
    model.eval()
    while True:
        try:
            return _outputs(model, tokens, pad_id, device, token_budget)
        except (RuntimeError, MemoryError) as error:
            alone = token_budget <= int(tokens.lengths.max())
            if alone or not device.is_out_of_memory(error):
                raise
        token_budget //= 2  # outside the handler, which holds the tensors of the failed attempt
        device.release_memory()
        _log.warning("out of memory while evaluating: continuing with batches of %d tokens", token_budget)


@torch.no_grad()
def _outputs(
    model: EncoderModel, tokens: Tokens, pad_id: int, device: Device, token_budget: int
) -> NDArray[np.float32]:
    order: list[NDArray[np.int64]] = []
    parts: list[Tensor] = []
    for rows in batches.evaluation_batches(tokens.lengths, token_budget=token_budget):
        batch = model.batch(tokens, rows, pad_id=pad_id)
        with device.autocast():
            parts.append(model(batch).float())
        order.append(batch.rows)
    whole = torch.cat(parts).cpu().numpy()
    in_order = np.empty_like(whole)
    in_order[np.concatenate(order)] = whole
    return in_order
