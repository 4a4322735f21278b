"""Step definitions: loading bertspec's own, and matching steps to definitions.

Bertspec's steps are loaded once there are feature files: they bring pydantic, numpy and scipy, which a test suite
without feature files must not pay for.
"""

from __future__ import annotations

import difflib
import fnmatch
import importlib.util
import os
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from bertspec.files import read_regular
from bertspec.pytest_plugin.gherkin import Problem
from bertspec.pytest_plugin.internals import Definition, definitions_in

__all__ = [
    "KEY_WORDS",
    "LARGEST",
    "MODULES",
    "AnyStep",
    "Line",
    "advice",
    "ambiguous",
    "feature_files_in",
    "givers",
    "in_sight",
    "load",
    "may_be_ours",
    "undefined",
    "uses_our_steps",
]

MODULES = (
    "bertspec.steps.given",
    "bertspec.steps.when",
    "bertspec.steps.then",
    "bertspec.pytest_plugin.fixtures",
)
"""The modules that become plugins: the steps, and their fixtures."""

KEY_WORDS = ("bertspec", "encoder", "fine-tun", "trials each")
"""Every feature file of ours holds one of these. Our other lines could stand in anyone's file:
``Given the task "buy milk"``, ``Then its price is at least 5``."""

LARGEST = 10_000_000
"""The most bytes of a feature file."""

_SUFFIX = ".feature"
_PLACEHOLDER = re.compile(r"<[^<>]+>")
_LONGEST_KEYWORD = 3  # words, as in "Étant donné que"
_ODD = re.compile("[\u00a0\u00ad\u1680\u2000-\u200f\u2028-\u202f\u205f-\u2064\u3000\ufeff\u201c-\u201f\u00ab\u00bb]")
"""Spaces, invisible characters and quotation marks that look like those of a step, and are not."""
_PLAIN = dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb", '"')
_BOUNDS = {
    "at least": r"is (?:over|above|more than|greater than|larger than|not below|no less than|>=?)|exceeds|reaches",
    "at most": r"is (?:under|below|less than|smaller than|not above|no more than|<=?)",
}
"""What people write for a bound, by our words for it."""
_VALUE = re.compile(r"\{[^{}]*\}|\"[^\"]*\"|\(\?P<[^()]*\)|[-+]?\d[\d.,]*")


@dataclass(slots=True)
class Line:
    """The line of a step, without its table."""

    type: str
    name: str
    keyword: str
    line_number: int


class AnyStep(Protocol):
    """The attributes of a pytest-bdd step that are used here."""

    type: str
    name: str
    keyword: str
    line_number: int


def load(config: pytest.Config) -> None:
    """Register the step definitions and their fixtures as plugins, unless they are registered already.

    Raises:
        pytest.UsageError: they are not installed.
    """
    manager = config.pluginmanager
    if all(manager.has_plugin(name) for name in MODULES):
        return
    for package in sorted({name.rpartition(".")[0] for name in MODULES} - {"", __package__}):
        if importlib.util.find_spec(package) is None:
            raise pytest.UsageError(f"the step definitions ({package}) are not installed: pip install bertspec")
        pytest.register_assert_rewrite(package)
    for name in MODULES:
        manager.import_plugin(name)
    # After a hundred tables W&B's client drops its oldest ones, and their temporary folders with a warning. With
    # warnings as errors, that would fail an unrelated test.
    config.addinivalue_line("filterwarnings", "ignore:Implicitly cleaning up <TemporaryDirectory:ResourceWarning")
    # A former name is listed once for each scenario among pytest's warnings, even where warnings are errors.
    config.addinivalue_line("filterwarnings", "default::bertspec.errors.FormerName")


def in_sight(config: pytest.Config, *, every: bool = False) -> bool:
    """Return whether pytest's arguments name, or their folders hold, a feature file that may be ours.

    The steps must be registered before the session's conftest files, so that a conftest's definitions override them.
    This walks the folders ahead of the collection, and looks for our key words in each feature file.

    Args:
        config: pytest's own.
        every: whether any feature file counts.
    """
    skipped: list[str] = config.getini("norecursedirs")
    base = config.invocation_params.dir
    paths = list(dict.fromkeys(_folder(base / argument.partition("::")[0]) for argument in config.args))
    if any(path.suffix == _SUFFIX for path in paths):
        return True
    return any(every or may_be_ours(file) for path in paths for file in feature_files_in(path, skipped))


def may_be_ours(path: Path) -> bool:
    """Return whether a feature file holds one of our key words; this only reads the file."""
    return any(word in line for line in _lines(path) for word in KEY_WORDS)


def uses_our_steps(path: Path, config: pytest.Config) -> bool:
    """Return whether a feature file has a key word and a line that matches a step of ours, even if it has errors.

    Loads the steps if there is a key word.
    """
    if not may_be_ours(path):
        return False
    load(config)
    ours = [d for name in MODULES if (module := config.pluginmanager.get_plugin(name)) for d in definitions_in(module)]
    lines = _step_texts(_lines(path))
    return any(definition.parser.is_matching(text) for text in lines for definition in ours)


def feature_files_in(path: Path, skipped: Sequence[str] = ()) -> Iterator[Path]:
    """Yield the feature files of a folder, or the path itself if it is one.

    Args:
        path: a file or a folder.
        skipped: patterns of folder names that are not entered.
    """
    if path.suffix == _SUFFIX:
        yield path
    for folder, folders, files in os.walk(path):
        folders[:] = [name for name in folders if not any(fnmatch.fnmatch(name, pattern) for pattern in skipped)]
        yield from (Path(folder, name) for name in files if name.endswith(_SUFFIX))


def undefined(steps: Iterable[AnyStep], definitions: Sequence[Definition]) -> Iterator[Problem]:
    """Yield an error for each step without a definition, with similar texts."""
    for step in steps:
        if not any(d.matches(step.type, step.name) for d in definitions):
            text = f"undefined step: {step.keyword} {step.name}"
            yield Problem(step.line_number, text + advice(step, definitions))


def ambiguous(steps: Iterable[AnyStep], definitions: Sequence[Definition]) -> Iterator[Problem]:
    """Yield an error for each step that several definitions match.

    The same pattern in a conftest nearer to the feature file, or in place of one of ours, overrides and is no error.
    """
    seen: set[tuple[str, str, int]] = set()  # the rows of an outline repeat most lines
    for step in steps:
        if (step.type, step.name, step.line_number) in seen:
            continue
        seen.add((step.type, step.name, step.line_number))
        matching = [d for d in definitions if d.matches(step.type, step.name)]
        levels = {(d.visible_from, d.module) for d in matching}
        if len({d.pattern for d in matching}) > 1 or len(levels) < len(matching):
            listed = ", ".join(f"{d.pattern!r} ({d.where})" for d in matching)
            text = f"{len(matching)} step definitions match: {step.keyword} {step.name}; they are {listed}"
            yield Problem(step.line_number, text)


def advice(step: AnyStep, definitions: Sequence[Definition]) -> str:
    """Return what to write instead of an undefined step, as the end of a message; empty if that is unknown."""
    odd = _ODD.search(step.name)
    if odd:
        name = unicodedata.name(odd[0], "a control character").lower()
        return (
            f"; it has the character U+{ord(odd[0]):04X} ({name}): write {_PLAIN.get(odd[0], 'a plain space')} instead"
        )
    return _reworded(step, definitions) or _close_matches(step, definitions)


def _reworded(step: AnyStep, definitions: Sequence[Definition]) -> str:
    """The step in our words for a bound, if they make it a step that is defined."""
    for meant, words in _BOUNDS.items():
        text, count = re.subn(rf"\b(?:{words})(?=\s)", f"is {meant}", step.name, count=1)
        for candidate in (text, f"its {text}") if count else ():
            if any(d.matches(step.type, candidate) for d in definitions):
                return f"; did you mean '{step.keyword} {candidate}'?"
    return ""


def _close_matches(step: AnyStep, definitions: Sequence[Definition]) -> str:
    known = {_skeleton(d.pattern): d.pattern for d in definitions if d.kind in (None, step.type)}
    close = difflib.get_close_matches(_skeleton(step.name), known, n=3, cutoff=0.6)
    if not close:
        return ""
    return "; did you mean " + " or ".join(f"'{step.keyword} {known[one]}'" for one in close) + "?"


def givers(name: str, definitions: Sequence[Definition]) -> list[str]:
    """Return up to three steps whose target fixture has this name."""
    return [f"'{(d.kind or 'given').title()} {d.pattern}'" for d in definitions if d.gives == name][:3]


def _lines(path: Path) -> list[str]:
    try:
        return read_regular(path, limit=LARGEST).decode("utf-8", errors="replace").splitlines()
    except OSError:  # a dangling link, a pipe, or a file without read permission
        return []


def _folder(path: Path) -> Path:
    """The folder to walk for an argument: that of a Python file, which may bind feature files beside it."""
    return path.parent if path.suffix == ".py" else path


def _step_texts(lines: Iterable[str]) -> Iterator[str]:
    """Lines without their keyword, in any language, with ``1`` for each placeholder: it parses as word and number."""
    for line in lines:
        words = _PLACEHOLDER.sub("1", line.strip()).split(" ")
        for keyword in range(1, min(_LONGEST_KEYWORD + 1, len(words))):
            yield " ".join(words[keyword:]).strip()


def _skeleton(text: str) -> str:
    """A step or a pattern without its values, so that the two can be compared."""
    return _VALUE.sub("_", text.replace('"{', "{").replace('}"', "}"))
