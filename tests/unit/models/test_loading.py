from __future__ import annotations

import importlib.util
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoConfig, AutoModelForSequenceClassification

from bertspec import models
from bertspec.config import EncoderConfig, TaskConfig
from bertspec.errors import HashMismatch, SourceError
from bertspec.models import loading
from bertspec.sources import Sources, pretrained
from bertspec.sources.pretrained import EncoderFiles

if TYPE_CHECKING:
    from .conftest import Built

ADVICE = ("pip", "trust_remote_code", "http", "lease", "You can")
XLM = {"vocab_size": 50, "emb_dim": 16, "n_layers": 1, "n_heads": 2}
BART = {"vocab_size": 50, "d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16}
SMALL = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}


@pytest.fixture
def saved(built: Built, encoder: EncoderConfig, tmp_path: Path) -> Path:
    """A checkpoint of one layer."""
    model, tokenizer = built(encoder)
    model.save(tmp_path, tokenizer)
    return tmp_path


def edit(file: Path, **values: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text("utf-8")) | values), "utf-8")


def files_of(folder: Path) -> tuple[EncoderConfig, EncoderFiles]:
    encoder = EncoderConfig(name="saved", checkpoint=str(folder))
    return encoder, pretrained.find(encoder, Sources(None, None))


def load_tokenizer(folder: Path) -> Any:
    return models.load_tokenizer(files_of(folder)[1])


def load(folder: Path, task: TaskConfig) -> models.EncoderModel:
    encoder, files = files_of(folder)
    torch.manual_seed(0)  # the weights of a new head
    return models.build(encoder, files, task, models.load_tokenizer(files))


def assert_same(weights: dict[str, Tensor], others: dict[str, Tensor]) -> None:
    assert weights.keys() == others.keys()
    assert [name for name, weight in weights.items() if not torch.equal(weight, others[name])] == []


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"hidden_act": "__import__"}, "the checkpoint cannot be loaded: .*__import__"),
        ({"hidden_size": "big"}, "the configuration cannot be read: .*hidden_size"),
        ({"hidden_size": -4}, "cannot be"),
        ({"num_hidden_layers": 0}, "the encoder has no layers; given: 'num_hidden_layers: 0'"),
        ({"num_hidden_layers": 10**9}, "the encoder has too many layers"),
        ({"is_decoder": True}, "the checkpoint is a decoder: its first token, which the head reads, sees nothing but"),
        ({"model_type": "no-such"}, "names no architecture that the transformers library knows; given: 'no-such'"),
        ({"model_type": None}, "names no architecture"),
        ({"model_type": ["bert"]}, "names no architecture"),
        ({"model_type": "vit"}, "has no classification model of this architecture; given: 'vit'"),
        ({"model_type": "t5"}, "weights of the encoder itself are missing|cannot be"),
        (
            {"vocab_size": 10**12},
            "or have another shape; given: 'vocab_size: 1000000000000'; allowed: at most 200, the l",
        ),
        ({"intermediate_size": 10**9}, "or have another shape; given: 'intermediate_size: 1000000000'"),
        ({"quantization_config": {"quant_method": "awq"}}, "the weights are quantized"),
        ({"attn_implementation": "org/kernel"}, "needs code of its own.*attn_implementation: org/kernel"),
        ({"vocab_size": 10}, "weights of the encoder itself are missing, or have another shape"),
        (
            {"model_type": "own", "auto_map": {"AutoModel": "modeling_own.Own"}},
            "the model needs code of its own, which bertspec does not run; given: .*modeling_own.Own",
        ),
    ],
    ids=lambda value: next(iter(value.items())).__repr__() if isinstance(value, dict) else "",
)
def test_a_configuration_that_no_encoder_has_is_refused(
    saved: Path, task: TaskConfig, values: dict[str, Any], message: str
) -> None:
    edit(saved / "config.json", **values)
    with pytest.raises(SourceError, match=message) as refusal:
        load(saved, task)
    assert not [word for word in ADVICE if word in str(refusal.value)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokenizer.json", "{}"),
        ("tokenizer.json", "[" * 5000),
        ("tokenizer.json", '{"model": null}'),
        ("special_tokens_map.json", "[" * 5000),
        ("special_tokens_map.json", "[]"),
        ("model.safetensors", "no weights"),
        ("model.safetensors", ""),
    ],
)
def test_a_file_that_the_library_fails_on_is_refused(saved: Path, task: TaskConfig, name: str, content: str) -> None:
    edit(saved / "tokenizer_config.json", added_tokens_decoder=None)
    config = json.loads((saved / "tokenizer_config.json").read_text())
    del config["added_tokens_decoder"]
    (saved / "tokenizer_config.json").write_text(json.dumps(config))
    (saved / name).write_text(content)
    with pytest.raises(SourceError, match="cannot be (read|loaded)|has no vocabulary") as refusal:
        load(saved, task)
    assert not [word for word in ADVICE if word in str(refusal.value)]


def test_a_tokenizer_that_needs_its_own_code_is_refused(saved: Path, task: TaskConfig) -> None:
    edit(saved / "tokenizer_config.json", tokenizer_class="Own", auto_map={"AutoTokenizer": ["own.Own", None]})
    with pytest.raises(SourceError, match="the tokenizer needs code of its own, which bertspec does not run"):
        load(saved, task)


def test_a_sentencepiece_model_without_its_package_says_what_to_install(
    saved: Path, task: TaskConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    (saved / "tokenizer.json").unlink()
    (saved / "spm.model").write_bytes(b"\n\x0e\n\x05<unk>")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(SourceError, match=r"given: 'spm\.model'; allowed: pip install 'bertspec\[sentencepiece\]'"):
        load(saved, task)


@pytest.mark.parametrize("gone", ["bert.encoder.layer.0.", "bert.embeddings.word_embeddings.", "bert."])
def test_weights_that_the_encoder_itself_lacks_are_never_new(saved: Path, task: TaskConfig, gone: str) -> None:
    weights = load_file(saved / "model.safetensors")
    renamed = {f"other.{name}" if name.startswith(gone) else name: each for name, each in weights.items()}
    save_file(renamed, saved / "model.safetensors", {"format": "pt"})
    with pytest.raises(SourceError, match=rf"weights of the encoder itself are missing.*given: '{gone}"):
        load(saved, task)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (torch.Tensor.int, r"word_embeddings\.weight, torch\.int32'; allowed: finite numbers of the types float16, "),
        (torch.Tensor.bool, "torch.bool"),
        (lambda weight: weight.to(torch.float8_e4m3fn), "torch.float8"),
        (lambda weight: weight.index_fill(0, torch.tensor([150]), float("nan")), "word_embeddings.weight, not finite"),
        (lambda weight: weight.double() * 1e300, "word_embeddings.weight, not finite"),
    ],
    ids=["integers", "booleans", "quantized", "nan", "overflow"],
)
def test_weights_that_are_no_finite_floats_are_refused(
    saved: Path, task: TaskConfig, change: Callable[[Tensor], Tensor], message: str
) -> None:
    weights, name = load_file(saved / "model.safetensors"), "bert.embeddings.word_embeddings.weight"
    save_file(weights | {name: change(weights[name])}, saved / "model.safetensors", {"format": "pt"})
    with pytest.raises(SourceError, match=f"a weight of the checkpoint cannot be trained; given: .*{message}"):
        load(saved, task)


def test_half_precision_is_read_as_floats(saved: Path, task: TaskConfig) -> None:
    weights = load_file(saved / "model.safetensors")
    save_file({name: each.half() for name, each in weights.items()}, saved / "model.safetensors", {"format": "pt"})
    assert {each.dtype for each in load(saved, task).network.parameters()} == {torch.float32}


def test_a_class_that_splits_texts_otherwise_than_tokenizer_json_is_refused(saved: Path) -> None:
    edit(saved / "tokenizer_config.json", tokenizer_class="RobertaTokenizer")
    with pytest.raises(SourceError, match="does not fit its tokenizer.json; given: 'RobertaTokenizer, which is a BPE'"):
        load_tokenizer(saved)


@pytest.mark.parametrize("name", ["adapter.safetensors", "shard-00000-model-00000-of-00001.safetensors"])
def test_no_other_weights_in_the_folder_are_read(saved: Path, task: TaskConfig, name: str) -> None:
    before = load(saved, task).network.state_dict()
    (saved / name).write_text("broken")
    assert_same(load(saved, task).network.state_dict(), before)


def test_weights_in_parts_are_those_of_one_file(saved: Path, task: TaskConfig) -> None:
    before, weights = load(saved, task).network.state_dict(), load_file(saved / "model.safetensors")
    (saved / "model.safetensors").unlink()
    for number, part in enumerate((dict(list(weights.items())[::2]), dict(list(weights.items())[1::2]))):
        save_file(part, saved / f"{number}.safetensors", {"format": "pt"})
    named = {name: f"{number % 2}.safetensors" for number, name in enumerate(weights)}
    (saved / "model.safetensors.index.json").write_text(json.dumps({"weight_map": named}))
    assert_same(load(saved, task).network.state_dict(), before)
    save_file({"classifier.bias": torch.ones(2), "bert.pooler.dense.bias": torch.ones(16)}, saved / "0.safetensors")
    with pytest.raises(SourceError, match="a weight is in two parts of the checkpoint"):
        load(saved, task)


def test_weights_do_not_change_with_the_file_that_they_were_read_from(saved: Path, task: TaskConfig) -> None:
    model = load(saved, task)
    before = {name: each.clone() for name, each in model.network.state_dict().items()}
    with (saved / "model.safetensors").open("r+b") as file:
        file.seek(-1000, os.SEEK_END)
        file.write(bytes(1000))
    assert_same(model.network.state_dict(), before)


def test_training_leaves_the_weights_of_the_next_seed_alone(saved: Path, task: TaskConfig) -> None:
    encoder, files = files_of(saved)
    tokenizer = models.load_tokenizer(files)
    first = models.build(encoder, files, task, tokenizer)
    before = {name: each.clone() for name, each in first.network.bert.state_dict().items()}
    with torch.no_grad():
        for weight in first.parameters():
            weight.zero_()
    assert_same(models.build(encoder, files, task, tokenizer).network.bert.state_dict(), before)
    (saved / "model.safetensors").write_text("another")
    with pytest.raises(HashMismatch, match="the weights changed while in use"):
        models.build(encoder, files, task, tokenizer)


@pytest.mark.parametrize("key", ["merges_file", "vocab_file", "tokenizer_file", "own_file", "vocab", "merges"])
@pytest.mark.parametrize("name", ["tokenizer.json", "vocab.txt"])
def test_a_file_elsewhere_that_a_tokenizer_names_is_not_read(
    saved: Path, tmp_path_factory: pytest.TempPathFactory, key: str, name: str
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / name
    elsewhere.write_text("[PAD]\n[UNK]\ndull\n")
    before = load_tokenizer(saved).get_vocab()
    edit(saved / "tokenizer_config.json", **{key: str(elsewhere)})
    assert load_tokenizer(saved).get_vocab() == before


def test_a_tokenizer_that_reads_what_is_not_hashed_is_refused(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kind = type(load_tokenizer(saved))
    monkeypatch.setattr(kind, "vocab_files_names", kind.vocab_files_names | {"own_file": "own.words"})
    load_tokenizer(saved)
    (saved / "own.words").touch()
    with pytest.raises(SourceError, match=r"reads a file that bertspec does not hash; given: 'own\.words'"):
        load_tokenizer(saved)


def test_layers_that_the_configuration_leaves_out_are_told(
    saved: Path, task: TaskConfig, caplog: pytest.LogCaptureFixture
) -> None:
    weights = load_file(saved / "model.safetensors")
    more = {
        name.replace("layer.0", "layer.1"): weight.clone() for name, weight in weights.items() if ".layer.0." in name
    }
    save_file(weights | more, saved / "model.safetensors", {"format": "pt"})
    load(saved, task)
    assert "weights of the checkpoint are not used: bert.encoder.layer.1." in caplog.text
    edit(saved / "config.json", auto_map={"AutoModel": "modeling_own.Own"})
    with pytest.raises(SourceError, match=r"needs code of its own.*weights that bert has no use for: .*layer\.1"):
        load(saved, task)


def test_weights_that_the_layers_have_no_use_for_are_refused(saved: Path, task: TaskConfig) -> None:
    """The library has dropped relative positions of BERT; without them, the layers compute something else."""
    weights = load_file(saved / "model.safetensors")
    more = {"bert.encoder.layer.0.attention.self.distance_embedding.weight": torch.ones(131, 8)}
    save_file(weights | more, saved / "model.safetensors", {"format": "pt"})
    with pytest.raises(SourceError, match="architecture has no use for: .*given: 'bert.*distance_embedding.weight'"):
        load(saved, task)


@pytest.mark.parametrize(
    ("name", "warned"),
    [
        ("bert.embeddings.own.weight", True),
        ("bert.embeddings.position_ids", False),
        ("bert.encoder.layer.0.attention.self.masked_bias", False),
        ("cls.predictions.bias", False),
    ],
)
def test_other_weights_that_are_not_used_are_told_unless_they_belong_to_another_head(
    saved: Path, task: TaskConfig, caplog: pytest.LogCaptureFixture, name: str, *, warned: bool
) -> None:
    weights = load_file(saved / "model.safetensors")
    save_file(weights | {name: torch.ones(2)}, saved / "model.safetensors", {"format": "pt"})
    load(saved, task)
    assert (f"weights of the checkpoint are not used: {name}" in caplog.text) is warned


def test_the_library_is_silent(saved: Path, task: TaskConfig, caplog: pytest.LogCaptureFixture) -> None:
    weights = load_file(saved / "model.safetensors")
    save_file(weights | {"other": weights["classifier.bias"].clone()}, saved / "model.safetensors", {"format": "pt"})
    (saved / "tokenizer.json").unlink()
    (saved / "tokenizer.model").write_text("IQ== 0\n")
    logging.getLogger("transformers").propagate = True
    with caplog.at_level(logging.DEBUG), pytest.raises(SourceError):
        load(saved, task)
    logging.getLogger("transformers").propagate = False
    assert not [record for record in caplog.records if record.name.startswith("transformers")]


@pytest.mark.parametrize(
    ("failure", "cause"),
    [
        (KeyError("gelu_9"), "KeyError: 'gelu_9'"),
        (ValueError("It is broken. Please pass `trust_remote_code=True`."), "It is broken"),
        (ValueError("You can install it with `pip install tiktoken`."), "ValueError"),
        (OSError("See https://huggingface.co/docs.\nNo file named x"), "No file named x"),
        (
            ImportError("RoFormer requires the rjieba library but it was not"),
            "it needs the package rjieba, which is not",
        ),
        (RecursionError("maximum recursion depth exceeded"), "nested too deeply"),
        (ImportError("You need to install rjieba to use it."), "it needs the package rjieba, which is not installed"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you"), "it does not fit into memory"),
        (TypeError("stat: a path\n is no number"), "TypeError: stat: a path is no number"),
        (ValueError("x" * 1000), "xxx…"),
    ],
)
def test_a_cause_is_kept_and_advice_is_not(failure: Exception, cause: str) -> None:
    with pytest.raises(SourceError) as refusal, loading.refused("it cannot be read", where="here"):
        raise failure
    text = str(refusal.value)
    assert text.startswith("it cannot be read: ")
    assert cause in text
    assert not [word for word in ADVICE if word in text]
    assert refusal.value.__cause__ is failure


@pytest.mark.parametrize("failure", [MemoryError(), SourceError("ours"), KeyboardInterrupt()])
def test_what_is_no_fault_of_the_files_passes(failure: BaseException) -> None:
    with pytest.raises(type(failure)) as passed, loading.refused("it cannot be read", where="here"):
        raise failure
    assert passed.value is failure


@pytest.mark.parametrize(
    ("family", "values", "expected"),
    [
        ("bert", SMALL, {"bert.pooler", "classifier"}),
        ("distilbert", {"vocab_size": 50, "dim": 16, "n_layers": 1, "n_heads": 2}, {"pre_classifier", "classifier"}),
        ("albert", SMALL, {"albert.pooler", "classifier"}),
        ("electra", SMALL, {"classifier.dense", "classifier.out_proj"}),
        ("roberta", SMALL, {"classifier.dense", "classifier.out_proj"}),
        ("modernbert", {**SMALL, "pad_token_id": 0}, {"head.dense", "head.norm", "classifier"}),
        ("flaubert", XLM, {"sequence_summary.summary"}),
        (
            "xlnet",
            {"vocab_size": 50, "d_model": 16, "n_layer": 1, "n_head": 2},
            {"sequence_summary.summary", "logits_proj"},
        ),
        ("bart", BART, {"classification_head.dense", "classification_head.out_proj"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_head_is_what_lies_outside_of_the_base_model(family: str, values: dict[str, Any], expected: set[str]) -> None:
    network = AutoModelForSequenceClassification.from_config(AutoConfig.for_model(family, **values))
    names = [name for name, _ in network.named_parameters() if loading.on_top(network, name)]
    assert {name.removesuffix(".weight").removesuffix(".bias").removesuffix(".dense") for name in names} == {
        name.removesuffix(".dense") for name in expected
    }


def test_a_head_by_another_name_is_new_and_trained_alone(saved: Path, task: TaskConfig) -> None:
    config = AutoConfig.for_model("flaubert", **XLM | {"vocab_size": 500})
    for file in ("model.safetensors", "config.json"):
        (saved / file).unlink()
    transformers.AutoModel.from_config(config).save_pretrained(saved)
    model = load(saved, task)
    model.freeze_encoder()
    trained = {name for name, weight in model.network.named_parameters() if weight.requires_grad}
    assert trained == {"sequence_summary.summary.weight", "sequence_summary.summary.bias"}
