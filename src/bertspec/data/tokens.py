"""The columns of a split → texts and targets that fit the task; texts → token ids, computed once and cached."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from random import SystemRandom
from tokenize import TokenError
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from bertspec.config import TaskConfig
from bertspec.errors import DataError
from bertspec.files import atomic_folder, open_regular, own_folder, read_regular, unlink_irregular
from bertspec.printing import is_unicode
from bertspec.sources.tables import Table

__all__ = ["Examples", "Tokens", "check_text", "encode", "read"]


_log = logging.getLogger(__name__)

_LAYOUT = 1
"""Increased when the meaning of a cached file changes."""

_TEXTS_AT_ONCE = 10_000

_ARRAYS: dict[str, type[np.generic]] = {"ids": np.int32, "types": np.int8, "offsets": np.int64}
_CHECKED = 16
"""Examples that are tokenized to check a cache."""


@dataclass(frozen=True, slots=True)
class Examples:
    """The examples of one split, in row order."""

    texts: list[str]
    pairs: list[str] | None
    """The second texts; None for a task of single texts."""
    labels: NDArray[np.float64]
    """The head's targets, shape (examples,): class numbers, or numbers to regress."""

    def take(self, rows: Sequence[int]) -> Examples:
        """Some of the examples, in the order of these rows."""
        pairs = None if self.pairs is None else [self.pairs[row] for row in rows]
        return Examples([self.texts[row] for row in rows], pairs, self.labels[list(rows)])

    def __len__(self) -> int:
        return len(self.texts)


def read(table: Table, task: TaskConfig, split: str) -> Examples:
    """Check every row of a split against its task.

    Raises:
        DataError: the split is empty, a text is empty or missing, or a label does not fit the head.
    """
    where = f"split {split!r} of task {task.name!r}"
    if not table[task.text]:
        raise DataError("the split is empty", allowed="at least one row", where=where)
    return Examples(
        texts=_texts(table[task.text], task.text, where),
        pairs=None if task.text_pair is None else _texts(table[task.text_pair], task.text_pair, where),
        labels=task.task_head.targets(table[task.label], where=f"column {task.label!r}, {where}"),
    )


def check_text(value: object, *, where: str) -> str:
    """A text that a tokenizer can read.

    Raises:
        DataError: it is missing, empty, of another type, or not Unicode.
    """
    if isinstance(value, str) and value.strip() and (value.isascii() or is_unicode(value)):
        return value
    if not isinstance(value, str):
        problem = "a text is missing" if value is None else f"a value of type {type(value).__name__} is no text"
    else:
        problem = "a text is not UTF-8, or has half of a surrogate pair" if value.strip() else "a text is empty"
    raise DataError(problem, given=value, allowed="some text", where=where)


def _texts(values: Sequence[Any], column: str, where: str) -> list[str]:
    return [check_text(value, where=f"row {row}, column {column!r}, {where}") for row, value in enumerate(values)]


@dataclass(frozen=True, slots=True)
class Tokens:
    """The token ids of a split, without padding, one example after the other."""

    ids: NDArray[np.int32]
    """Shape (tokens,)."""
    types: NDArray[np.int8]
    """Shape (tokens,): 0 for the first text, 1 for the second of a pair."""
    offsets: NDArray[np.int64]
    """Shape (examples + 1,): example i is ``ids[offsets[i]:offsets[i + 1]]``."""

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens per example, special tokens included."""
        return np.diff(self.offsets)

    def lengths_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Tokens per example of some rows, shape (rows,)."""
        lengths: NDArray[np.int64] = self.offsets[rows + 1] - self.offsets[rows]
        return lengths

    def take(self, rows: NDArray[np.int64]) -> Tokens:
        """Some of the examples, in the order of these rows."""
        lengths = self.lengths_of(rows)
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        sources = np.arange(int(offsets[-1])) + np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        return Tokens(self.ids[sources], self.types[sources], offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1


def encode(tokenizer: Any, examples: Examples, *, max_length: int, key: str, cache: Path | None) -> Tokens:
    """Tokenize every example, truncated to ``max_length``.

    Args:
        tokenizer: a fast tokenizer of the transformers library.
        examples: the texts.
        max_length: tokens per example at most, special tokens included.
        key: what else the ids depend on: the tokenizer's hash and library version.
        cache: the folder to cache them in, or None; if it cannot be written, a warning is logged.

    Raises:
        DataError: more than half of the tokens are unknown to the tokenizer.
    """
    if cache is None:
        return _known(tokenizer, examples, max_length)
    folder = cache / _cache_key(examples, max_length, key)
    cached = _read(folder)
    if cached is not None:
        if _is_of(cached, tokenizer, examples, max_length):
            return cached
        _log.warning("the token ids cached in %s are not those of their texts, and are made again", folder)
    tokens = _known(tokenizer, examples, max_length)
    try:
        _write(tokens, folder)
    except OSError as refusal:
        _log.warning("token ids are not cached in %s: %s", cache, refusal)
    return tokens


def _known(tokenizer: Any, examples: Examples, max_length: int) -> Tokens:
    """Tokenize, and refuse texts that the tokenizer does not know."""
    tokens = _tokenize(tokenizer, examples, max_length)
    _refuse_unknown(tokens.ids, tokenizer, examples.texts[0])
    return tokens


def _tokenize(tokenizer: Any, examples: Examples, max_length: int) -> Tokens:
    """Tokenize in parts: what the tokenizers library returns takes a kilobyte for each token."""
    ids, types, lengths = [], [], [0]
    for first in range(0, len(examples), _TEXTS_AT_ONCE):
        part = slice(first, first + _TEXTS_AT_ONCE)
        encoded = tokenizer(
            examples.texts[part],
            None if examples.pairs is None else examples.pairs[part],
            truncation=True,
            max_length=max_length,
            return_attention_mask=False,
            return_token_type_ids=True,
        )
        ids.append(np.fromiter(chain.from_iterable(encoded["input_ids"]), dtype=np.int32))
        types.append(np.fromiter(chain.from_iterable(encoded["token_type_ids"]), dtype=np.int8))
        lengths += map(len, encoded["input_ids"])
    return Tokens(np.concatenate(ids), np.concatenate(types), np.cumsum(lengths, dtype=np.int64))


def _refuse_unknown(ids: NDArray[np.int32], tokenizer: Any, text: str) -> None:
    special = np.isin(ids, [i for i in tokenizer.all_special_ids if i != tokenizer.unk_token_id])
    share = float((ids[~special] == tokenizer.unk_token_id).mean()) if (~special).any() else 0.0
    if share > 0.5:
        raise DataError(
            "the encoder's tokenizer does not know this text",
            given=f"{share:.0%} unknown tokens; the first text is {text[:60]!r}",
            allowed="at most 50%; an encoder from scratch knows the words of the bundled tasks only",
        )


def _cache_key(examples: Examples, max_length: int, key: str) -> str:
    digest = hashlib.sha256(json.dumps([_LAYOUT, key, max_length, examples.pairs is not None]).encode())
    for text in (*examples.texts, *(examples.pairs or ())):
        digest.update(f"{len(text)}:{text}".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _write(tokens: Tokens, folder: Path) -> None:
    lock = folder.with_name(f".{folder.name}.lock")
    own_folder(folder.parent).mkdir(parents=True, exist_ok=True)
    unlink_irregular(lock)
    # Without waiting: the process that holds the lock writes the same ids.
    with contextlib.suppress(Timeout), FileLock(lock, timeout=0), atomic_folder(folder) as draft:
        digest = hashlib.sha256()
        for name in _ARRAYS:
            array = getattr(tokens, name)
            np.save(draft / f"{name}.npy", array, allow_pickle=False)
            digest.update(array.tobytes())
        (draft / "sha256").write_text(digest.hexdigest(), "ascii")


def _read(folder: Path) -> Tokens | None:
    """Read the cached ids; None if they are missing or damaged."""
    try:
        own_folder(folder)
        arrays = [_mapped(folder / f"{name}.npy", kind) for name, kind in _ARRAYS.items()]
        expected = read_regular(folder / "sha256", limit=64, follow=False).decode("ascii")
    except (OSError, ValueError, EOFError):
        return None
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(array.data)
    return Tokens(*arrays) if digest.hexdigest() == expected else None


def _mapped(file: Path, kind: type[np.generic]) -> NDArray[Any]:
    """Read a one-dimensional array without pickles: numpy refuses files that hold objects.

    Raises:
        OSError: it is a link, a pipe or a device, or cannot be read.
        ValueError: it is another kind of array.
    """
    open_regular(file, follow=False).close()
    try:
        array: NDArray[Any] = np.load(file, mmap_mode="r", allow_pickle=False)  # noqa: TID251
    except (SyntaxError, TokenError) as damage:  # the header is Python code
        raise ValueError("the array has no header") from damage
    if array.dtype != kind or array.ndim != 1:
        raise ValueError("the array has another type or shape")
    return array


def _is_of(tokens: Tokens, tokenizer: Any, examples: Examples, max_length: int) -> bool:
    """Whether cached ids fit the examples in number and range, and are those of some examples that nobody can foresee.

    Others may write in the cache, and its hash with it.
    """
    if (
        len(tokens.offsets) != len(examples) + 1
        or int(tokens.offsets[0]) != 0
        or int(tokens.offsets[-1]) != len(tokens.ids)
    ):
        return False
    if len(tokens.types) != len(tokens.ids) or not 0 <= tokens.lengths.min() <= tokens.lengths.max() <= max_length:
        return False
    if not 0 <= tokens.ids.min(initial=0) <= tokens.ids.max(initial=0) < len(tokenizer):
        return False
    chosen = SystemRandom().sample(range(len(examples)), min(len(examples), _CHECKED))
    fresh = _tokenize(tokenizer, examples.take(chosen), max_length)
    cached = tokens.take(np.array(chosen, dtype=np.int64))
    return all(np.array_equal(getattr(fresh, name), getattr(cached, name)) for name in _ARRAYS)
