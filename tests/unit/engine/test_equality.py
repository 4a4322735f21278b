"""The fast loop is the plain loop: the losses and outputs of a padded one with transformers' own model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch.nn import functional
from transformers import AutoConfig, AutoModelForSequenceClassification

from bertspec import device, engine, models
from bertspec.config import EncoderConfig, RunConfig
from bertspec.data import batches
from bertspec.engine import RunInputs, preparation
from bertspec.sources import Sources, pretrained, tables

if TYPE_CHECKING:
    from .conftest import Ran

NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


@pytest.fixture
def config(config: RunConfig) -> RunConfig:
    quiet = config.encoder.model_copy(update={"architecture": config.encoder.architecture | NO_DROPOUT})
    return config.model_copy(update={"encoder": quiet})


def plain(config: RunConfig, places: Sources) -> tuple[list[float], np.ndarray[Any, Any]]:
    """A loop as people write it: every batch padded, every weight trained, each step on its own."""
    files, splits = pretrained.find(config.encoder, places), tables.load(config.task, places)
    tokenizer = models.load_tokenizer(files)
    recipe, total = config.recipe, engine.steps_of(config.recipe, len(splits.train["text"]))
    architecture = models.build_config(config.encoder, files, config.task.task_head, tokenizer)
    with device.choose("cpu", recipe).session(config.seed):
        model = AutoModelForSequenceClassification.from_config(architecture, dtype=torch.float32).train()
        optimizer = torch.optim.AdamW(model.parameters(), recipe.optimizer.learning_rate, weight_decay=0.0)
        lengths = np.array([len(ids) for ids in tokenizer(splits.train["text"])["input_ids"]])
        order = batches.training_batches(lengths, batch_size=recipe.batch_size, seed=config.seed)
        losses = []
        for step in range(1, total + 1):
            rows = next(order)
            inputs = tokenizer([splits.train["text"][row] for row in rows], padding=True, return_tensors="pt")
            labels = torch.tensor([splits.train["label"][row] for row in rows])
            loss = functional.cross_entropy(model(**inputs).logits, labels)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm or torch.inf)
            for group in optimizer.param_groups:
                group["lr"] = engine.learning_rate_at(step, total, recipe)
            optimizer.step()
            losses.append(loss.item())
        with torch.no_grad():
            evaluated = tokenizer(splits.evaluation["text"], padding=True, return_tensors="pt")
            return losses, model.eval()(**evaluated).logits.numpy()


def test_the_losses_and_the_outputs_are_those_of_a_padded_loop(config: RunConfig, ran: Ran, nowhere: Sources) -> None:
    losses, outputs = plain(config, nowhere)
    result = ran(config)
    np.testing.assert_allclose(result.curve.loss, losses, rtol=1e-5)
    np.testing.assert_allclose(result.outcomes.outputs, outputs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", ["deberta-v2", "mpnet"])
def test_a_family_that_is_padded_trains_all_the_same(
    family: str, config: RunConfig, ran: Ran, nowhere: Sources, tmp_path: Path
) -> None:
    vocabulary = models.load_tokenizer(pretrained.find(config.encoder, nowhere))
    shape = {**config.encoder.architecture, "vocab_size": len(vocabulary), "pad_token_id": vocabulary.pad_token_id}
    torch.manual_seed(0)
    AutoModelForSequenceClassification.from_config(AutoConfig.for_model(family, **shape)).save_pretrained(tmp_path)
    vocabulary.save_pretrained(tmp_path)
    padded = config.model_copy(update={"encoder": EncoderConfig(name=family, checkpoint=str(tmp_path))})
    inputs = RunInputs(pretrained.find(padded.encoder, nowhere), tables.load(padded.task, nowhere))
    assert not preparation.prepare(padded, inputs, device.choose("cpu", padded.recipe), None).model.packs
    one, two = ran(padded), ran(padded)
    assert np.array_equal(one.outcomes.outputs, two.outcomes.outputs)
    assert np.isfinite(one.curve.loss).all()
