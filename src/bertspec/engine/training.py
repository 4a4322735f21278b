"""The one training loop."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bertspec.config import RecipeConfig
from bertspec.data import batches
from bertspec.engine import evaluation
from bertspec.engine.checkpoints import Checkpoints
from bertspec.engine.preparation import RunContext, Split
from bertspec.engine.progress import Progress
from bertspec.engine.schedules import learning_rate_at, steps_of
from bertspec.errors import DeviceError
from bertspec.results import RunObserver

__all__ = ["train"]

_log = logging.getLogger(__name__)


_HELD_OUT = 2
"""The stream of random numbers, of a run's seed, that says in which order held-out rows are record_evaluation at."""


def train(
    recipe: RecipeConfig,
    context: RunContext,
    observer: RunObserver,
    *,
    seed: int,
    checkpoints: Checkpoints | None = None,
) -> Progress:
    """Take every step of a recipe, from a checkpoint on where there is one; fewer where the training diverges.

    Raises:
        DeviceError: the memory is too small for a single example.
    """
    total = steps_of(recipe, len(context.train.tokens))
    rates = np.array([learning_rate_at(step, total, recipe) for step in range(1, total + 1)])
    progress = Progress(loss=np.empty(total), rate=np.empty(total), micro_batch=recipe.micro_batch or recipe.batch_size)
    training = _Training(recipe, context, progress, checkpoints)
    observer.started(total)
    training.resume()
    for step in range(1, progress.step + 1):
        progress.tell(observer, step)
    try:
        for rows in training.batches_to_come(seed, total):
            if progress.stopped is not None:
                break
            training.step(rows, float(rates[progress.step]))
            progress.tell(observer, progress.step)
    except _NotFinite as stop:
        progress.diverged = str(stop)
    progress.seconds = context.device.clock() - training.began
    return progress


class _NotFinite(ArithmeticError):
    """The loss is not a finite number; the weights are those before its step."""


@dataclass(slots=True)
class _Training:
    recipe: RecipeConfig
    context: RunContext
    progress: Progress
    checkpoints: Checkpoints | None
    began: float = field(init=False)
    weights: list[nn.Parameter] = field(init=False)
    """All that is trained; looking for them anew took a tenth of a tiny encoder's step."""
    held_out: Iterator[NDArray[np.int64]] = field(init=False)
    """The batches of held-out rows to come."""

    def __post_init__(self) -> None:
        self.weights = [weight for weight in self.context.model.parameters() if weight.requires_grad]

    def resume(self) -> None:
        """Restore weights, optimizer, random numbers and progress from the newest checkpoint."""
        context = self.context
        context.model.train()
        state = self.checkpoints.load() if self.checkpoints is not None else None
        if state is not None:
            context.model.load_state_dict(state["weights"])
            context.optimizer.load_state_dict(state["optimizer"])
            context.device.restore_random_state(state["random"])
            self.progress.restore(state["progress"])
            _log.info("going on after step %d of %d", self.progress.step, len(self.progress.loss))
        self.began = context.device.clock() - self.progress.seconds

    def batches_to_come(self, seed: int, total: int) -> Iterator[NDArray[np.int64]]:
        """The sampler's state is its seed and the number of batches drawn; that of the held-out rows, too."""
        if self.context.held_out is not None:
            drawn = self._batches(self.context.held_out, (seed, _HELD_OUT))
            self.held_out = islice(drawn, self.progress.held_out, None)
        return islice(self._batches(self.context.train, seed), self.progress.step, total)

    def _batches(self, split: Split, seed: int | tuple[int, ...]) -> Iterator[NDArray[np.int64]]:
        return batches.training_batches(
            split.tokens.lengths,
            batch_size=self.recipe.batch_size,
            seed=seed,
            window_batches=1 if self.context.model.packs else batches.WINDOW_BATCHES,
        )

    def step(self, rows: NDArray[np.int64], rate: float) -> None:
        """Take one optimizer step, and what is due after it."""
        progress, total = self.progress, len(self.progress.loss)
        where = f"step {progress.step + 1} of {total}, learning rate {rate:.3g}"
        optimizer = self.context.optimizer
        loss = optimizer.step(_Step(self, rows, where), learning_rate=rate).item()
        taken = rate if optimizer.rate is None else optimizer.rate
        progress.loss[progress.step], progress.rate[progress.step] = loss, taken
        progress.step += 1
        progress.examples += len(rows)
        progress.tokens += int(self.context.train.tokens.lengths_of(rows).sum())
        every = self.recipe.evaluate_every
        if every is not None and progress.step % every == 0 and progress.step < total:
            self._look()
        if self.checkpoints is not None and self.checkpoints.due(progress.step, total):
            progress.seconds = self.context.device.clock() - self.began
            self.checkpoints.save(progress.step, self._state())

    def _look(self) -> None:
        """Evaluate between two steps; the time does not count as training."""
        clock = self.context.device.clock
        before = clock()
        self.progress.record_evaluation(evaluation.score(self.context))
        self.began += clock() - before

    def _state(self) -> dict[str, Any]:
        return {
            "weights": self.context.model.state_dict(),
            "optimizer": self.context.optimizer.state_dict(),
            "random": self.context.device.random_state(),
            "progress": self.progress.state(),
        }

    def gradients(self, rows: NDArray[np.int64], where: str) -> Tensor:
        """The loss of a batch, and fresh gradients of it, clipped; in smaller parts where it does not fit."""
        while True:
            try:
                loss = self._accumulated(rows, where)
                break
            except (RuntimeError, MemoryError) as error:
                if not self.context.device.is_out_of_memory(error):
                    raise
                said = str(error).splitlines()[0] if str(error) else type(error).__name__
            self._halve_micro_batch(
                len(rows), where, said
            )  # outside the handler, which holds the tensors of the failed attempt
        if self.recipe.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.weights, self.recipe.clip_norm)
        return loss

    def _accumulated(self, rows: NDArray[np.int64], where: str) -> Tensor:
        """The mean loss over the batch, its gradients summed part by part."""
        self._clear()
        size = self.progress.micro_batch
        if len(rows) <= size:
            return self._backward(rows, 1.0, where)
        parts = [rows[start : start + size] for start in range(0, len(rows), size)]
        return torch.stack([self._backward(part, len(part) / len(rows), where) for part in parts]).sum()

    def _backward(self, rows: NDArray[np.int64], share: float, where: str) -> Tensor:
        """The loss of a part, weighted with its share of the batch. It stops before a bad loss does harm."""
        loss = self.loss(self.context.train, rows, where)
        if share < 1.0:
            loss = loss * share
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def loss(self, split: Split, rows: NDArray[np.int64], where: str) -> Tensor:
        """The mean loss of some rows, with its graph."""
        context = self.context
        batch, labels = context.batch(split, rows)
        with context.device.autocast():
            loss = context.loss(context.model(batch), labels)
        if not torch.isfinite(loss):
            raise _NotFinite(f"loss {loss.item()} at {where}")
        return loss

    def held_out_loss(self, where: str) -> Tensor:
        """The same of the next held-out batch, without dropout."""
        held_out, model = self.context.held_out, self.context.model
        assert held_out is not None  # noqa: S101 - the optimizer's needs say whether there is one
        rows = next(self.held_out)
        self.progress.held_out += 1
        self.progress.tokens += int(held_out.tokens.lengths_of(rows).sum())
        model.eval()
        loss = self.loss(held_out, rows, f"{where}, held-out rows")
        model.train()
        return loss

    def _clear(self) -> None:
        for weight in self.weights:
            weight.grad = None

    def _halve_micro_batch(self, batch: int, where: str, said: str) -> None:
        tried = min(self.progress.micro_batch, batch)
        self._clear()
        self.context.device.release_memory()
        if tried == 1:
            raise DeviceError(
                f"the memory is too small for one example and its gradients: {said}",
                given=f"max_length {self.recipe.max_length}",
                allowed="shorter texts, a smaller encoder, or a device with more memory",
                where=where,
            )
        self.progress.micro_batch = math.ceil(tried / 2)
        _log.warning(
            "out of memory at %s: going on with %d examples at a time, %d to an optimizer step as before",
            where,
            self.progress.micro_batch,
            batch,
        )


@dataclass(frozen=True, slots=True)
class _Step:
    """The closure of one step."""

    training: _Training
    rows: NDArray[np.int64]
    where: str

    def __call__(self) -> Tensor:
        return self.training.gradients(self.rows, self.where)

    @property
    def clip_norm(self) -> float | None:
        return self.training.recipe.clip_norm

    def loss(self) -> Tensor:
        return self.training.loss(self.training.context.train, self.rows, self.where)

    def held_out_loss(self) -> Tensor:
        return self.training.held_out_loss(self.where)
