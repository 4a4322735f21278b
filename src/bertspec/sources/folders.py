"""A data file, or a folder of them → the files of each split, as its README declares them or as their names say.

The rules are those of the datasets library, so that a folder, a mirror and the hub mean the same; what it would read
twice or leave out without a word is refused or called out. No script in a folder is ever run.
"""

from __future__ import annotations

import logging
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from bertspec import documents
from bertspec.errors import DataError
from bertspec.files import is_folder, read_regular
from bertspec.printing import warn_once
from bertspec.sources.rows import COMPRESSIONS, SUFFIXES, suffix_of

__all__ = ["CARDS", "DataFiles", "find"]

_log = logging.getLogger(__name__)

CARDS = ("README.md", ".huggingface.yaml")
"""The files that declare the subsets and the splits of a folder."""

_KEYWORDS: Mapping[str, Sequence[str]] = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}
"""The words in the names of folders and files that stand for a split."""
_SHARD = re.compile(r"data/(\w+(?:\.\w+)*)-\d{5}-of-\d{5}[^/]*\.[^/]*")
_NUMBERED = re.compile(r"(?P<name>.*)-(?P<number>\d{5})-of-(?P<count>\d{5})(?P<end>.*)")
"""A file that says how many files there are."""
_DESCRIPTIONS = {"config.json", "dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json"}
"""Files that describe a data set."""
_UNREAD = {
    ".7z",
    ".arrow",
    ".avro",
    ".feather",
    ".h5",
    ".orc",
    ".parq",
    ".pickle",
    ".pkl",
    ".tar",
    ".xls",
    ".xlsx",
    ".zip",
}
"""The suffixes of files that may have rows, and that no reader is for."""
_LARGEST_README = 10_000_000
_MOST_VALUES = 200_000
"""The most values in the header of a README: that of a data set in a hundred languages has tens of thousands."""
_FIELDS = {
    "config_name",
    "data_dir",
    "data_files",
    "default",
    "delimiter",
    "description",
    "features",
    "quoting",
    "sep",
    "version",
}
"""The fields of a subset that are read, or that change nothing."""
_QUOTING = {None: None, 0: True, 3: False}
"""What ``quoting`` means: the numbers are those of Python's csv module."""

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
    quoted: bool | None = None
    """Whether quotation marks enclose cells of CSV, where the README says it."""
    class_names: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """For each column of classes, their names in the order of their numbers, where the README says them."""
    rows: tuple[tuple[str, int], ...] = ()
    """For each split, the number of its rows, where the README says it."""

    def of(self, split: str) -> tuple[Path, ...]:
        """The files of a split.

        Raises:
            DataError: there is no such split, it has no file, its files are of several kinds, or one of them is there
                twice: by a link, or compressed, too.
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
        for file, count in Counter(map(_content_of, splits[split])).items():
            if count > 1:
                raise DataError(
                    "two names lead to the same file: its rows would be read twice", given=str(file), where=self.root
                )
        return splits[split]


def find(path: Path, subset: str | None, *, names: Iterable[str] | None = None) -> DataFiles:
    """The splits of a data file, which is all ``train``, or of a folder.

    Args:
        path: the file or the folder.
        subset: the configuration that the folder's README declares.
        names: the paths of all files in the folder, of which only the ``CARDS`` must be there; ``None`` lists it.

    Raises:
        DataError: the README cannot be understood, there is no such subset, no data file, or one of several is missing.
    """
    if names is None and not is_folder(path):
        if subset is not None:
            raise DataError("a data file has no subsets", given=subset, allowed="no subset", where=path)
        return DataFiles(path.parent, (("train", (path,)),))
    names = _listed(path) if names is None else _visible(names)
    card = _card(path)
    config = _config(card, subset, path, names)
    below = str(config.get("data_dir", ""))
    root = _inside(path, below)
    names = _below(PurePosixPath(below), names)
    declared = config.get("data_files")
    splits = _inferred(root, names) if declared is None else _declared(declared, root, names)
    separator, quoting = config.get("sep", config.get("delimiter")), config.get("quoting")
    if separator is not None and (not isinstance(separator, str) or len(separator) != 1):
        raise DataError("sep: is one character", given=separator, where=path / "README.md")
    if isinstance(quoting, bool | list | dict) or quoting not in _QUOTING:
        raise DataError(
            "quoting: is not understood",
            given=quoting,
            allowed="0 (quotation marks enclose cells) or 3 (they are letters)",
            where=path / "README.md",
        )
    described = _described(card).get(str(config.get("config_name")), {})
    names_of_classes = _class_names(config.get("features") or described.get("features"))
    return DataFiles(
        root, tuple(splits.items()), separator, _QUOTING[quoting], names_of_classes, _numbers_of_rows(described)
    )


def _content_of(file: Path) -> Path:
    """The path of a file without links to folders and without a compression. Links to files are those of a cache."""
    name = file.stem if file.suffix.lower() in COMPRESSIONS else file.name
    return file.parent.resolve() / name


def _inside(root: Path, name: str) -> Path:
    if "://" in name or Path(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise DataError("a data file lies outside the folder", given=name, where=root)
    return root / name


def _below(folder: PurePosixPath, names: Iterable[str]) -> list[str]:
    """Of these paths, those in a folder, from there on."""
    paths = (PurePosixPath(name) for name in names)
    return [path.relative_to(folder).as_posix() for path in paths if path.is_relative_to(folder)]


# What the names of the files say.


def _inferred(root: Path, names: Sequence[str]) -> Splits:
    """Shards first, then words in the names of folders, then words in the names of files; else it is all ``train``."""
    files = [name for name in names if suffix_of(name)]
    if not files:
        raise DataError(
            "the folder has no data file; a script is never run",
            given=", ".join(names[:5]) or None,
            allowed=", ".join(SUFFIXES),
            where=root,
        )
    unread = [name for name in names if PurePosixPath(name).suffix.lower() in _UNREAD]
    if unread:
        warn_once(_log, f"{root}: cannot read {', '.join(unread[:5])}; skipped")
    splits = _by_shards(files) or _by_words(files) or {"train": files}
    left = sorted(set(files).difference(*splits.values()))
    if left:
        warn_once(_log, f"{root}: no split in the names of {', '.join(left[:5])}; skipped")
    return {split: _complete(root, chosen, names) for split, chosen in splits.items()}


def _by_shards(names: Sequence[str]) -> dict[str, list[str]]:
    shards = {name: match[1] for name in names if (match := _SHARD.fullmatch(name))}
    order = sorted(set(shards.values()), key=lambda split: ([*_KEYWORDS, split].index(split), split))
    return {split: [name for name in names if shards.get(name) == split] for split in order}


def _by_words(names: Sequence[str]) -> dict[str, list[str]]:
    folders = {name: name.split("/")[:-1] for name in names}
    files = {name: name.split("/")[-1:] for name in names}
    for parts, end in ((folders, "([-._ 0-9]|$)"), (files, "[-._ 0-9]")):
        splits = {split: _with_word(parts, words, end) for split, words in _KEYWORDS.items()}
        if any(splits.values()):
            return {split: chosen for split, chosen in splits.items() if chosen}
    return {}


def _with_word(parts_of: Mapping[str, Iterable[str]], words: Sequence[str], end: str) -> list[str]:
    """The files one part of whose path has one of the words between separators."""
    word = re.compile(f"(^|[-._ 0-9])({'|'.join(words)}){end}")
    return [name for name, parts in parts_of.items() if any(word.search(part) for part in parts)]


def _complete(root: Path, chosen: Iterable[str], names: Iterable[str]) -> tuple[Path, ...]:
    """The chosen files. If their names say how many files there are, all of these must be in the folder, and only once.

    Raises:
        DataError: one is missing, or they are those of two exports.
    """
    chosen = list(chosen)
    listed = _numbered(names)
    for (name, suffix), matches in _numbered(chosen).items():
        if len({match["count"] for match in matches}) > 1 or len({match["number"] for match in matches}) < len(matches):
            raise DataError(
                "data files of two exports: the rows of an earlier one would be read, too",
                given=", ".join(match[0] for match in matches[:5]),
                allowed="one file for each number, of one count",
                where=root,
            )
        count, end = int(matches[0]["count"]), matches[0]["end"]
        present = {int(match["number"]) for match in listed[name, suffix]}
        first = int(count in present)  # some programs count from 1
        if missing := sorted(set(range(first, count + first)) - present):
            files = [f"{name}-{number:05d}-of-{count:05d}{end}" for number in missing[:5]]
            problem = f"{len(missing)} of {count} data files {'is' if len(missing) == 1 else 'are'} missing"
            raise DataError(problem, given=", ".join(files), where=root)
    return tuple(root / name for name in chosen)


def _numbered(names: Iterable[str]) -> dict[tuple[str, str | None], list[re.Match[str]]]:
    """The files whose names say how many there are, by what these names have in common."""
    matches: dict[tuple[str, str | None], list[re.Match[str]]] = {}
    for name in names:
        if match := _NUMBERED.fullmatch(name):
            matches.setdefault((match["name"], suffix_of(name)), []).append(match)
    return matches


def _listed(root: Path) -> list[str]:
    """The paths of all visible files below a folder, sorted. Links to folders inside of it are followed.

    Raises:
        DataError: a folder cannot be read, or the link of a data file leads nowhere or out of it: each may hold rows.
    """

    def refuse(cause: OSError) -> NoReturn:
        raise DataError(f"a folder cannot be read: {cause.strerror or cause}", where=cause.filename) from cause

    top, above, names = root.resolve(), dict[Path, tuple[Path, ...]](), list[str]()
    for folder, below, files in os.walk(root, onerror=refuse, followlinks=True):
        here = Path(folder)
        above[here] = (*above.get(here.parent, ()), here.resolve())
        below[:] = [name for name in below if not name.startswith((".", "__"))]
        below[:] = [name for name in below if (here / name).resolve() not in above[here]]  # a link that forms a loop
        for name in below:
            if not (here / name).resolve().is_relative_to(top):
                raise DataError("a link leads out of the folder of the data set", where=here / name)
        names += [(here.relative_to(root) / name).as_posix() for name in files]
    names = _visible(names)
    for name in names:
        may_have_rows = suffix_of(name) or not PurePosixPath(name).suffix  # without a suffix it may be a folder
        if may_have_rows and not os.path.exists(root / name):  # noqa: PTH110 - Path.exists raises for a loop of links
            raise DataError("a link leads nowhere", where=root / name)
    return names


def _visible(names: Iterable[str]) -> list[str]:
    """Of these paths, those that may have rows, sorted."""
    paths = (PurePosixPath(name) for name in names)
    return sorted(
        path.as_posix()
        for path in paths
        if not path.name.startswith(".")
        and path.name not in _DESCRIPTIONS
        and not any(part.startswith((".", "__")) for part in path.parts[:-1])
    )


# What a README declares.


def _card(folder: Path) -> dict[str, Any]:
    """The fields ``configs`` and ``dataset_info`` of a README's header, and of a ``.huggingface.yaml``."""
    card: dict[str, Any] = {}
    readme, beside = (folder / name for name in CARDS)
    if readme.is_file():
        fields = "\n".join(_fields(_header(readme)))
        card |= _mapping(
            documents.parse_yaml(
                fields, what="the header", where=readme, error=DataError, most=_MOST_VALUES, number_keys=True
            ),
            readme,
        )
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


def _config(card: Mapping[str, Any], subset: str | None, folder: Path, names: Sequence[str]) -> dict[str, Any]:
    """The fields of a subset; empty where none is declared."""
    configs = card.get("configs") or []
    if not isinstance(configs, list) or not all(isinstance(config, dict) for config in configs):
        raise DataError("configs: is a list of subsets", given=type(configs).__name__, where=folder / "README.md")
    named: dict[str, dict[str, Any]] = {str(config.get("config_name")): config for config in configs}
    if not named:
        return _undeclared(list(_described(card)), subset, folder, names)
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


def _undeclared(described: Sequence[str], subset: str | None, folder: Path, names: Iterable[str]) -> dict[str, Any]:
    """The fields of a subset that the README only describes: its files lie in the folder of its name, or it is alone.

    Raises:
        DataError: it is not described, or nothing says which files are its own.
    """
    if subset is None and len(described) > 1:
        raise DataError("the data set has several subsets", allowed=f"subset: {', '.join(described)}", where=folder)
    if subset is None:
        return {"config_name": described[0]} if described else {}
    if subset not in described:
        allowed = f"subset: {', '.join(described)}" if described else "no subset"
        raise DataError("the data set declares no such subset", given=subset, allowed=allowed, where=folder)
    if any(name.startswith(f"{subset}/") for name in names):
        return {"config_name": subset, "data_dir": subset}
    if len(described) > 1:
        raise DataError(
            "nothing says which files are those of the subset",
            given=subset,
            allowed="a folder of its name, or configs: in the README, with data_files: for each subset",
            where=folder,
        )
    return {"config_name": subset}


def _default(named: Mapping[str, Mapping[str, Any]]) -> str | None:
    if len(named) == 1:
        return next(iter(named))
    defaults = [name for name, config in named.items() if name == "default" or config.get("default")]
    return defaults[0] if len(defaults) == 1 else None


def _declared(data_files: Any, root: Path, names: Sequence[str]) -> Splits:
    """``data_files``: a path or several, which are all ``train``, or paths for each split."""
    entries = data_files if isinstance(data_files, list) else [data_files]
    if all(isinstance(entry, str) for entry in entries):
        return {"train": _resolved(entries, root, names)}
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
        splits[split] = _resolved(map(str, listed), root, names)
    return splits


def _resolved(patterns: Iterable[str], root: Path, names: Sequence[str]) -> tuple[Path, ...]:
    """The files that paths stand for; in them, ``*`` stands for a part of a name and ``**`` for folders."""
    files: dict[Path, None] = {}
    for pattern in patterns:
        path = _inside(root, pattern)
        parts = PurePosixPath(pattern).parts
        if any(mark in pattern for mark in "*?["):
            matching = (name for name in names if suffix_of(name) and _matches(PurePosixPath(name).parts, parts))
            files |= dict.fromkeys(_complete(root, matching, names))
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


def _numbers_of_rows(described: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    splits = described.get("splits")
    listed = [split for split in splits if isinstance(split, dict)] if isinstance(splits, list) else []
    numbers = ((str(split.get("name")), split.get("num_examples")) for split in listed)
    return tuple((name, number) for name, number in numbers if type(number) is int)


def _class_names(features: Any) -> tuple[tuple[str, tuple[str, ...]], ...]:
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
