from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bertspec.config import EncoderConfig
from bertspec.errors import HashMismatch, SourceError, Unreachable, UnsafeCheckpoint
from bertspec.sources import Sources, pretrained


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the files of a checkpoint; their content does not matter here."""
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        (tmp_path / name).write_text(name)
    return tmp_path


def at(folder: Path, **values: str) -> EncoderConfig:
    return EncoderConfig(name="mine", checkpoint=str(folder), **values)


def test_a_folder_is_found_and_hashed(folder: Path, nowhere: Sources) -> None:
    files = pretrained.find(at(folder), nowhere)
    assert files.folder == folder
    assert files.origin.source == "folder"
    assert files.origin.sha256 != files.tokenizer_origin.sha256


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_other_weights_or_another_config_have_another_hash(folder: Path, nowhere: Sources, name: str) -> None:
    before = pretrained.find(at(folder), nowhere).origin.sha256
    (folder / name).write_text("something else")
    assert pretrained.find(at(folder), nowhere).origin.sha256 != before


def test_weights_that_are_not_the_promised_ones_are_refused(folder: Path, nowhere: Sources) -> None:
    with pytest.raises(HashMismatch, match=r"given: 'sha256 .*allowed: sha256 0000.*model\.safetensors"):
        pretrained.find(at(folder, sha256="0" * 64), nowhere)


def test_a_pickle_is_not_loaded(folder: Path, nowhere: Sources) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UnsafeCheckpoint, match=r"pytorch_model\.bin.*\*\.safetensors"):
        pretrained.find(at(folder), nowhere)


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


def test_the_mirror_comes_before_what_is_installed(folder: Path, tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    (mirror / "sentence-transformers").mkdir(parents=True)
    shutil.copytree(
        folder, mirror / "sentence-transformers" / "all-MiniLM-L6-v2", ignore=shutil.ignore_patterns("mirror")
    )
    encoder = EncoderConfig(name="minilm", checkpoint="sentence-transformers/all-MiniLM-L6-v2")
    assert pretrained.find(encoder, Sources(mirror.resolve(), None)).origin.source == "mirror"


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
