"""Small pieces of a training step beside torch's own, by ``torch.utils.benchmark``: figures to look at, not bounds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional
from torch.utils.benchmark import Compare, Measurement, Timer

from bertspec import device
from bertspec.catalog import Catalog
from bertspec.data import batches
from bertspec.data.tokens import Tokens
from bertspec.engine import RunInputs, preparation, training
from bertspec.engine.training import Progress
from bertspec.models import dropout, packing
from bertspec.sources import Sources, pretrained, tables

HEADS, WIDTH = 12, 32
CPU = torch.device("cpu")


@pytest.fixture
def batch() -> batches.PackedBatch:
    """Thirty-two examples of 5 to 55 tokens, 25 on average, as the sentences of SST-2."""
    lengths = np.random.default_rng(0).gamma(6.0, 25 / 6, 32).round().clip(5, 55).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    tokens = Tokens(np.ones(offsets[-1], np.int32), np.zeros(offsets[-1], np.int8), offsets)
    return batches.pack(tokens, np.arange(32), device=CPU)


def test_dropout_by_sixteen_bits_beside_torch_s(capsys: pytest.CaptureFixture[str]) -> None:
    ours, theirs = dropout.Dropout(0.1).train(), torch.nn.Dropout(0.1).train()
    states = torch.randn(800, 384, requires_grad=True)
    measurements = [
        timed("dropout, 800 × 384", name, lambda piece=piece: piece(states).sum().backward())
        for name, piece in (("engine", ours), ("torch", theirs))
    ]
    shown(measurements, capsys)
    assert float((ours(states) == 0).float().mean()) == pytest.approx(0.1, abs=0.01)


def test_attention_of_packed_rows_beside_padded_sdpa(
    batch: batches.PackedBatch, capsys: pytest.CaptureFixture[str]
) -> None:
    layer, layout = torch.nn.Identity(), packing.Packing(batch, HEADS)
    packed = torch.randn(3, 1, HEADS, int(batch.lengths.sum()), WIDTH, requires_grad=True)
    longest = int(batch.lengths.max())
    padded = torch.randn(3, len(batch.lengths), HEADS, longest, WIDTH, requires_grad=True)
    mask = torch.from_numpy(np.arange(longest) < batch.lengths[:, None])[:, None, None]

    def ours() -> None:
        mixed, _ = packing._attend(layer, *packed, None, packing=layout, scaling=WIDTH**-0.5, dropout=0.1)
        mixed.sum().backward()

    def theirs() -> None:
        functional.scaled_dot_product_attention(*padded, attn_mask=mask, dropout_p=0.1).sum().backward()

    shown([timed("attention, 32 examples", name, act) for name, act in (("engine", ours), ("torch", theirs))], capsys)
    assert packed.grad is not None
    assert packed.grad.isfinite().all()


@pytest.mark.parametrize("rule", ["sgd", "adamw"])
def test_a_step_of_a_learned_rate_beside_a_plain_one(
    rule: str, nowhere: Sources, capsys: pytest.CaptureFixture[str]
) -> None:
    """bert-tiny, 32 sentences of 12 tokens on average: packed for the plain rule and HD, padded for the others."""
    names = (rule, f"hd-{rule}", f"rtho-{rule}", f"marthe-{rule}")
    acts = {name: stepping(name, nowhere) for name in names}
    shown([timed("step of bert-tiny", name, act) for name, act in acts.items()], capsys)
    assert all(act().isfinite() for act in acts.values())


def stepping(name: str, sources: Sources) -> Callable[[], torch.Tensor]:
    """One optimizer step after the other, at a rate that spoils nothing."""
    catalog = Catalog.beside(Path("/nowhere"))
    encoder, task = catalog.encoder("bert-tiny"), catalog.task("bundled/sentiment")
    changes = {"learning_rate": 1e-6, "steps": 1}
    config = catalog.plan(encoder=encoder, task=task, seeds=[1], optimizer=name, **changes).runs()[0]
    inputs = RunInputs(pretrained.find(encoder, sources), tables.load(task, sources))
    context = preparation.prepare(config, inputs, device.choose("cpu", config.recipe), None)
    progress = Progress(loss=np.empty(1), rate=np.empty(1), micro_batch=32)
    loop = training._Training(config.recipe, context, progress, None)
    loop.resume()
    rows = next(loop._batches_to_come(1, 1))
    closure = training._Step(loop, rows, "here")
    return lambda: context.optimizer.step(closure, learning_rate=1e-6)


def timed(piece: str, whose: str, act: object) -> Measurement:
    """Forward and backward, until the figure is steady."""
    timer = Timer("act()", globals={"act": act}, label="forward and backward", sub_label=piece, description=whose)
    return timer.blocked_autorange(min_run_time=0.2)


def shown(measurements: list[Measurement], capsys: pytest.CaptureFixture[str]) -> None:
    """The comparison as a table."""
    with capsys.disabled():
        sys.stdout.write(f"\n{Compare(measurements)}\n")
