"""A data file, or a folder of them → the files of each split, as its README declares them or as their names say.

The rules are those of the datasets library, so that a folder, a mirror and the hub mean the same. No script in a folder
is ever run.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any

from bertspec import documents
from bertspec.errors import DataError
from bertspec.files import is_folder, read_regular
from bertspec.sources.rows import SUFFIXES, suffix_of

__all__ = ["DataFiles", "find"]

_KEYWORDS: Mapping[str, Sequence[str]] = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}
"""The words in the names of folders and files that stand for a split."""
_SHARD = re.compile(r"data/(\w+(?:\.\w+)*)-\d{5}-of-\d{5}[^/]*\.[^/]*")
_BESIDE = {"config.json", "dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"}
"""Files that describe a data set."""
_LARGEST_README = 10_000_000
_FIELDS = {"config_name", "data_files", "data_dir", "default", "delimiter", "description", "features", "sep", "version"}
"""The fields of a subset that are read, or that change nothing."""

Splits = dict[str, tuple[Path, ...]]


@dataclass(frozen=True, slots=True)
class DataFiles:
    """The files of a data set."""

    root: Path
    """The folder that holds them."""
    splits: tuple[tuple[str, tuple[Path, ...]], ...]
    """For each split, its files, in the order of their rows."""
    separator: str | None = None
    """What separates the cells of CSV, where the README says it."""
    class_names: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """For each column of classes, their names in the order of their numbers, where the README says them."""

    def of(self, split: str) -> tuple[Path, ...]:
        """The files of a split.

        Raises:
            DataError: there is no such split, it has no file, or its files are of several kinds.
        """
        splits = dict(self.splits)
        if split not in splits:
            raise DataError("the data set has no such split", given=split, allowed=", ".join(splits), where=self.root)
        kinds = sorted({suffix_of(file) or file.suffix for file in splits[split]})
        if len(kinds) != 1:
            raise DataError(
                f"the split has {'files of several kinds' if kinds else 'no file'}",
                given=f"{split}: {', '.join(kinds)}" if kinds else split,
                allowed=f"files of one kind: {', '.join(SUFFIXES)}",
                where=self.root,
            )
        return splits[split]


def find(path: Path, subset: str | None) -> DataFiles:
    """The splits of a data file, which is all ``train``, or of a folder.

    Args:
        path: the file or the folder.
        subset: the configuration that the folder's README declares.

    Raises:
        DataError: the README cannot be understood, there is no such subset, or no data file.
    """
    if not is_folder(path):
        return DataFiles(path.parent, (("train", (path,)),))
    card = _card(path)
    config = _config(card, subset, path)
    root = _inside(path, str(config.get("data_dir", "")))
    declared = config.get("data_files")
    splits = _inferred(root) if declared is None else _declared(declared, root)
    separator = config.get("sep", config.get("delimiter"))
    if separator is not None and (not isinstance(separator, str) or len(separator) != 1):
        raise DataError("sep: is one character", given=separator, where=path / "README.md")
    return DataFiles(root, tuple(splits.items()), separator, _class_names(card, config))


def _inside(root: Path, name: str) -> Path:
    if "://" in name or Path(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise DataError("a data file lies outside the folder", given=name, where=root)
    return root / name


# What the names of the files say.


def _inferred(root: Path) -> Splits:
    """Shards first, then words in the names of folders, then words in the names of files; else it is all ``train``."""
    names = [name for name in _listed(root) if suffix_of(name)]
    if not names:
        raise DataError(
            "the folder has no data file; a script is never run",
            given=", ".join(_listed(root)[:5]) or None,
            allowed=", ".join(SUFFIXES),
            where=root,
        )
    shards = {name: match[1] for name in names if (match := _SHARD.fullmatch(name))}
    if shards:
        order = sorted(set(shards.values()), key=lambda split: ([*_KEYWORDS, split].index(split), split))
        return {split: tuple(root / name for name in names if shards.get(name) == split) for split in order}
    folders = {name: name.split("/")[:-1] for name in names}
    files = {name: name.split("/")[-1:] for name in names}
    for parts, end in ((folders, "([-._ 0-9]|$)"), (files, "[-._ 0-9]")):
        splits = {split: tuple(_with_word(root, parts, words, end)) for split, words in _KEYWORDS.items()}
        if any(splits.values()):
            return {split: files for split, files in splits.items() if files}
    return {"train": tuple(root / name for name in names)}


def _with_word(root: Path, parts_of: Mapping[str, Iterable[str]], words: Sequence[str], end: str) -> Iterator[Path]:
    """The files one part of whose path has one of the words between separators."""
    word = re.compile(f"(^|[-._ 0-9])({'|'.join(words)}){end}")
    return (root / name for name, parts in parts_of.items() if any(word.search(part) for part in parts))


def _listed(root: Path) -> list[str]:
    """The paths of all visible files below a folder, sorted; links to folders are not followed."""
    names = []
    for folder, below, files in os.walk(root):
        below[:] = [name for name in below if not name.startswith((".", "__"))]
        inside = Path(folder).relative_to(root)
        names += [(inside / name).as_posix() for name in files if not name.startswith(".") and name not in _BESIDE]
    return sorted(names)


# What a README declares.


def _card(folder: Path) -> dict[str, Any]:
    """The fields ``configs`` and ``dataset_info`` of a README's header, and of a ``.huggingface.yaml``."""
    card: dict[str, Any] = {}
    readme, beside = folder / "README.md", folder / ".huggingface.yaml"
    if readme.is_file():
        fields = "\n".join(_fields(_header(readme)))
        card |= _mapping(documents.parse_yaml(fields, what="the header", where=readme, error=DataError), readme)
    if beside.is_file():
        card |= _mapping(documents.load_yaml(beside, error=DataError).value, beside)
    return card


def _header(readme: Path) -> list[str]:
    try:
        lines = read_regular(readme, limit=_LARGEST_README).decode("utf-8-sig").splitlines()
    except OSError as cause:
        raise DataError(f"the README cannot be read: {cause.strerror or cause}", where=readme) from cause
    except UnicodeDecodeError as cause:
        raise DataError("the README is not UTF-8", where=readme) from cause
    return lines[1 : lines.index("---", 1)] if lines[:1] == ["---"] and "---" in lines[1:] else []


def _fields(lines: Iterable[str]) -> Iterator[str]:
    """The lines of the two fields that say where the rows are; a mistake in another field is no concern here."""
    inside = False
    for line in lines:
        if line[:1] not in ("", " ", "\t", "-", "#"):
            inside = line.startswith(("configs:", "dataset_info:"))
        if inside:
            yield line


def _mapping(value: Any, where: Path) -> dict[str, Any]:
    if value is not None and not isinstance(value, dict):
        raise DataError("the header has no fields", given=type(value).__name__, where=where)
    return value or {}


def _config(card: Mapping[str, Any], subset: str | None, folder: Path) -> dict[str, Any]:
    """The fields of a subset; empty where none is declared."""
    configs = card.get("configs") or []
    if not isinstance(configs, list) or not all(isinstance(config, dict) for config in configs):
        raise DataError("configs: is a list of subsets", given=type(configs).__name__, where=folder / "README.md")
    named: dict[str, dict[str, Any]] = {str(config.get("config_name")): config for config in configs}
    if not named and subset is not None and subset not in _described(card):
        raise DataError("the data set declares no subsets", given=subset, allowed="no subset", where=folder)
    if not named:
        return {}
    name = _default(named) if subset is None else subset
    if name not in named:
        problem = "the data set has several subsets" if name is None else "the data set has no such subset"
        raise DataError(problem, given=name, allowed=f"subset: {', '.join(named)}", where=folder)
    unknown = named[name].keys() - _FIELDS
    if unknown:
        raise DataError(
            "the README declares a way of reading that is not known",
            given=", ".join(sorted(unknown)),
            allowed=", ".join(sorted(_FIELDS)),
            where=f"{folder / 'README.md'}, subset {name!r}",
        )
    return named[name]


def _default(named: Mapping[str, Mapping[str, Any]]) -> str | None:
    if len(named) == 1:
        return next(iter(named))
    defaults = [name for name, config in named.items() if name == "default" or config.get("default")]
    return defaults[0] if len(defaults) == 1 else None


def _declared(data_files: Any, root: Path) -> Splits:
    """``data_files``: a path or several, which are all ``train``, or paths for each split."""
    entries = data_files if isinstance(data_files, list) else [data_files]
    if all(isinstance(entry, str) for entry in entries):
        return {"train": _resolved(entries, root)}
    splits: Splits = {}
    for entry in entries:
        split, paths = (entry.get("split"), entry.get("path")) if isinstance(entry, dict) else (None, None)
        listed = paths if isinstance(paths, list) else [paths]
        if not isinstance(split, str) or split in splits or not all(isinstance(path, str) for path in listed):
            raise DataError(
                "data_files: is not understood",
                given=str(entry)[:80],
                allowed="a path, or a list of {split: …, path: …}, each split once",
                where=f"the README of {root}",
            )
        splits[split] = _resolved(map(str, listed), root)
    return splits


def _resolved(patterns: Iterable[str], root: Path) -> tuple[Path, ...]:
    """The files that paths stand for; in them, ``*`` stands for a part of a name and ``**`` for folders."""
    files: dict[Path, None] = {}
    for pattern in patterns:
        path = _inside(root, pattern)
        parts = PurePosixPath(pattern).parts
        if any(mark in pattern for mark in "*?["):
            names = [name for name in _listed(root) if suffix_of(name)]
            files |= dict.fromkeys(root / name for name in names if _matches(PurePosixPath(name).parts, parts))
        else:
            files[path] = None
    return tuple(files)


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern or not parts:
        return not (pattern or parts)
    if pattern[0] == "**":
        rest = pattern[1:] or ("*",)
        return any(_matches(parts[at:], rest) for at in range(len(parts)))
    return fnmatchcase(parts[0], pattern[0]) and _matches(parts[1:], pattern[1:])


def _described(card: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Subset → its ``dataset_info``."""
    infos = card.get("dataset_info") or []
    listed = infos if isinstance(infos, list) else [infos]
    return {str(info.get("config_name", "default")): info for info in listed if isinstance(info, dict)}


def _class_names(card: Mapping[str, Any], config: Mapping[str, Any]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    described = _described(card)
    alone = next(iter(described.values())) if len(described) == 1 else {}
    features = config.get("features") or described.get(str(config.get("config_name")), alone).get("features")
    listed = [feature for feature in features if isinstance(feature, dict)] if isinstance(features, list) else []
    named = ((str(feature.get("name")), _names(feature.get("dtype"))) for feature in listed)
    return tuple((column, names) for column, names in named if names)


def _names(kind: Any) -> tuple[str, ...]:
    """The names of the classes of a column's type; empty for another type."""
    classes = kind.get("class_label") if isinstance(kind, dict) else None
    names = classes.get("names") if isinstance(classes, dict) else None
    if isinstance(names, dict):  # from numbers to names
        names = [name for _, name in sorted(names.items(), key=lambda item: (len(item[0]), item[0]))]
    return tuple(map(str, names)) if isinstance(names, list) else ()
