from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock

from bertspec import models
from bertspec.config import EncoderConfig, TaskConfig
from bertspec.data import tokens
from bertspec.data.tokens import Examples, Tokens, encode, read
from bertspec.errors import DataError
from bertspec.sources import Sources, pretrained

PAIR = {"text": "a", "text_pair": "b", "label": "y"}


@pytest.fixture
def pair(task: TaskConfig) -> TaskConfig:
    return task.model_copy(update=PAIR)


@pytest.fixture
def regression(pair: TaskConfig) -> TaskConfig:
    return pair.model_copy(update={"head": "regression", "labels": (), "metrics": ("pearson",)})


def test_texts_and_labels_keep_the_order_of_the_rows(pair: TaskConfig) -> None:
    examples = read({"a": ["x", "z"], "b": ["v", "w"], "y": [1, "negative"]}, pair, "train")
    assert (examples.texts, examples.pairs, examples.labels.tolist()) == (["x", "z"], ["v", "w"], [1.0, 0.0])
    assert len(examples) == 2


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"a": [], "b": [], "y": []}, "the split is empty; allowed: at least one row; where: split 'train'"),
        ({"a": ["x", " "], "b": ["v", "w"], "y": [0, 1]}, "a text is empty; given: ' '.*row 1, column 'a'"),
        ({"a": ["x", "z"], "b": ["v", None], "y": [0, 1]}, "a text is missing.*row 1, column 'b'"),
        ({"a": ["x", 3], "b": ["v", "w"], "y": [0, 1]}, "a value of type int is no text; given: 3"),
        ({"a": ["x", "\udce9"], "b": ["v", "w"], "y": [0, 1]}, "not UTF-8, or has half of a surrogate pair.*row 1"),
        ({"a": ["x"], "b": ["v"], "y": [2]}, "unknown label; given: 2; allowed: 0 to 1, or one of negative, pos"),
        ({"a": ["x"], "b": ["v"], "y": [-1]}, "unknown label; given: -1"),
        ({"a": ["x"], "b": ["v"], "y": ["neutral"]}, "unknown label; given: 'neutral'"),
        ({"a": ["x"], "b": ["v"], "y": [0.5]}, "unknown label; given: 0.5"),
        ({"a": ["x"], "b": ["v"], "y": [None]}, "a label is missing"),
    ],
)
def test_a_row_that_does_not_fit_is_refused_with_its_place(
    pair: TaskConfig, table: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(table, pair, "train")


@pytest.mark.parametrize("label", ["4,5", "", None, float("nan"), float("inf"), True])
def test_a_regression_label_is_a_finite_number(regression: TaskConfig, label: object) -> None:
    with pytest.raises(DataError, match="allowed: a finite number"):
        read({"a": ["x"], "b": ["v"], "y": [label]}, regression, "train")


def test_numbers_to_regress_are_kept(regression: TaskConfig) -> None:
    assert read({"a": ["x", "y"], "b": ["v", "w"], "y": [4.25, "3"]}, regression, "train").labels.tolist() == [
        4.25,
        3.0,
    ]


EXAMPLES = Examples(["the plot is dull .", "the cast is not witty"], ["it was .", "yet"], np.zeros(2))


@pytest.fixture
def tokenizer(encoder: EncoderConfig, nowhere: Sources) -> Any:
    return models.load_tokenizer(pretrained.find(encoder, nowhere))


def made(tokenizer: Any, cache: Path | None = None, examples: Examples = EXAMPLES, max_length: int = 32) -> Tokens:
    return encode(tokenizer, examples, max_length=max_length, key="k", cache=cache)


def same(one: Tokens, two: Tokens) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(two, name)) for name in ("ids", "types", "offsets"))


def test_ids_are_those_of_the_tokenizer(tokenizer: Any) -> None:
    tokens = made(tokenizer)
    pair = EXAMPLES.pairs[1] if EXAMPLES.pairs else None
    expected = tokenizer(EXAMPLES.texts[1], pair, return_token_type_ids=True)
    assert tokens.ids[tokens.offsets[1] : tokens.offsets[2]].tolist() == expected["input_ids"]
    assert tokens.types[tokens.offsets[1] : tokens.offsets[2]].tolist() == expected["token_type_ids"]
    assert len(tokens) == 2


def test_texts_that_are_tokenized_in_parts_have_the_same_ids(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = made(tokenizer)
    monkeypatch.setattr("bertspec.data.tokens._TEXTS_AT_ONCE", 1)
    assert same(made(tokenizer), whole)


def test_long_texts_are_truncated(tokenizer: Any) -> None:
    assert made(tokenizer, max_length=6).lengths.tolist() == [6, 6]


def test_cached_ids_equal_fresh_ones(tokenizer: Any, tmp_path: Path) -> None:
    fresh = made(tokenizer)
    assert same(made(tokenizer, tmp_path), fresh)
    assert same(made(tokenizer, tmp_path), fresh)
    assert len(list(tmp_path.glob("[!.]*"))) == 1


def test_the_cache_is_read_and_not_made_again(tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    many = Examples([f"the plot is {number} ." for number in range(100)], None, np.zeros(100))
    fresh = made(tokenizer, tmp_path, many)
    counts: list[int] = []
    honest = tokens._tokenize
    monkeypatch.setattr(tokens, "_tokenize", lambda t, few, m: counts.append(len(few)) or honest(t, few, m))
    assert same(made(tokenizer, tmp_path, many), fresh)
    assert counts == [16]  # those that are compared


@pytest.mark.parametrize(
    "other",
    [
        {"examples": Examples(EXAMPLES.texts, ["it was .", "but"], np.zeros(2))},
        {"examples": Examples([*EXAMPLES.texts, "it was .", "yet"], None, np.zeros(4))},
        {"max_length": 31},
    ],
    ids=["a text", "pairs or not", "length"],
)
def test_whatever_changes_the_ids_changes_the_key(tokenizer: Any, tmp_path: Path, other: dict[str, Any]) -> None:
    made(tokenizer, tmp_path)
    made(tokenizer, tmp_path, **other)
    assert len(list(tmp_path.glob("[!.]*"))) == 2


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "empty"])
def test_a_damaged_cache_is_made_again(tokenizer: Any, tmp_path: Path, damage: str) -> None:
    made(tokenizer, tmp_path)
    file = next(tmp_path.glob("[!.]*")) / "ids.npy"
    content = bytearray(file.read_bytes())
    if damage == "flip":
        content[-1] ^= 1
        file.write_bytes(content)
    elif damage == "remove":
        file.unlink()
    else:
        file.write_bytes(content[: len(content) // 2 * (damage == "truncate")])
    assert same(made(tokenizer, tmp_path), made(tokenizer))


def plant(folder: Path, ids: Any, types: Any, offsets: Any) -> None:
    """Replace cached ids, with the hash that belongs to them."""
    digest = hashlib.sha256()
    for name, array in (("ids", ids), ("types", types), ("offsets", offsets)):
        np.save(folder / f"{name}.npy", array)
        digest.update(array.tobytes())
    (folder / "sha256").write_text(digest.hexdigest())


POISON: dict[str, Callable[[Tokens], tuple[Any, Any, Any]]] = {
    "another id": lambda t: (np.where(t.ids > 5, 6, t.ids), t.types, t.offsets),
    "an id beyond the vocabulary": lambda t: (np.full_like(t.ids, 10**6), t.types, t.offsets),
    "another type": lambda t: (t.ids, np.full_like(t.types, 7), t.offsets),
    "fewer types": lambda t: (t.ids, t.types[1:], t.offsets),
    "fewer examples": lambda t: (t.ids, t.types, t.offsets[[0, -1]]),
    "no example": lambda t: (t.ids, t.types, t.offsets[:0]),
    "falling offsets": lambda t: (t.ids, t.types, t.offsets[::-1].copy()),
    "offsets beyond the end": lambda t: (t.ids, t.types, t.offsets * 1000),
    "wide ids": lambda t: (t.ids.astype(np.int64), t.types, t.offsets),
    "two dimensions": lambda t: (t.ids[None], t.types, t.offsets),
}


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON)
def test_a_poisoned_cache_is_made_again(
    poison: Callable[[Tokens], tuple[Any, Any, Any]], tokenizer: Any, tmp_path: Path
) -> None:
    fresh = made(tokenizer, tmp_path)
    folder = next(tmp_path.glob("[!.]*"))
    plant(folder, *poison(fresh))
    assert same(made(tokenizer, tmp_path), fresh)
    again = tokens._read(folder)
    assert again is not None
    assert same(again, fresh)


@pytest.mark.parametrize("kind", ["pipe", "link", "large", "no array"])
@pytest.mark.parametrize("name", ["ids.npy", "sha256"])
def test_what_is_planted_in_a_cache_blocks_nobody_and_leads_nowhere(
    kind: str, name: str, tokenizer: Any, tmp_path: Path
) -> None:
    fresh = made(tokenizer, tmp_path / "cache")
    file = next((tmp_path / "cache").glob("[!.]*")) / name
    moved = file.rename(tmp_path / "elsewhere")
    before = moved.read_bytes()
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "link":
        file.symlink_to(moved)
    elif kind == "large":
        with file.open("wb") as stream:
            stream.truncate(1 << 40)
    else:
        file.write_bytes(b"\x93NUMPY\x01\x00\x10\x00" + b"(" * 100)
    assert same(made(tokenizer, tmp_path / "cache"), fresh)
    assert not file.is_symlink()
    assert moved.read_bytes() == before


def test_a_lock_that_is_a_link_leads_nowhere(tokenizer: Any, tmp_path: Path) -> None:
    made(tokenizer, tmp_path / "cache")
    folder = next((tmp_path / "cache").glob("[!.]*"))
    shutil.rmtree(folder)
    (tmp_path / "victim").write_text("precious")
    lock = tmp_path / "cache" / f".{folder.name}.lock"
    lock.unlink()
    lock.symlink_to(tmp_path / "victim")
    made(tokenizer, tmp_path / "cache")
    assert folder.is_dir()
    assert (tmp_path / "victim").read_text() == "precious"


def test_a_cache_that_another_process_is_writing_is_not_waited_for(tokenizer: Any, tmp_path: Path) -> None:
    fresh = made(tokenizer, tmp_path)
    folder = next(tmp_path.glob("[!.]*"))
    shutil.rmtree(folder)
    with FileLock(folder.with_name(f".{folder.name}.lock")):
        assert same(made(tokenizer, tmp_path), fresh)
    assert not folder.exists()


def test_text_that_the_tokenizer_does_not_know_is_refused(tokenizer: Any) -> None:
    with pytest.raises(DataError, match="100% unknown tokens"):
        made(tokenizer, examples=Examples(["это кино", "очень"], None, np.zeros(2)))


def test_a_cache_that_cannot_be_written_costs_a_warning(
    tokenizer: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    assert same(made(tokenizer, tmp_path / "file" / "below"), made(tokenizer))
    assert "token ids are not cached" in caplog.text


def test_what_a_killed_writer_left_behind_is_swept_away(tokenizer: Any, tmp_path: Path) -> None:
    made(tokenizer, tmp_path)
    folder = next(tmp_path.glob("[!.]*"))
    folder.rename(tmp_path / f".draft-{folder.name}")
    made(tokenizer, tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [folder.name]


def test_a_text_of_a_hundred_thousand_characters_is_cut(tokenizer: Any, tmp_path: Path) -> None:
    long = Examples(["the film was good " * 6_000, "it was ."], None, np.zeros(2))
    assert made(tokenizer, tmp_path, examples=long).lengths.tolist()[0] == 32
