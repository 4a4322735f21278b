"""The lock file: the revision and the content hash behind every hub name.

``bertspec lock`` writes it. If the root folder has one, runs use exactly what it promises, from whichever source, or
refuse to start.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

import yaml
from pydantic import Field

from bertspec.config import EncoderConfig, TaskConfig
from bertspec.documents import load_yaml
from bertspec.errors import HashMismatch, InvalidConfig, StoreError
from bertspec.files import write_atomic
from bertspec.records import FrozenRecord, validate
from bertspec.results import Origin

__all__ = ["LOCK_FILE", "DataPin", "EncoderPin", "Pins"]

LOCK_FILE = "bertspec.lock"
"""The name of the lock file, in the folder that holds the feature files."""

_PROBLEM = "the lock file is not understood"
_HEADER = "# Written by `bertspec lock`. Runs use exactly what is written here, or refuse to start.\n"

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Pin(FrozenRecord):
    asked: str | None = None
    """The revision that the config asked for when the lock was made."""
    revision: str | None = None
    """The commit that the hub resolved; None for a mirror or an installed package."""
    sha256: Sha256
    """The hash of the content: of weights and configuration, or of the rows."""


P = TypeVar("P", bound=_Pin)


class EncoderPin(_Pin):
    """The content behind the id of a checkpoint."""

    checkpoint: str
    tokenizer_sha256: Sha256


class DataPin(_Pin):
    """The content behind a data set's id: the splits and columns that a task reads."""

    dataset: str
    subset: str | None = None
    splits: tuple[str, str]
    columns: tuple[str, ...]


class _File(FrozenRecord):
    encoders: tuple[EncoderPin, ...] = ()
    data: tuple[DataPin, ...] = ()


@dataclass(frozen=True, slots=True)
class Pins:
    """The pins of a lock file; empty without one."""

    encoders: tuple[EncoderPin, ...] = ()
    data: tuple[DataPin, ...] = ()
    file: Path | None = None
    """The lock file."""

    @classmethod
    def beside(cls, folder: Path) -> Self:
        """The pins of a folder's lock file; empty if it has none.

        Raises:
            InvalidConfig: the file is not a lock file.
        """
        file = folder / LOCK_FILE
        if not os.path.lexists(file):  # anything else with that name is read or refused: it may hold a promise
            return cls()
        values = load_yaml(file, what="the lock file", allowed="what `bertspec lock` writes").value
        content = validate(_File, values, where=file, problem=_PROBLEM)
        _refuse_two_of_one(content, file)
        return cls(content.encoders, content.data, file)

    def write(self, file: Path) -> None:
        """Write a lock file, for people to review.

        Raises:
            StoreError: it cannot be written.
        """
        content: dict[str, Any] = {
            "encoders": [pin.model_dump(mode="json", exclude_none=True) for pin in self.encoders],
            "data": [pin.model_dump(mode="json", exclude_none=True) for pin in self.data],
        }
        try:
            write_atomic(file, _HEADER + yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
        except OSError as refusal:
            raise StoreError(f"the lock file cannot be written: {refusal.strerror}", where=file) from refusal

    def with_encoder(self, encoder: EncoderConfig, origin: Origin, tokenizer: Origin) -> Pins:
        """These pins and that of an encoder, unless it has no hub id."""
        if encoder.checkpoint is None or origin.source == "folder":
            return self
        pin = EncoderPin(
            checkpoint=encoder.checkpoint,
            asked=encoder.revision,
            revision=origin.revision,
            sha256=origin.sha256,
            tokenizer_sha256=tokenizer.sha256,
        )
        others = [other for other in self.encoders if other.checkpoint != pin.checkpoint]
        return replace(self, encoders=tuple(sorted([*others, pin], key=lambda pin: pin.checkpoint)))

    def with_data(self, task: TaskConfig, origin: Origin) -> Pins:
        """These pins and that of a task's rows, unless the task is generated or its data are local."""
        changed = task.sabotage is not None or task.tuning_share is not None
        if task.generated is not None or changed or origin.source == "folder":
            return self
        pin = DataPin(**_key(task), asked=task.revision, revision=origin.revision, sha256=origin.sha256)
        others = [other for other in self.data if not _same(other, task)]
        return replace(self, data=tuple(sorted([*others, pin], key=lambda pin: pin.model_dump_json())))

    def of_encoder(self, encoder: EncoderConfig) -> EncoderPin | None:
        """The pin of an encoder's checkpoint, or None.

        Raises:
            HashMismatch: the lock was made for another revision.
        """
        pin = next((pin for pin in self.encoders if pin.checkpoint == encoder.checkpoint), None)
        return self._current(pin, encoder.revision, f"encoder {encoder.name!r}")

    def of_data(self, task: TaskConfig) -> DataPin | None:
        """The pin of a task's rows, or None.

        Raises:
            HashMismatch: the lock was made for another revision.
        """
        pin = next((pin for pin in self.data if _same(pin, task)), None)
        return self._current(pin, task.revision, f"task {task.name!r}")

    def check(self, promised: str | None, actual: str, what: str) -> None:
        """Refuse content that does not have the promised hash.

        Raises:
            HashMismatch: it has another hash.
        """
        if promised is not None and promised != actual:
            raise HashMismatch(
                f"{what} is not what the lock file promises",
                given=f"sha256 {actual}",
                allowed=f"sha256 {promised}, or a new lock: bertspec lock",
                where=self.file,
            )

    def _current(self, pin: P | None, asked: str | None, what: str) -> P | None:
        if pin is not None and pin.asked != asked:
            raise HashMismatch(
                f"{what} asks for another revision than the lock file was made for",
                given=asked or "no revision",
                allowed=f"{pin.asked or 'no revision'}, or a new lock: bertspec lock",
                where=self.file,
            )
        return pin


def _refuse_two_of_one(content: _File, file: Path) -> None:
    """Refuse two pins of the same checkpoint or rows: only one of them could be kept."""
    named: Iterable[tuple[Any, ...]] = (
        *((pin.checkpoint,) for pin in content.encoders),
        *((pin.dataset, pin.subset, pin.splits, pin.columns) for pin in content.data),
    )
    seen: set[tuple[Any, ...]] = set()
    for name in named:
        if name in seen:
            raise InvalidConfig(
                f"{_PROBLEM}: it pins the same name twice",
                given=name[0],
                allowed="one pin for a checkpoint, and one for the columns of a data set",
                where=file,
            )
        seen.add(name)


def _key(task: TaskConfig) -> dict[str, Any]:
    columns = (task.text, task.text_pair, task.label)
    return {
        "dataset": task.dataset,
        "subset": task.subset,
        "splits": (task.train_split, task.evaluation_split),
        "columns": tuple(dict.fromkeys(column for column in columns if column is not None)),
    }


def _same(pin: DataPin, task: TaskConfig) -> bool:
    return all(getattr(pin, name) == value for name, value in _key(task).items())
