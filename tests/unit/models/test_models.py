from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from bertspec import models
from bertspec.catalog import Catalog
from bertspec.config import EncoderConfig, TaskConfig
from bertspec.data.batches import PaddedBatch
from bertspec.data.tokens import Tokens
from bertspec.errors import InvalidConfig, SourceError
from bertspec.sources import Sources, pretrained

if TYPE_CHECKING:
    from .conftest import Built

FAMILIES = ("albert-tiny", "bert-tiny", "distilbert-tiny", "electra-tiny", "modernbert-tiny", "roberta-tiny")
CATALOG = Catalog.beside(Path("/nowhere"))
ROWS = np.arange(7)


def built_from(encoder: EncoderConfig, task: TaskConfig, places: Sources) -> tuple[models.EncoderModel, Any]:
    files = pretrained.find(encoder, places)
    tokenizer = models.load_tokenizer(files)
    torch.manual_seed(0)
    return models.build(encoder, files, task, tokenizer).eval(), tokenizer


def batch(tokenizer: Any, *texts: str) -> PaddedBatch:
    encoded = tokenizer(list(texts), padding=True, return_tensors="pt", return_token_type_ids=True)
    return PaddedBatch(
        np.arange(len(texts)), encoded["input_ids"], encoded["token_type_ids"], encoded["attention_mask"]
    )


@pytest.mark.parametrize("name", FAMILIES)
def test_padding_changes_no_output(name: str, task: TaskConfig, nowhere: Sources) -> None:
    model, tokenizer = built_from(CATALOG.encoder(name), task, nowhere)
    texts = ("the plot is dull .", "although the cast was witty , the music is not bland .")
    with torch.no_grad():
        together = model(batch(tokenizer, *texts))
        alone = torch.cat([model(batch(tokenizer, text)) for text in texts])
    assert together.shape == (2, 2)
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_saved_encoder_loads_back_to_the_same_logits(
    name: str, task: TaskConfig, nowhere: Sources, tmp_path: Path
) -> None:
    model, tokenizer = built_from(CATALOG.encoder(name), task, nowhere)
    model.save(tmp_path, tokenizer)
    loaded, reloaded_tokenizer = built_from(EncoderConfig(name="saved", checkpoint=str(tmp_path)), task, nowhere)
    with torch.no_grad():
        before, after = model(batch(tokenizer, "it was dull .")), loaded(batch(reloaded_tokenizer, "it was dull ."))
    torch.testing.assert_close(before, after, rtol=0, atol=1e-6)


def test_weights_are_fp32_whatever_the_checkpoint_holds(task: TaskConfig, nowhere: Sources, tmp_path: Path) -> None:
    model, tokenizer = built_from(CATALOG.encoder("bert-tiny"), task, nowhere)
    model.network.half()
    model.save(tmp_path, tokenizer)
    loaded, _ = built_from(EncoderConfig(name="saved", checkpoint=str(tmp_path)), task, nowhere)
    assert {parameter.dtype for parameter in loaded.parameters()} == {torch.float32}


def test_a_head_for_other_labels_is_new(task: TaskConfig, nowhere: Sources, tmp_path: Path) -> None:
    model, tokenizer = built_from(CATALOG.encoder("bert-tiny"), task, nowhere)
    model.save(tmp_path, tokenizer)
    three = task.model_copy(update={"labels": ("a", "b", "c"), "metrics": ("accuracy",)})
    loaded, _ = built_from(EncoderConfig(name="saved", checkpoint=str(tmp_path)), three, nowhere)
    with torch.no_grad():
        assert loaded(batch(tokenizer, "it was dull .")).shape == (1, 3)


def test_a_checkpoint_that_lacks_weights_of_its_encoder_is_refused(
    task: TaskConfig, nowhere: Sources, tmp_path: Path
) -> None:
    model, tokenizer = built_from(CATALOG.encoder("bert-tiny"), task, nowhere)
    model.save(tmp_path, tokenizer)
    weights = load_file(tmp_path / "model.safetensors")
    gone = "bert.encoder.layer.1.output.dense.weight"
    del weights[gone]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(SourceError, match=f"weights of the encoder itself are missing.*{gone}"):
        built_from(EncoderConfig(name="saved", checkpoint=str(tmp_path)), task, nowhere)


@pytest.mark.parametrize("file", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_broken_file_is_refused(task: TaskConfig, nowhere: Sources, tmp_path: Path, file: str) -> None:
    model, tokenizer = built_from(CATALOG.encoder("bert-tiny"), task, nowhere)
    model.save(tmp_path, tokenizer)
    (tmp_path / file).write_text("{ broken")
    with pytest.raises(SourceError):
        built_from(EncoderConfig(name="saved", checkpoint=str(tmp_path)), task, nowhere)


def test_a_misspelt_architecture_value_is_refused(encoder: EncoderConfig, task: TaskConfig, nowhere: Sources) -> None:
    misspelt = encoder.model_copy(update={"architecture": {"hiden_size": 16}})
    with pytest.raises(InvalidConfig, match="the bert architecture has no such value; given: 'hiden_size'"):
        built_from(misspelt, task, nowhere)


def test_an_impossible_architecture_is_refused(encoder: EncoderConfig, task: TaskConfig, nowhere: Sources) -> None:
    odd = encoder.model_copy(update={"architecture": encoder.architecture | {"num_attention_heads": 3}})
    with pytest.raises(SourceError, match="cannot be built"):
        built_from(odd, task, nowhere)


def test_a_regression_head_gives_one_number(encoder: EncoderConfig, task: TaskConfig, nowhere: Sources) -> None:
    regression = task.model_copy(update={"head": "regression", "labels": (), "metrics": ("pearson",)})
    model, tokenizer = built_from(encoder, regression, nowhere)
    with torch.no_grad():
        assert model(batch(tokenizer, "it was dull .", "it was not .")).shape == (2, 1)


@pytest.mark.parametrize(("name", "longest"), [("bert-tiny", 66), ("roberta-tiny", 65), ("modernbert-tiny", 66)])
def test_a_head_knows_how_many_tokens_it_can_read(name: str, longest: int, task: TaskConfig, nowhere: Sources) -> None:
    model, tokenizer = built_from(CATALOG.encoder(name), task, nowhere)
    assert model.longest == longest
    with torch.no_grad():
        model(batch(tokenizer, " ".join(["dull"] * (longest - 2))))


def test_the_labels_of_the_task_travel_with_a_saved_encoder(
    encoder: EncoderConfig, task: TaskConfig, nowhere: Sources, tmp_path: Path
) -> None:
    model, tokenizer = built_from(encoder, task, nowhere)
    model.save(tmp_path, tokenizer)
    assert json.loads((tmp_path / "config.json").read_text())["id2label"] == {"0": "negative", "1": "positive"}


def test_a_narrow_vocabulary_changes_no_output(built: Built, tokens: Tokens) -> None:
    model, tokenizer = built("bert-tiny")
    pad = tokenizer.pad_token_id
    with torch.no_grad():
        before = model(model.batch(tokens, ROWS, pad_id=pad))
        (narrowed,) = model.narrow(tokens)
        after = model(model.batch(narrowed, ROWS, pad_id=pad))
    assert torch.equal(before, after)
    assert model.network.get_input_embeddings().num_embeddings == len(np.union1d(tokens.ids, [pad]))


def test_what_is_learned_is_the_same_and_what_does_not_occur_stays(built: Built, tokens: Tokens) -> None:
    learned = []
    for narrow in (False, True):
        model, tokenizer = built("bert-tiny")
        before = model.network.get_input_embeddings().weight.detach().clone()
        seen = model.narrow(tokens)[0] if narrow else tokens
        optimizer = torch.optim.AdamW(model.parameters(), 0.01, weight_decay=0.0)
        for _ in range(3):
            optimizer.zero_grad()
            outputs = model(model.batch(seen, ROWS, pad_id=tokenizer.pad_token_id))
            torch.nn.functional.cross_entropy(outputs, torch.arange(7) % 2).backward()
            optimizer.step()
        if narrow:
            model.widen()
        learned.append(model.network.get_input_embeddings().weight.detach())
    assert torch.equal(*learned)
    unseen = np.setdiff1d(np.arange(len(before)), tokens.ids)
    assert torch.equal(learned[0][unseen], before[unseen])


def test_a_vocabulary_is_narrowed_once(built: Built, tokens: Tokens) -> None:
    model, _ = built("bert-tiny")
    (narrowed,) = model.narrow(tokens)
    with pytest.raises(ValueError, match="narrow already"):
        model.narrow(narrowed)


def test_a_saved_encoder_has_all_its_words(built: Built, tokens: Tokens, tmp_path: Path) -> None:
    model, tokenizer = built("bert-tiny")
    before = model.network.get_input_embeddings().weight.detach().clone()
    (narrowed,) = model.narrow(tokens)
    with torch.no_grad():
        model.network.get_input_embeddings().weight[narrowed.ids[0]] += 1.0
    model.save(tmp_path, tokenizer)
    saved = load_file(tmp_path / "model.safetensors")["bert.embeddings.word_embeddings.weight"]
    before[tokens.ids[0]] += 1.0
    assert torch.equal(saved, before)
