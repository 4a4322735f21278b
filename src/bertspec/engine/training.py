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
from bertspec.engine.checkpoints import Checkpoints, UnfitCheckpoint
from bertspec.engine.preparation import RunContext, Split
from bertspec.engine.schedules import learning_rate_at, steps_of
from bertspec.errors import DeviceError
from bertspec.printing import brief
from bertspec.results import Curve, RunObserver

__all__ = ["Progress", "train"]

_log = logging.getLogger(__name__)


_HELD_OUT = 2
"""The stream of a seed's random numbers that decides the order of the held-out rows."""

_PER_STEP = ("loss", "rate")
"""The fields of Progress that hold one value per step."""
_MISFITS = (RuntimeError, ValueError, TypeError, LookupError, AttributeError, MemoryError)
"""What restoring a checkpoint of another run, or a planted one, may raise."""


def train(
    recipe: RecipeConfig,
    context: RunContext,
    observer: RunObserver,
    *,
    seed: int,
    checkpoints: Checkpoints | None = None,
) -> Progress:
    """Take the steps of a recipe, starting from a checkpoint where there is one.

    Training ends early where it diverges, or where the observer returns a Stop.

    Raises:
        DeviceError: the memory is too small for a single example.
        UnfitCheckpoint: the checkpoint is not one of this run; nothing was trained.
    """
    total = steps_of(recipe, len(context.train.tokens))
    progress = Progress(loss=np.empty(total), rate=np.empty(total), micro_batch=recipe.micro_batch or recipe.batch_size)
    training = _Training(recipe, context, progress, checkpoints)
    training.resume()
    observer.started(total)
    try:
        for step in training.steps(seed):
            progress.report(observer, step)
            if progress.stopped is not None:
                break
    except _NotFinite as loss:
        progress.diverged = str(loss)
    progress.seconds = context.device.clock() - training.began
    return progress


@dataclass(slots=True)
class Progress:
    """How far a training is, and what it has seen: a checkpoint keeps all of it, and the curve is drawn from it."""

    loss: NDArray[np.float64]
    """Shape (steps,): filled up to ``step``."""
    rate: NDArray[np.float64]
    """The learning rate of each step; the same shape."""
    micro_batch: int
    """Examples per backward pass; fewer than the batch size if the recipe sets that, or memory is short."""
    step: int = 0
    """Optimizer steps taken."""
    examples: int = 0
    tokens: int = 0
    held_out: int = 0
    """Batches of held-out rows that the optimizer has asked for."""
    seconds: float = 0.0
    """Wall-clock seconds of training, those before an interruption included."""
    evaluated: list[int] = field(default_factory=list)
    """The steps after which the main metric was evaluated."""
    score: list[float] = field(default_factory=list)
    """The main metric after each of these steps."""
    resumed_at: list[int] = field(default_factory=list)
    """The steps after which the training was interrupted and resumed."""
    diverged: str | None = None
    """Where the loss stopped being a finite number, which ended the training; None if it did not."""
    stopped: str | None = None
    """Why an observer stopped the training; None if it was not stopped."""

    def state(self) -> dict[str, Any]:
        """Return every field as a plain value, for a checkpoint."""
        own = {name: getattr(self, name) for name in self.__slots__}
        return {**own, **{name: own[name][: self.step].tolist() for name in _PER_STEP}}

    def restore(self, state: dict[str, Any]) -> None:
        """Restore the fields from a checkpoint, and note that the training is resumed."""
        for name, value in state.items():
            if name not in _PER_STEP:
                setattr(self, name, value)
        self.loss[: self.step], self.rate[: self.step] = state["loss"], state["rate"]
        self.resumed_at = [*self.resumed_at, self.step]

    def report(self, observer: RunObserver, step: int) -> None:
        """Report one of the steps taken; a Stop before the last step ends the training."""
        observer.stepped(step, float(self.loss[step - 1]), float(self.rate[step - 1]))
        if step in self.evaluated:
            stop = observer.evaluated(step, self.score[self.evaluated.index(step)])
            if stop is not None and step < len(self.loss):
                self.stopped = self.stopped or stop.reason

    def record_evaluation(self, score: float) -> None:
        """Record the main metric after the newest step."""
        self.evaluated.append(self.step)
        self.score.append(score)

    def curve(self) -> Curve:
        """The curve of the steps taken so far."""
        return Curve(
            loss=self.loss[: self.step],
            learning_rate=self.rate[: self.step],
            evaluated=np.array(self.evaluated, np.int64),
            score=np.array(self.score, np.float64),
        )


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
    """The trained weights. Collecting them at every step would take a tenth of a tiny encoder's step."""
    held_out: Iterator[NDArray[np.int64]] = field(init=False)
    """The batches of held-out rows to come."""

    def __post_init__(self) -> None:
        self.weights = [weight for weight in self.context.model.parameters() if weight.requires_grad]

    def resume(self) -> None:
        """Restore weights, optimizer, random numbers and progress from the newest checkpoint."""
        context = self.context
        context.model.train()
        state = self.checkpoints.load(len(self.progress.loss)) if self.checkpoints is not None else None
        if state is not None:
            self._restore(state)
            _log.info("resuming after step %d of %d", self.progress.step, len(self.progress.loss))
        self.began = context.device.clock() - self.progress.seconds

    def _restore(self, state: dict[str, Any]) -> None:
        """Restore everything that a checkpoint holds.

        Raises:
            UnfitCheckpoint: it does not fit this run; what is restored by then is useless.
        """
        context = self.context
        try:
            context.model.load_state_dict(state["weights"])
            context.optimizer.load_state_dict(state["optimizer"])
            context.device.restore_random_state(state["random"])
            self.progress.restore(state["progress"])
            if not (0 <= self.progress.step <= len(self.progress.loss) and self.progress.micro_batch >= 1):
                raise ValueError("its steps are not those of the recipe")
        except _MISFITS as misfit:
            if context.device.is_out_of_memory(misfit):
                raise
            raise UnfitCheckpoint(misfit) from misfit

    def steps(self, seed: int) -> Iterator[int]:
        """Take every step, and yield its number; steps from before an interruption are yielded and not repeated."""
        yield from range(1, self.progress.step + 1)
        total = len(self.progress.loss)
        for rows in self._batches_to_come(seed, total):
            self._step(rows, learning_rate_at(self.progress.step + 1, total, self.recipe))
            yield self.progress.step

    def _batches_to_come(self, seed: int, total: int) -> Iterator[NDArray[np.int64]]:
        """The batches that remain: a sampler's state is its seed and the number of batches drawn."""
        if self.context.held_out is not None:
            drawn = self._batches(self.context.held_out, (seed, _HELD_OUT))
            self.held_out = islice(drawn, self.progress.held_out, None)
        return islice(self._batches(self.context.train, seed), self.progress.step, total)

    def _batches(self, split: Split, seed: int | tuple[int, ...]) -> Iterator[NDArray[np.int64]]:
        return batches.training_batches(
            split.tokens.lengths,
            batch_size=self.recipe.batch_size,
            seed=seed,
            # Not by what this device reads: the same seed gives the same batches everywhere.
            window_batches=1 if self.context.model.packable else batches.WINDOW_BATCHES,
        )

    def _step(self, rows: NDArray[np.int64], rate: float) -> None:
        """Take one optimizer step; then evaluate and write a checkpoint if they are due."""
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
            self._evaluate()
        if self.checkpoints is not None and self.checkpoints.due(progress.step, total):
            progress.seconds = self.context.device.clock() - self.began
            self.checkpoints.save(progress.step, self._state())

    def _evaluate(self) -> None:
        """Evaluate between two steps; this time does not count as training."""
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
        """Compute the loss of a batch and its gradients, clipped; in smaller parts if memory is short."""
        while True:
            try:
                loss = self._accumulated(rows, where)
                break
            except (RuntimeError, MemoryError) as error:
                if not self.context.device.is_out_of_memory(error):
                    raise
                reason = brief(error)
            # Outside the handler, which holds the tensors of the failed attempt.
            self._halve_micro_batch(len(rows), where, reason)
        if self.recipe.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self.weights, self.recipe.clip_norm)
        return loss

    def _accumulated(self, rows: NDArray[np.int64], where: str) -> Tensor:
        """Compute the mean loss over the batch; the gradients of its parts add up."""
        self._clear()
        size = self.progress.micro_batch
        if len(rows) <= size:
            return self._backward(rows, 1.0, where)
        parts = [rows[start : start + size] for start in range(0, len(rows), size)]
        return torch.stack([self._backward(part, len(part) / len(rows), where) for part in parts]).sum()

    def _backward(self, rows: NDArray[np.int64], share: float, where: str) -> Tensor:
        """Differentiate the loss of a part, weighted by its share of the batch."""
        loss = self.loss(self.context.train, rows, where)
        if share < 1.0:
            loss = loss * share
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def loss(self, split: Split, rows: NDArray[np.int64], where: str) -> Tensor:
        """Compute the mean loss of some rows, with its graph."""
        context = self.context
        batch, labels = context.batch(split, rows)
        with context.device.autocast():
            loss = context.loss(context.model(batch), labels)
        if not torch.isfinite(loss):
            raise _NotFinite(f"loss {loss.item()} at {where}")
        return loss

    def held_out_loss(self, where: str) -> Tensor:
        """Compute the mean loss of the next held-out batch, without dropout."""
        held_out, model = self.context.held_out, self.context.model
        assert held_out is not None  # noqa: S101 - only an optimizer that requires held-out rows calls this
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

    def _halve_micro_batch(self, batch: int, where: str, reason: str) -> None:
        tried = min(self.progress.micro_batch, batch)
        self._clear()
        self.context.device.release_memory()
        if tried == 1:
            raise DeviceError(
                f"the memory is too small for one example and its gradients: {reason}",
                given=f"max_length {self.recipe.max_length}",
                allowed="shorter texts, a smaller encoder, or a device with more memory",
                where=where,
            )
        self.progress.micro_batch = math.ceil(tried / 2)
        _log.warning(
            "out of memory at %s: continuing with %d examples per backward pass, still %d per optimizer step",
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
