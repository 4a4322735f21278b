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

__all__ = ["MODULES", "TELLING", "feature_files_in", "in_sight", "load", "may_be_ours", "speaks_our_language"]

MODULES = (
    "bertspec.steps.given",
    "bertspec.steps.when",
    "bertspec.steps.then",
    "bertspec.steps.sweeps",
    "bertspec.pytest_plugin.fixtures",
)
"""The modules that become plugins: the steps, and the fixtures that they stand on."""

TELLING = ("bertspec", "encoder", "fine-tun", "trials each")
"""The words of which a feature file in our language holds one. Other lines of ours could stand in anybody's file:
``Given the task "buy milk"``, ``Then its price is at least 5``."""

_SUFFIX = ".feature"
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
    # W&B's client forgets its oldest tables after a hundred, and their folders with a warning. Where warnings are
    # errors, that would fail whichever test it falls into.
    config.addinivalue_line("filterwarnings", "ignore:Implicitly cleaning up <TemporaryDirectory:ResourceWarning")


def in_sight(config: pytest.Config, *, every: bool = False) -> bool:
    """Whether what pytest was asked to collect is, or holds, a feature file that may be ours.

    The steps must be registered before the session's conftest files are, whose definitions then come first;
    so this walks over folder names ahead of the collection, and looks into feature files for our words.

    Args:
        config: pytest's own.
        every: whether any feature file will do.
    """
    skipped: list[str] = config.getini("norecursedirs")
    base = config.invocation_params.dir
    paths = list(dict.fromkeys(_folder(base / argument.partition("::")[0]) for argument in config.args))
    if any(path.suffix == _SUFFIX for path in paths):
        return True
    return any(every or may_be_ours(file) for path in paths for file in feature_files_in(path, skipped))


def may_be_ours(path: Path) -> bool:
    """Whether a feature file holds one of our words; to find out costs no more than reading it."""
    return any(word in line for line in _lines(path) for word in TELLING)


def feature_files_in(path: Path, skipped: Sequence[str] = ()) -> Iterator[Path]:
    """The feature files in a folder, or the file itself where it is one."""
    if path.suffix == _SUFFIX:
        yield path
    for folder, folders, files in os.walk(path):
        folders[:] = [name for name in folders if not any(fnmatch.fnmatch(name, pattern) for pattern in skipped)]
        yield from (Path(folder, name) for name in files if name.endswith(_SUFFIX))


def speaks_our_language(path: Path, config: pytest.Config) -> bool:
    """Whether a feature file holds one of our words and a line of our steps, however broken it is otherwise.

    The steps are loaded where there is such a word, and only there.
    """
    if not may_be_ours(path):
        return False
    from bertspec.pytest_plugin.internals import definitions_in

    load(config)
    ours = [d for name in MODULES if (module := config.pluginmanager.get_plugin(name)) for d in definitions_in(module)]
    lines = _step_texts(_lines(path))
    return any(definition.parser.is_matching(text) for text in lines for definition in ours)


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", errors="replace").splitlines()
    except OSError:  # a dangling link, or somebody else's secret
        return []


def _folder(path: Path) -> Path:
    """What to walk for an argument: the folder of a Python file, which may bind the feature files beside it."""
    return path.parent if path.suffix == ".py" else path


def _step_texts(lines: Iterable[str]) -> Iterator[str]:
    """Lines without their keyword, in any language; columns filled with a word that is also a number."""
    for line in lines:
        words = _PLACEHOLDER.sub("1", line.strip()).split(" ")
        for keyword in range(1, min(_LONGEST_KEYWORD + 1, len(words))):
            yield " ".join(words[keyword:]).strip()
