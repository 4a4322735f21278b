"""Prepare a run: token ids, a model and an optimizer."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bertspec import losses, models, optimizers
from bertspec.config import RunConfig
from bertspec.data.batches import Batch
from bertspec.data.tokens import Examples, Tokens, encode, read
from bertspec.device import Device
from bertspec.engine.schedules import steps_of, steps_per_epoch
from bertspec.errors import InvalidConfig
from bertspec.models import checks
from bertspec.results import Provenance
from bertspec.sources import pretrained
from bertspec.sources.pretrained import EncoderFiles
from bertspec.sources.tables import Splits

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["RunContext", "RunInputs", "Split", "prepare"]

_HELD_OUT = 1
"""The stream of a seed's random numbers that decides which rows are held out."""


@dataclass(frozen=True, slots=True)
class RunInputs:
    """The files and rows of a run, from the sources; their hashes name the run."""

    files: EncoderFiles
    splits: Splits

    @property
    def provenance(self) -> Provenance:
        """The origins, as a result records them."""
        return Provenance(encoder=self.files.origin, tokenizer=self.files.tokenizer_origin, data=self.splits.origin)


@dataclass(frozen=True, slots=True)
class Split:
    """The token ids and the targets of one split."""

    tokens: Tokens
    labels: NDArray[np.float64]
    """Shape (examples,)."""

    def take(self, rows: NDArray[np.int64]) -> Split:
        """Some of the examples."""
        return Split(self.tokens.take(rows), self.labels[rows])


@dataclass(frozen=True, slots=True)
class RunContext:
    """All that training and evaluation need."""

    tokenizer: PreTrainedTokenizerBase
    model: models.EncoderModel
    optimizer: optimizers.Optimizer
    loss: losses.Loss
    metric: str
    """The task's main metric."""
    train: Split
    held_out: Split | None
    """Rows of the training split that are kept out of training, if the optimizer requires some."""
    evaluation: Split
    device: Device

    def batch(self, split: Split, rows: NDArray[np.int64]) -> tuple[Batch, Tensor]:
        """Gather token ids, and targets of shape (batch,) in the batch's order, on the device."""
        batch = self.model.batch(split.tokens, rows, pad_id=self.tokenizer.pad_token_id or 0)
        return batch, torch.from_numpy(split.labels[batch.rows]).to(self.device.torch, torch.float32)


def prepare(config: RunConfig, inputs: RunInputs, device: Device, cache: Path | None) -> RunContext:
    """Check that config, rows and encoder fit each other, and build what the run needs.

    Raises:
        DataError: rows do not fit the task, or the tokenizer leaves nothing of a text.
        InvalidConfig: the recipe does not fit the task or the encoder.
        SourceError: the checkpoint cannot be loaded, or cannot read the examples.
    """
    task, recipe, head = config.task, config.recipe, config.task.task_head
    loss = losses.choose(recipe.loss, head)
    optimizers.check(recipe.optimizer, schedule=recipe.schedule)
    tokenizer = models.load_tokenizer(inputs.files)
    checks.refuse_without_padding(tokenizer, encoder=config.encoder.name)
    checks.refuse_no_room(tokenizer, recipe.max_length, pairs=task.text_pair is not None)
    key = " ".join([inputs.files.tokenization, *map(version, ("tokenizers", "transformers"))])

    def encoded(examples: Examples) -> Tokens:
        return encode(tokenizer, examples, max_length=recipe.max_length, key=key, cache=cache)

    train = read(inputs.splits.train, task, task.train_split)
    evaluation = read(inputs.splits.evaluation, task, task.evaluation_split)
    tokens: tuple[Tokens, ...] = encoded(train), encoded(evaluation)
    requirements = optimizers.requirements(recipe.optimizer)
    if requirements.second_derivative and recipe.micro_batch is not None:
        raise InvalidConfig(
            f"{recipe.optimizer.word} cannot split a batch into parts", given=f"micro_batch {recipe.micro_batch}"
        )
    model = models.build(
        config.encoder, inputs.files, task, tokenizer, differentiated_twice=requirements.second_derivative
    ).to(device.torch)
    pretrained.refuse_changed(inputs.files)
    model.refuse_longer("max_length", recipe.max_length, encoder=config.encoder.name)
    _check(config, (train, evaluation), tokens, model, tokenizer)
    checks.try_out(model, tokenizer, tokens, device, encoder=config.encoder.name)
    if model.packs and head.narrows_vocabulary and not requirements.whole_tensors:
        tokens = model.narrow(*tokens)
    if recipe.frozen_encoder:
        model.freeze_encoder()
    train_split, evaluation_split = (
        Split(ids, examples.labels) for ids, examples in zip(tokens, (train, evaluation), strict=True)
    )
    train_split, held_out = _split_off(train_split, requirements.held_out, config.seed)
    rows = len(train_split.labels)
    length = optimizers.Length(steps_of(recipe, rows), steps_per_epoch(recipe, rows))
    optimizer = optimizers.build(recipe.optimizer, model, length=length)
    metric = task.metrics[0]
    return RunContext(tokenizer, model, optimizer, loss, metric, train_split, held_out, evaluation_split, device)


def _check(
    config: RunConfig,
    splits: tuple[Examples, Examples],
    tokens: tuple[Tokens, ...],
    model: models.EncoderModel,
    tokenizer: PreTrainedTokenizerBase,
) -> None:
    """Refuse examples that the encoder cannot read."""
    task = config.task
    for ids, examples, split in zip(tokens, splits, (task.train_split, task.evaluation_split), strict=True):
        where = functools.partial("row {2}, split {0!r} of task {1!r}".format, split, task.name)
        examined = checks.Examined(ids, examples, where)
        checks.refuse_unreadable(model, tokenizer, examined, encoder=config.encoder.name)


def _split_off(train: Split, share: float, seed: int) -> tuple[Split, Split | None]:
    """Split off the held-out rows, drawn by the run's seed; each part keeps the order of its rows.

    Raises:
        InvalidConfig: one of the two parts would be empty.
    """
    if not share:
        return train, None
    rows = len(train.labels)
    count = round(share * rows)
    if not 0 < count < rows:
        raise InvalidConfig(
            "the rows cannot be split into training rows and held-out rows",
            given=f"a share of {share:g} of {rows} rows",
            allowed="at least one row on each side",
            where="the optimizer's held_out",
        )
    order = np.random.default_rng((seed, _HELD_OUT)).permutation(rows)
    kept, apart = np.sort(order[count:]), np.sort(order[:count])
    return train.take(kept), train.take(apart)
