"""One run: the one training loop and the one evaluation loop.

The loop's variations enter by spec (recipe, loss, optimizer), by data (batches) and by device; it
knows neither where models and data come from nor where results go.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tokenizers
import torch
from numpy.typing import NDArray
from torch import Tensor

from bertspec import encoders, heads, losses, metrics, optimizers
from bertspec.data import batches
from bertspec.data.batches import Batch
from bertspec.data.examples import Examples, read
from bertspec.data.tokens import Tokens, encode
from bertspec.device import Device
from bertspec.errors import Diverged, InvalidSpec
from bertspec.result import Curve, Outcomes, Provenance, RunFacts, RunObserver, RunResult, Timings
from bertspec.sources.checkpoints import EncoderFiles
from bertspec.sources.tables import Splits
from bertspec.spec import RecipeSpec, RunSpec

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["Material", "learning_rate_at", "run", "steps_of"]


@dataclass(frozen=True, slots=True)
class Material:
    """What the sources found for a run: what is hashed is what is trained on."""

    files: EncoderFiles
    splits: Splits

    @property
    def provenance(self) -> Provenance:
        """The origins, as a result records them."""
        return Provenance(encoder=self.files.origin, tokenizer=self.files.tokenizer_origin, data=self.splits.origin)


def run(
    spec: RunSpec,
    material: Material,
    observer: RunObserver,
    *,
    device: Device,
    cache: Path | None = None,
    save_to: Path | None = None,
) -> RunResult:
    """Train an encoder on a task and score it after the last step.

    Args:
        spec: encoder, task, recipe and seed.
        material: the encoder's files and the task's rows.
        observer: hears of the start and of every step; the end is the caller's to tell, once the result is safe.
        device: where it computes; the same seed gives the same bits on one CPU and thread count.
        cache: the folder that keeps token ids between runs; none keeps nothing.
        save_to: the folder that the fine-tuned encoder is saved to; none saves nothing.

    Raises:
        DataError: rows do not fit the task.
        InvalidSpec: the recipe does not fit the task.
        SourceError: the checkpoint cannot be loaded.
        Diverged: the loss is not a finite number; no weights were changed after that.
    """
    with device.session(spec.seed):
        device.forget_peak()
        began = device.clock()
        prepared = _prepare(spec, material, device, cache)
        ready = device.clock()
        curve, seen = _train(spec.recipe, prepared, observer, seed=spec.seed)
        trained = device.clock()
        outcomes = Outcomes(_evaluate(prepared), prepared.evaluation.labels)
        timings = Timings(prepare_s=ready - began, train_s=trained - ready, evaluate_s=device.clock() - trained)
    if save_to is not None:
        prepared.head.save(save_to, prepared.tokenizer)
    return RunResult(_facts(spec, material, device, curve, seen, outcomes, timings), outcomes, curve)


def steps_of(recipe: RecipeSpec, examples: int) -> int:
    """How many optimizer steps a recipe takes on a training split of that many examples."""
    if recipe.steps is not None:
        return recipe.steps
    assert recipe.epochs is not None  # noqa: S101 - a recipe has one of the two
    return max(1, round(recipe.epochs * math.ceil(examples / recipe.batch_size)))


def learning_rate_at(step: int, total: int, recipe: RecipeSpec) -> float:
    """The learning rate of step ``step`` (from 1): a linear warm-up, then linear to zero, or constant."""
    warmup = round(recipe.warmup_fraction * total)
    peak = recipe.optimizer.learning_rate
    if step <= warmup:
        return peak * step / warmup
    if recipe.schedule == "constant":
        return peak
    return peak * (total - step + 1) / (total - warmup)


@dataclass(frozen=True, slots=True)
class _Split:
    tokens: Tokens
    labels: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Prepared:
    tokenizer: PreTrainedTokenizerBase
    head: heads.Head
    optimizer: optimizers.Optimizer
    loss: losses.Loss
    train: _Split
    evaluation: _Split
    device: Device

    def batch(self, split: _Split, rows: NDArray[np.int64]) -> tuple[Batch, Tensor]:
        """Padded token ids, and labels of shape (batch,), on the device."""
        device = self.device.torch
        padded = batches.pad(split.tokens, rows, pad_id=self.tokenizer.pad_token_id or 0, device=device)
        return padded, torch.from_numpy(split.labels[rows]).to(device, torch.float32)


def _prepare(spec: RunSpec, material: Material, device: Device, cache: Path | None) -> _Prepared:
    task, recipe = spec.task, spec.recipe
    loss = losses.choose(recipe.loss, task.head)
    optimizers.check(recipe.optimizer)
    tokenizer = encoders.tokenizer(material.files)
    key = f"{material.files.tokenizer_origin.sha256} {tokenizers.__version__}"

    def split(examples: Examples) -> _Split:
        tokens = encode(tokenizer, examples, max_length=recipe.max_length, key=key, cache=cache)
        return _Split(tokens, examples.labels)

    train = split(read(material.splits.train, task, task.train_split))
    evaluation = split(read(material.splits.evaluation, task, task.evaluation_split))
    head = heads.build(spec.encoder, material.files, task, tokenizer).to(device.torch)
    _refuse_too_long(spec, head)
    optimizer = optimizers.build(recipe.optimizer, head)
    return _Prepared(tokenizer, head, optimizer, loss, train, evaluation, device)


def _refuse_too_long(spec: RunSpec, head: heads.Head) -> None:
    if head.longest is not None and spec.recipe.max_length > head.longest:
        raise InvalidSpec(
            "the recipe's texts are longer than the encoder's positions",
            given=f"max_length {spec.recipe.max_length}",
            allowed=f"at most {head.longest}",
            where=f"encoder {spec.encoder.name!r}",
        )


@dataclass(frozen=True, slots=True)
class _Seen:
    examples: int
    tokens: int


def _train(recipe: RecipeSpec, prepared: _Prepared, observer: RunObserver, *, seed: int) -> tuple[Curve, _Seen]:
    lengths = prepared.train.tokens.lengths
    order = batches.training_batches(lengths, batch_size=recipe.batch_size, seed=seed)
    total = steps_of(recipe, len(lengths))
    rates = np.array([learning_rate_at(step, total, recipe) for step in range(1, total + 1)])
    curve = Curve(loss=np.empty(total), learning_rate=rates)
    examples = tokens = 0
    prepared.head.train()
    observer.started(total)
    for step, (rate, rows) in enumerate(zip(rates, order, strict=False), start=1):
        batch, labels = prepared.batch(prepared.train, rows)
        loss = prepared.optimizer.step(
            lambda batch=batch, labels=labels, step=step, rate=rate: _backward(  # type: ignore[misc]
                recipe, prepared, batch, labels, f"step {step} of {total}, learning rate {rate:.3g}"
            ),
            learning_rate=float(rate),
        )
        curve.loss[step - 1] = loss.item()
        examples, tokens = examples + len(rows), tokens + int(lengths[rows].sum())
        observer.stepped(step, curve.loss[step - 1], float(rate))
    return curve, _Seen(examples, tokens)


def _backward(recipe: RecipeSpec, prepared: _Prepared, batch: Batch, labels: Tensor, where: str) -> Tensor:
    """The closure of a step: fresh gradients of one batch, clipped. It stops before a bad loss does harm."""
    prepared.head.zero_grad()
    with prepared.device.autocast():
        loss = prepared.loss(prepared.head(batch), labels)
    if not torch.isfinite(loss):
        raise Diverged(
            "training diverged: the loss is not a finite number",
            given=loss.item(),
            allowed="a lower learning rate, a longer warm-up, or gradient clipping",
            where=where,
        )
    loss.backward()  # type: ignore[no-untyped-call]
    if recipe.clip_norm is not None:
        torch.nn.utils.clip_grad_norm_(prepared.head.parameters(), recipe.clip_norm)
    return loss.detach()


@torch.no_grad()
def _evaluate(prepared: _Prepared) -> NDArray[np.float32]:
    """Outputs of shape (examples, width) in row order; batches run longest first and are copied once."""
    prepared.head.eval()
    order: list[NDArray[np.int64]] = []
    outputs: list[Tensor] = []
    for rows in _evaluation_rows(prepared):
        batch, _ = prepared.batch(prepared.evaluation, rows)
        with prepared.device.autocast():
            outputs.append(prepared.head(batch).float())
        order.append(rows)
    found = torch.cat(outputs).cpu().numpy()
    in_order = np.empty_like(found)
    in_order[np.concatenate(order)] = found
    return in_order


def _evaluation_rows(prepared: _Prepared) -> Iterator[NDArray[np.int64]]:
    return batches.evaluation_batches(prepared.evaluation.tokens.lengths)


def _facts(
    spec: RunSpec,
    material: Material,
    device: Device,
    curve: Curve,
    seen: _Seen,
    outcomes: Outcomes,
    timings: Timings,
) -> RunFacts:
    return RunFacts(
        seed=spec.seed,
        scores={name: metrics.score(name, outcomes.references, outcomes.predictions) for name in spec.task.metrics},
        steps=len(curve.loss),
        train_examples=seen.examples,
        train_tokens=seen.tokens,
        evaluation_examples=len(outcomes.references),
        timings=timings,
        peak_memory_bytes=device.peak_memory_bytes(),
        environment=device.environment(),
        provenance=material.provenance,
        finished=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )
