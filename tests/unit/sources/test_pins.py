from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from bertspec.config import EncoderConfig, TaskConfig
from bertspec.errors import HashMismatch, InvalidConfig, StoreError
from bertspec.sources import Sources, pretrained, tables
from bertspec.sources.pins import LOCK_FILE, Pins

ENCODER = EncoderConfig(name="model", checkpoint="org/model")
TASK = TaskConfig(
    name="data", dataset="org/data", text="text", head="classification", labels=("bad", "good"), metrics=("accuracy",)
)


@pytest.fixture
def mirror(tmp_path: Path) -> Sources:
    """A mirror with a checkpoint, whose content does not matter here, and a data set."""
    model, data = tmp_path / "mirror/org/model", tmp_path / "mirror/org/data"
    for folder in (model, data):
        folder.mkdir(parents=True)
    for name in ("model.safetensors", "bpe.codes", "tokenizer.json"):
        (model / name).write_text(name)
    (model / "config.json").write_text("{}")
    (data / "train.csv").write_text("text,label\nfine,1\npoor,0\n")
    (data / "validation.csv").write_text("text,label\ngreat,1\n")
    return Sources(mirror=tmp_path / "mirror", endpoint=None)


@pytest.fixture
def locked(mirror: Sources, tmp_path: Path) -> Sources:
    """The same mirror, with a lock file for both."""
    files, splits = pretrained.find(ENCODER, mirror), tables.load(TASK, mirror)
    pins = Pins().with_encoder(ENCODER, files.origin, files.tokenizer_origin).with_data(TASK, splits.origin)
    pins.write(tmp_path / LOCK_FILE)
    return dataclasses.replace(mirror, pins=Pins.beside(tmp_path))


def test_a_lock_file_comes_back_as_it_was_written(locked: Sources, tmp_path: Path) -> None:
    assert [pin.checkpoint for pin in locked.pins.encoders] == ["org/model"]
    assert [(pin.dataset, pin.splits, pin.columns) for pin in locked.pins.data] == [
        ("org/data", ("train", "validation"), ("text", "label"))
    ]
    assert locked.pins.file == tmp_path / LOCK_FILE


def test_a_folder_without_a_lock_file_promises_nothing(tmp_path: Path) -> None:
    assert Pins.beside(tmp_path) == Pins()


def test_what_is_as_promised_is_used(locked: Sources) -> None:
    assert pretrained.find(ENCODER, locked).origin.source == "mirror"
    assert tables.load(TASK, locked).train["label"] == ["1", "0"]


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "tokenizer.json", "bpe.codes"])
def test_another_checkpoint_under_the_same_name_is_refused(locked: Sources, name: str) -> None:
    assert locked.mirror is not None
    (locked.mirror / "org/model" / name).write_text('{"something": "else"}')
    with pytest.raises(HashMismatch, match="of checkpoint 'org/model' is not what the lock file promises; given: 'sha"):
        pretrained.find(ENCODER, locked)


def test_other_rows_under_the_same_name_are_refused(locked: Sources) -> None:
    assert locked.mirror is not None
    (locked.mirror / "org/data/train.csv").write_text("text,label\nfine,0\npoor,0\n")
    with pytest.raises(HashMismatch, match="data set 'org/data' is not what the lock file promises.*bertspec.lock"):
        tables.load(TASK, locked)


def test_labels_shuffled_on_purpose_are_shuffled_after_the_check(locked: Sources) -> None:
    assert sorted(tables.load(TASK.model_copy(update={"sabotage": "shuffled labels"}), locked).train["label"]) == [
        "0",
        "1",
    ]


def test_a_revision_that_changed_after_the_lock_is_refused(locked: Sources) -> None:
    with pytest.raises(HashMismatch, match="asks for another revision .* given: 'v2'; allowed: no revision, or a new"):
        pretrained.find(ENCODER.model_copy(update={"revision": "v2"}), locked)
    with pytest.raises(HashMismatch, match="task 'data' asks for another revision"):
        tables.load(TASK.model_copy(update={"revision": "v2"}), locked)


def test_a_new_lock_replaces_the_old_one(locked: Sources, mirror: Sources) -> None:
    assert mirror.mirror is not None
    (mirror.mirror / "org/model/config.json").write_text('{"something": "else"}')
    files = pretrained.find(ENCODER, mirror)
    pins = locked.pins.with_encoder(ENCODER, files.origin, files.tokenizer_origin)
    assert [pin.sha256 for pin in pins.encoders] == [files.origin.sha256]


def test_folders_and_generated_tasks_are_not_locked(mirror: Sources, task: TaskConfig, encoder: EncoderConfig) -> None:
    assert mirror.mirror is not None
    folder = EncoderConfig(name="mine", checkpoint=str(mirror.mirror / "org/model"))
    files, scratch = pretrained.find(folder, mirror), pretrained.find(encoder, mirror)
    pins = Pins().with_encoder(folder, files.origin, files.tokenizer_origin)
    pins = pins.with_encoder(encoder, scratch.origin, scratch.tokenizer_origin)
    assert pins.with_data(task, tables.load(task, mirror).origin) == Pins()


@pytest.mark.parametrize(
    "content",
    [
        "encoders: [",
        "encoders: 3",
        "other: []",
        "encoders: [{checkpoint: a, sha256: b}]",
        f"encoders: {'[' * 5000}",
        "encoders: 2024-13-45",
        "encoders: []\nencoders: []",
    ],
    ids=lambda content: content[:20],
)
def test_a_file_that_is_no_lock_file_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / LOCK_FILE).write_text(content)
    with pytest.raises(InvalidConfig, match="bertspec.lock"):
        Pins.beside(tmp_path)


def test_two_pins_of_one_name_are_refused(locked: Sources, tmp_path: Path) -> None:
    (pin,) = locked.pins.encoders
    dataclasses.replace(locked.pins, encoders=(pin, pin)).write(tmp_path / LOCK_FILE)
    with pytest.raises(InvalidConfig, match="it pins the same name twice; given: 'org/model'"):
        Pins.beside(tmp_path)


@pytest.mark.parametrize("kind", ["pipe", "folder", "dangling"])
def test_a_lock_file_that_cannot_be_read_is_not_taken_for_none(tmp_path: Path, kind: str) -> None:
    file = tmp_path / LOCK_FILE
    {"pipe": lambda: os.mkfifo(file), "folder": file.mkdir, "dangling": lambda: file.symlink_to("no")}[kind]()
    with pytest.raises(InvalidConfig, match="bertspec.lock"):
        Pins.beside(tmp_path)


def test_a_lock_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "a file").touch()
    with pytest.raises(StoreError, match="the lock file cannot be written"):
        Pins().write(tmp_path / "a file" / LOCK_FILE)
