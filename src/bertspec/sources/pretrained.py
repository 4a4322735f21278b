"""An encoder config → the files that define it, with their hashes checked."""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from bertspec.config import EncoderConfig
from bertspec.errors import HashMismatch, SourceError
from bertspec.files import sha256
from bertspec.results import Origin, Place
from bertspec.sources import hub, installed, weights
from bertspec.sources.locations import Locations

__all__ = ["EncoderFiles", "find"]

_TOKENIZER_FILES = (
    "added_tokens.json",
    "merges.txt",
    "special_tokens_map.json",
    "spiece.model",
    "spm.model",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "vocab.txt",
)


@dataclass(frozen=True, slots=True)
class EncoderFiles:
    """The files of one encoder."""

    folder: Path | None
    """The folder of a checkpoint; none for an encoder trained from scratch."""
    tokenizer: Path
    """The checkpoint's folder, or one tokenizer file."""
    origin: Origin
    """Where the weights, or the architecture, came from."""
    tokenizer_origin: Origin


def find(encoder: EncoderConfig, locations: Locations) -> EncoderFiles:
    """Locate an encoder's files: a folder, the mirror, what is installed, the hub.

    Raises:
        SourceError: the folder holds no usable checkpoint.
        HashMismatch: the weights are not those that ``encoder.sha256`` or the lock file promises.
        UnsafeCheckpoint: only pickled weights are there.
        Unreachable: nothing local holds it and the hub does not answer.
        UnknownName: the hub knows no such model.
    """
    if encoder.checkpoint is None:
        return _from_scratch(encoder)
    pin = locations.pins.of_encoder(encoder)
    asked = (pin.revision if pin else None) or encoder.revision
    folder, place, revision = _locate(encoder.checkpoint, asked, locations)
    shards = _weights(folder)
    digest = _digest(shards[0])
    if encoder.sha256 is not None and digest != encoder.sha256:
        raise HashMismatch(
            f"the weights of encoder {encoder.name!r} are not the promised ones",
            given=f"sha256 {digest}",
            allowed=f"sha256 {encoder.sha256}",
            where=shards[0],
        )
    name = encoder.checkpoint
    content = _digest_all([*shards, folder / "config.json"])
    vocabulary = _digest_all(_tokenizer_files(folder))
    if pin is not None:
        locations.pins.check(pin.sha256, content, f"the content of checkpoint {name!r}")
        locations.pins.check(pin.tokenizer_sha256, vocabulary, f"the tokenizer of checkpoint {name!r}")
    return EncoderFiles(
        folder=folder,
        tokenizer=folder,
        origin=Origin(name=name, place=place, revision=revision, sha256=content),
        tokenizer_origin=Origin(name=name, place=place, revision=revision, sha256=vocabulary),
    )


def _from_scratch(encoder: EncoderConfig) -> EncoderFiles:
    shape = json.dumps([encoder.family, dict(sorted(encoder.architecture.items()))])
    file = installed.tokenizer_file()
    return EncoderFiles(
        folder=None,
        tokenizer=file,
        origin=Origin(name=encoder.name, place="installed", sha256=hashlib.sha256(shape.encode()).hexdigest()),
        tokenizer_origin=Origin(name="bundled", place="installed", sha256=_digest(file)),
    )


def _locate(name: str, revision: str | None, locations: Locations) -> tuple[Path, Place, str | None]:
    if Path(name).is_absolute():
        return _existing(Path(name)), "folder", None
    if mirrored := locations.in_mirror(name):
        return mirrored, "mirror", None
    if packaged := installed.checkpoint(name):
        return packaged, "installed", None
    folder, commit = hub.checkpoint(name, revision, locations)
    return folder, "hub", commit


def _existing(folder: Path) -> Path:
    if not folder.is_dir():
        raise SourceError(
            "the checkpoint folder is not there",
            given=str(folder),
            allowed="a folder with model.safetensors, config.json and a tokenizer",
        )
    return folder


def _weights(folder: Path) -> list[Path]:
    weights.check((file.name for file in folder.iterdir()), folder)
    if not (folder / "config.json").is_file():
        raise SourceError("the checkpoint has no config.json", where=folder)
    return sorted(folder.glob(f"*{weights.SAFE}"))


def _tokenizer_files(folder: Path) -> list[Path]:
    files = [folder / name for name in _TOKENIZER_FILES if (folder / name).is_file()]
    if not files:
        raise SourceError("the checkpoint has no tokenizer", allowed=", ".join(_TOKENIZER_FILES), where=folder)
    return files


def _digest_all(files: list[Path]) -> str:
    parts = "\n".join(f"{file.name} {_digest(file)}" for file in files)
    return hashlib.sha256(parts.encode()).hexdigest()


def _digest(file: Path) -> str:
    facts = file.stat()
    return _digest_of(file, facts.st_size, facts.st_mtime_ns)


@functools.lru_cache(maxsize=256)
def _digest_of(file: Path, size: int, changed_ns: int) -> str:
    """Size and time are part of the key, so that an edited file is read again."""
    del size, changed_ns
    return sha256(file)
