from __future__ import annotations

import importlib.util
import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForSequenceClassification

from bertspec import models
from bertspec.config import EncoderConfig, TaskConfig
from bertspec.errors import SourceError
from bertspec.models import loading
from bertspec.sources import Sources, pretrained

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


def load(folder: Path, task: TaskConfig) -> models.EncoderModel:
    encoder = EncoderConfig(name="saved", checkpoint=str(folder))
    files = pretrained.find(encoder, Sources(None, None))
    return models.build(encoder, files, task, models.load_tokenizer(files))


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


def test_layers_that_the_configuration_leaves_out_are_told(
    saved: Path, task: TaskConfig, caplog: pytest.LogCaptureFixture
) -> None:
    weights = load_file(saved / "model.safetensors")
    more = {
        name.replace("layer.0", "layer.1"): weight.clone() for name, weight in weights.items() if ".layer.0." in name
    }
    save_file(weights | more, saved / "model.safetensors", {"format": "pt"})
    load(saved, task)
    assert "weights in layers of the checkpoint are not used" in caplog.text
    edit(saved / "config.json", auto_map={"AutoModel": "modeling_own.Own"})
    with pytest.raises(SourceError, match=r"needs code of its own.*weights that bert has no use for: .*layer\.1"):
        load(saved, task)


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
