"""Bertspec's own step definitions: loaded once there are feature files, and never before.

They bring pydantic, numpy and scipy with them, which a test suite without feature files must not pay for.
"""

from __future__ import annotations

import fnmatch
import importlib.util
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest

__all__ = ["MODULES", "feature_files_in", "in_sight", "load", "speaks_our_language"]

MODULES = (
    "bertspec.steps.given",
    "bertspec.steps.when",
    "bertspec.steps.then",
    "bertspec.pytest_plugin.fixtures",
)
"""The modules that become plugins: the steps, and the fixtures that they stand on."""

_PLACEHOLDER = re.compile(r"<[^<>]+>")
_LONGEST_KEYWORD = 3  # words, as in "Étant donné que"


def load(config: pytest.Config) -> None:
    """Register the step definitions and their fixtures as plugins; a second time does nothing.

    Raises:
        pytest.UsageError: they are not installed.
    """
    manager = config.pluginmanager
    if all(manager.has_plugin(name) for name in MODULES):
        return
    for package in sorted({name.rpartition(".")[0] for name in MODULES} - {"", __package__}):
        if importlib.util.find_spec(package) is None:
            raise pytest.UsageError(f"{package}, the step definitions, are not installed: pip install bertspec")
        pytest.register_assert_rewrite(package)
    for name in MODULES:
        manager.import_plugin(name)


def in_sight(config: pytest.Config) -> bool:
    """Whether what pytest was asked to collect holds a feature file.

    The steps must be registered before the session's conftest files are, whose definitions then come first;
    so this walks over folder names ahead of the collection.
    """
    skipped: list[str] = config.getini("norecursedirs")
    base = config.invocation_params.dir
    paths = (base / argument.partition("::")[0] for argument in config.args)
    return any(any(feature_files_in(path, skipped)) for path in dict.fromkeys(map(_folder, paths)))


def feature_files_in(path: Path, skipped: Sequence[str] = ()) -> Iterator[Path]:
    """The feature files in a folder, or the file itself where it is one."""
    if path.suffix == ".feature":
        yield path
    for folder, folders, files in os.walk(path):
        folders[:] = [name for name in folders if not any(fnmatch.fnmatch(name, pattern) for pattern in skipped)]
        yield from (Path(folder, name) for name in files if name.endswith(".feature"))


def speaks_our_language(path: Path, config: pytest.Config) -> bool:
    """Whether one of our steps matches a line of a feature file, however broken the file is otherwise."""
    from bertspec.pytest_plugin.internals import definitions_in

    ours = [d for name in MODULES if (module := config.pluginmanager.get_plugin(name)) for d in definitions_in(module)]
    lines = _step_texts(path.read_text("utf-8", errors="replace").splitlines())
    return any(definition.parser.is_matching(text) for text in lines for definition in ours)


def _folder(path: Path) -> Path:
    """What to walk for an argument: the folder of a Python file, which may bind the feature files beside it."""
    return path.parent if path.suffix == ".py" else path


def _step_texts(lines: Iterable[str]) -> Iterator[str]:
    """Lines without their keyword, in any language; columns filled with a word that is also a number."""
    for line in lines:
        words = _PLACEHOLDER.sub("1", line.strip()).split(" ")
        for keyword in range(1, min(_LONGEST_KEYWORD + 1, len(words))):
            yield " ".join(words[keyword:]).strip()
