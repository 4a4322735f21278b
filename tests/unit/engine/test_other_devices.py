"""What a GPU must do as a CPU does, on the meta device: it has no numbers, and refuses to mix devices."""

from __future__ import annotations

import dataclasses
from itertools import islice

import numpy as np
import pytest
import torch

from bertspec import device
from bertspec.config import RunConfig
from bertspec.data import batches
from bertspec.device import Device
from bertspec.engine import RunInputs, preparation, training
from bertspec.engine.preparation import RunContext, Split
from bertspec.sources import Sources, pretrained, tables

META = torch.device("meta")


@pytest.fixture
def context(config: RunConfig, nowhere: Sources) -> RunContext:
    inputs = RunInputs(pretrained.find(config.encoder, nowhere), tables.load(config.task, nowhere))
    return preparation.prepare(config, inputs, device.choose("cpu", config.recipe), None)


def drawn(config: RunConfig, context: RunContext, split: Split) -> list[list[int]]:
    progress = training.Progress(loss=np.empty(1), rate=np.empty(1), micro_batch=16)
    loop = training._Training(config.recipe, context, progress, None)
    return [rows.tolist() for rows in islice(loop._batches(split, 1), 12)]


def test_a_seed_draws_the_same_batches_on_every_device(config: RunConfig, context: RunContext) -> None:
    lengths = np.random.default_rng(0).integers(3, 60, len(context.train.labels))
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    tokens = dataclasses.replace(context.train.tokens, offsets=offsets)
    split = dataclasses.replace(context.train, tokens=tokens)
    here = drawn(config, context, split)
    context.model.to(META)
    assert not context.model.packs
    assert drawn(config, context, split) == here
    by_length = batches.training_batches(lengths, batch_size=16, seed=1, window_batches=batches.WINDOW_BATCHES)
    assert [rows.tolist() for rows in islice(by_length, 12)] != here


def test_a_batch_and_its_targets_are_on_the_device(context: RunContext) -> None:
    context.model.to(META)
    there = dataclasses.replace(context, device=Device("meta", "fp32", 1))  # type: ignore[arg-type]
    batch, targets = there.batch(there.train, np.arange(4))
    assert isinstance(batch, batches.PaddedBatch)
    assert {batch.input_ids.device, batch.token_type_ids.device, batch.attention_mask.device, targets.device} == {META}
