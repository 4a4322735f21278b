from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

from bertspec import device
from bertspec.config import EncoderConfig, RecipeConfig, TaskConfig
from bertspec.data.tokens import Examples, Tokens, encode
from bertspec.errors import DataError, InvalidConfig, SourceError
from bertspec.models import EncoderModel, checks

if TYPE_CHECKING:
    from .conftest import Built

TEXTS = ["the plot is dull .", "it was .", "although the cast was witty , the music is not bland ."]
SMALL = {"vocab_size": 500, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}


@pytest.fixture
def cpu(recipe: RecipeConfig) -> device.Device:
    return device.choose("cpu", recipe)


def tokenized(tokenizer: Any, *texts: str) -> Tokens:
    return encode(tokenizer, Examples(list(texts), None, np.zeros(len(texts))), max_length=32, key="", cache=None)


def other(family: str, task: TaskConfig, **values: Any) -> EncoderModel:
    """A model of another family, with new weights."""
    torch.manual_seed(0)
    network = AutoModelForSequenceClassification.from_config(AutoConfig.for_model(family, **SMALL | values))
    return EncoderModel(network, task.task_head)


@pytest.mark.parametrize(("pairs", "shortest"), [(False, 3), (True, 5)])
def test_a_length_without_room_for_each_text_is_refused(
    built: Built, encoder: EncoderConfig, *, pairs: bool, shortest: int
) -> None:
    _, tokenizer = built(encoder)
    checks.refuse_no_room(tokenizer, shortest, pairs=pairs)
    with pytest.raises(InvalidConfig, match=f"leave no room.*max_length {shortest - 1}'; allowed: at least {shortest}"):
        checks.refuse_no_room(tokenizer, shortest - 1, pairs=pairs)


def test_a_tokenizer_that_cannot_pad_is_refused(built: Built, encoder: EncoderConfig) -> None:
    _, tokenizer = built(encoder)
    checks.refuse_without_padding(tokenizer, encoder="micro")
    tokenizer.pad_token = None
    with pytest.raises(SourceError, match="the tokenizer has no padding token.*where: encoder 'micro'"):
        checks.refuse_without_padding(tokenizer, encoder="micro")


def test_a_text_of_which_nothing_is_left_is_named(built: Built, encoder: EncoderConfig) -> None:
    model, tokenizer = built(encoder)
    texts = ["it was dull .", "\u200b", "it was witty ."]
    examined = checks.Examined(tokenized(tokenizer, *texts), Examples(texts, None, np.zeros(3)), "row {}".format)
    with pytest.raises(DataError, match=r"leaves nothing of a text; given: '\\u200b'.*where: row 1$"):
        checks.refuse_unreadable(model, tokenizer, examined, encoder="micro")


@pytest.mark.parametrize("empty", [0, 1])
def test_one_text_of_a_pair_of_which_nothing_is_left_is_named(built: Built, encoder: EncoderConfig, empty: int) -> None:
    model, tokenizer = built(encoder)
    columns = [["it was dull .", "..."], ["it was witty .", "!"]]
    columns[empty][1] = "\u200b"
    examples = Examples(columns[0], columns[1], np.zeros(2))
    tokens = encode(tokenizer, examples, max_length=32, key="", cache=None)
    with pytest.raises(DataError, match=r"leaves nothing of a text; given: '\\u200b'.*where: row 1$"):
        checks.refuse_unreadable(model, tokenizer, checks.Examined(tokens, examples, "row {}".format), encoder="x")


def test_a_token_without_an_embedding_is_named(built: Built, encoder: EncoderConfig) -> None:
    model, tokenizer = built(encoder)
    tokenizer.add_tokens(["keyboard"])
    examined = checks.Examined(tokenized(tokenizer, "a keyboard"), Examples(["a keyboard"], None, np.zeros(1)), str)
    with pytest.raises(SourceError, match="more tokens than the encoder has embeddings; given: \"token 'keyboard'"):
        checks.refuse_unreadable(model, tokenizer, examined, encoder="micro")


@pytest.mark.parametrize("name", ["albert-tiny", "bert-tiny", "distilbert-tiny", "modernbert-tiny", "roberta-tiny"])
def test_encoders_that_can_read_their_examples_pass(name: str, built: Built, cpu: device.Device) -> None:
    model, tokenizer = built(name)
    before = torch.get_rng_state()
    checks.try_out(model, tokenizer, (tokenized(tokenizer, *TEXTS), tokenized(tokenizer, "it")), cpu, encoder=name)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("family", "values", "message"),
    [
        ("nystromformer", {"segment_means_seq_len": 64, "num_landmarks": 8}, "cannot read the examples of this task: "),
        ("roberta", {"pad_token_id": 3}, "different padding tokens; given: 'id 0 in the tokenizer, id 3 in the conf"),
        (
            "gpt2",
            {"n_embd": 16, "n_head": 2, "pad_token_id": None},
            "Cannot handle batch sizes > 1 if no padding token",
        ),
        ("gpt2", {"n_embd": 16, "n_head": 2, "pad_token_id": 3}, "different padding tokens"),
        (
            "xlnet",
            {"d_model": 16, "n_layer": 1, "n_head": 2, "d_inner": 16, "pad_token_id": 0},
            "reads padding instead of",
        ),
        ("flaubert", {"emb_dim": 16, "n_layers": 1, "n_heads": 2, "causal": True}, "sees nothing but itself"),
        (
            "bert",
            {"max_position_embeddings": 9},
            r"too small: bert\.embeddings\.position_embeddings\.weight; given: 'row",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 15 else "",
)
def test_what_only_the_loaded_encoder_knows_is_refused_before_training(
    family: str, values: dict[str, Any], message: str, built: Built, task: TaskConfig, cpu: device.Device
) -> None:
    _, tokenizer = built("bert-tiny")
    model = other(family, task, **values)
    with pytest.raises(SourceError, match=f"{message}.*where: encoder 'other'"):
        checks.try_out(model, tokenizer, [tokenized(tokenizer, *TEXTS)], cpu, encoder="other")


def test_outputs_that_are_no_numbers_before_training_are_refused(built: Built, cpu: device.Device) -> None:
    model, tokenizer = built("bert-tiny")
    with torch.no_grad():
        model.network.bert.embeddings.LayerNorm.weight[0] = float("nan")
    with pytest.raises(SourceError, match="its outputs are not finite numbers, before any training"):
        checks.try_out(model, tokenizer, [tokenized(tokenizer, *TEXTS)], cpu, encoder="bert-tiny")


@pytest.mark.parametrize(
    ("family", "values", "warned"),
    [
        ("fnet", {}, True),
        ("mobilebert", {"embedding_size": 16, "true_hidden_size": 16, "intra_bottleneck_size": 16}, False),
        ("bert", {}, False),
    ],
)
def test_an_encoder_whose_answers_depend_on_padding_costs_a_warning(
    family: str,
    values: dict[str, Any],
    built: Built,
    task: TaskConfig,
    cpu: device.Device,
    caplog: pytest.LogCaptureFixture,
    *,
    warned: bool,
) -> None:
    _, tokenizer = built("bert-tiny")
    checks.try_out(other(family, task, **values), tokenizer, [tokenized(tokenizer, *TEXTS)], cpu, encoder="other")
    assert ("its answer to a text depends on the other texts of the batch" in caplog.text) is warned


def test_examples_that_fill_all_positions_need_no_more_of_them(
    built: Built, task: TaskConfig, cpu: device.Device
) -> None:
    _, tokenizer = built("bert-tiny")
    tokens = tokenized(tokenizer, TEXTS[0])
    full = other("mpnet", task, pad_token_id=0, max_position_embeddings=len(tokens.ids) + 2)
    checks.try_out(full, tokenizer, [tokens], cpu, encoder="full")


def test_a_first_token_that_is_a_word_is_refused_where_the_head_reads_it(
    built: Built, task: TaskConfig, cpu: device.Device
) -> None:
    model, tokenizer = built("bert-tiny")
    tokenizer._tokenizer.post_processor = None
    tokens = [tokenized(tokenizer, *TEXTS)]
    with pytest.raises(SourceError, match="puts no special token there: it would read a word; given: 'the plot is"):
        checks.try_out(model, tokenizer, tokens, cpu, encoder="bert-tiny")
    pools_all = other("modernbert", task, pad_token_id=0, classifier_pooling="mean")
    checks.try_out(pools_all, tokenizer, tokens, cpu, encoder="modernbert")


@pytest.mark.parametrize(
    "failure",
    [
        MemoryError(),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        torch.OutOfMemoryError("CUDA out of memory"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_a_lack_of_memory_is_left_to_the_training(
    failure: Exception, built: Built, cpu: device.Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tokenizer = built("bert-tiny")

    def full(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(model.network, "forward", full)
    checks.try_out(model, tokenizer, [tokenized(tokenizer, *TEXTS)], cpu, encoder="bert-tiny")
