from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from torch import nn

from bertspec.errors import SourceError
from bertspec.models import probe

SMALL = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
POSITIONS = {"max_position_embeddings": 24}
XLM = {"vocab_size": 50, "emb_dim": 16, "n_layers": 1, "n_heads": 2, "max_position_embeddings": 24}
BART = {"vocab_size": 50, "d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "max_position_embeddings": 24}
GPT2 = {"vocab_size": 50, "n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 24, "pad_token_id": 0}
COUNTING = ("camembert", "data2vec-text", "mpnet", "roberta", "roberta-prelayernorm", "xlm-roberta")
"""Families that count positions from the padding id."""


def network(family: str, **values: Any) -> Any:
    """A network of one layer with new weights."""
    config = transformers.AutoConfig.for_model(family, **values)
    torch.manual_seed(0)
    return transformers.AutoModelForSequenceClassification.from_config(config)


def ids(*tokens: int) -> dict[str, torch.Tensor]:
    row = torch.tensor([tokens])
    return {"input_ids": row, "attention_mask": torch.ones_like(row)}


@pytest.mark.parametrize(
    ("family", "values", "expected"),
    [
        *((family, {**SMALL, **POSITIONS, "pad_token_id": 1}, (2, 22)) for family in COUNTING),
        ("roberta", {**SMALL, **POSITIONS, "pad_token_id": 5}, (6, 18)),
        ("roberta", {**SMALL, "max_position_embeddings": 6, "pad_token_id": 0}, (1, 5)),
        ("longformer", {**SMALL, **POSITIONS, "pad_token_id": 1, "attention_window": 4}, (2, 22)),
        ("bert", {**SMALL, **POSITIONS}, (0, 24)),
        ("bert", {**SMALL, **POSITIONS, "pad_token_id": None}, (0, 24)),
        ("nystromformer", {**SMALL, **POSITIONS}, (2, 24)),
        ("bart", {**BART, "encoder_attention_heads": 2, "decoder_attention_heads": 2}, (2, 24)),
        ("flaubert", XLM, (0, 24)),
        ("gpt2", GPT2, (0, 24)),
        ("modernbert", {**SMALL, **POSITIONS, "pad_token_id": 0, "layer_types": ["full_attention"]}, (0, 24)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_positions_are_those_that_the_network_reads(
    family: str, values: dict[str, Any], expected: tuple[int, int]
) -> None:
    observed = probe.positions(network(family, **values))
    assert (observed.first, observed.longest) == expected


def test_a_network_that_reads_its_positions_and_then_fails_shows_where_they_begin() -> None:
    fixed = network("nystromformer", **SMALL, **POSITIONS, segment_means_seq_len=64, num_landmarks=8)
    assert probe.positions(fixed) == probe.Positions(2, 24)


def test_a_network_that_fails_before_it_reads_its_positions_is_refused_with_the_cause() -> None:
    with pytest.raises(SourceError, match="the encoder cannot read 8 tokens: .*where: roberta") as refusal:
        probe.positions(network("roberta", **SMALL, **POSITIONS, pad_token_id=None))
    assert refusal.value.__cause__ is not None


def test_the_longest_example_can_be_read_and_a_longer_one_is_caught() -> None:
    built = network("mpnet", **SMALL, **POSITIONS, pad_token_id=1).eval()
    longest = probe.positions(built).longest
    assert longest is not None
    with torch.no_grad(), probe.Lookups():
        built(**ids(*[7] * longest))
        with pytest.raises(probe.Beyond, match="row 24 of an embedding table with 24 rows"):
            built(**ids(*[7] * (longest + 1)))


@pytest.mark.parametrize("row", [3, -1])
def test_a_row_that_a_table_lacks_is_caught_before_the_device_reads_it(row: int) -> None:
    table = nn.Embedding(3, 2)
    with probe.Lookups(), pytest.raises(probe.Beyond) as caught:
        table(torch.tensor([0, row]))
    assert (caught.value.row, len(caught.value.table)) == (row, 3)


@pytest.mark.parametrize(
    ("family", "values", "pools_first"),
    [
        ("bert", {**SMALL, **POSITIONS}, True),
        ("distilbert", {"vocab_size": 50, "dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 16}, True),
        ("flaubert", XLM, True),
        ("roberta", {**SMALL, **POSITIONS, "pad_token_id": 1}, True),
        ("modernbert", {**SMALL, "pad_token_id": 0, "classifier_pooling": "mean"}, False),
        ("gpt2", GPT2, False),
    ],
)
def test_what_the_head_reads_is_observed(family: str, values: dict[str, Any], *, pools_first: bool) -> None:
    observed = probe.dependence(network(family, **values), ids(2, 11, 12, 13, 3))
    assert observed.pools_first is pools_first
    assert observed.tokens == {0, 1, 2, 3, 4}
    assert not observed.sees_only_first


@pytest.mark.parametrize(
    ("family", "values", "pooled", "seen"),
    [
        ("bert", {**SMALL, **POSITIONS}, False, False),
        ("gpt2", GPT2, False, False),
        ("modernbert", {**SMALL, "pad_token_id": 0, "classifier_pooling": "mean"}, False, False),
        ("xlnet", {"vocab_size": 50, "d_model": 16, "n_layer": 1, "n_head": 2, "d_inner": 16}, True, False),
        ("fnet", {**SMALL, **POSITIONS}, False, True),
    ],
)
def test_padding_that_the_head_or_the_encoder_reads_is_observed(
    family: str, values: dict[str, Any], *, pooled: bool, seen: bool
) -> None:
    inputs = ids(2, 11, 12, 3, 0, 0)
    inputs["attention_mask"][0, 4:] = 0
    observed = probe.dependence(network(family, **values), inputs)
    assert (observed.pools_padding, observed.sees_padding) == (pooled, seen)


@pytest.mark.parametrize(("family", "values"), [("canine", {**SMALL, **POSITIONS}), ("ibert", {**SMALL, **POSITIONS})])
def test_a_network_without_a_table_of_tokens_shows_what_can_be_observed(family: str, values: dict[str, Any]) -> None:
    built = network(family, **values)
    assert probe.dependence(built, ids(2, 11, 12, 3)).tokens == frozenset()


@pytest.mark.parametrize(
    ("family", "values"), [("bert", {**SMALL, **POSITIONS, "is_decoder": True}), ("flaubert", {**XLM, "causal": True})]
)
def test_a_first_token_that_sees_nothing_else_is_observed(family: str, values: dict[str, Any]) -> None:
    assert probe.dependence(network(family, **values), ids(2, 11, 12, 3)).sees_only_first


def test_a_head_without_weights_shows_nothing() -> None:
    built = network("bert", **SMALL, **POSITIONS)
    nn.init.zeros_(built.classifier.weight)
    nn.init.zeros_(built.classifier.bias)
    observed = probe.dependence(built, ids(2, 11, 12, 3))
    assert (observed.tokens, observed.sees_only_first) == (frozenset(), False)


def test_observing_draws_no_random_number_and_leaves_the_network_as_it_was() -> None:
    built = network("bert", **SMALL, **POSITIONS).train()
    before, weights = torch.get_rng_state(), [weight.clone() for weight in built.parameters()]
    probe.positions(built)
    probe.dependence(built, ids(2, 11, 3))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(module.training for module in built.modules())
    assert all(torch.equal(*both) for both in zip(built.parameters(), weights, strict=True))
    assert all(weight.grad is None for weight in built.parameters())
