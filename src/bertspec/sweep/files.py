"""A sweep file → a checked sweep. What is wrong is told with the line that it stands in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bertspec.config import SweepConfig
from bertspec.errors import InvalidConfig
from bertspec.records import Keys, validate
from bertspec.study import Session
from bertspec.sweep import domains

__all__ = ["load", "parse", "read"]

_MERGE = "tag:yaml.org,2002:merge"


def read(word: str, session: Session) -> SweepConfig:
    """The sweep of that name (``configs/sweeps/NAME.yaml``), or of that file; checked, its name and metric filled in.

    Raises:
        UnknownName: nothing is called so.
        InvalidConfig: the file is no YAML, or something in it is not supported, not known or not allowed.
    """
    file = session.catalog.sweep(word)
    values, lines = _composed(file)
    locations = _Places(str(file), lines)
    return _checked(_structured(values, locations, name=file.stem), session, locations)


def load(file: Path) -> SweepConfig:
    """A sweep file as it is written: its values are not compared with what recipes and optimizers allow.

    Raises:
        InvalidConfig: the file is no YAML, or not W&B's schema.
    """
    values, lines = _composed(file)
    return _structured(values, _Places(str(file), lines), name=file.stem)


def parse(values: Mapping[str, Any], session: Session, *, name: str, where: object) -> SweepConfig:
    """The same of a sweep that stands in no file.

    Args:
        values: what a sweep file would hold.
        session: its catalog knows the words.
        name: what the sweep is called, unless it says so itself.
        where: what messages say of the place.

    Raises:
        InvalidConfig: something in it is not supported, not known or not allowed.
    """
    locations = _Places(str(where))
    return _checked(_structured(values, locations, name=name), session, locations)


@dataclass(frozen=True, slots=True)
class _Places:
    """Where in the file each key stands."""

    name: str
    lines: Mapping[Keys, int] = field(default_factory=dict)

    def of(self, path: Keys) -> str:
        """The file, the line of the nearest key above that is written down, and the path of keys."""
        found = next((self.lines[path[:end]] for end in range(len(path), -1, -1) if path[:end] in self.lines), None)
        line = "" if found is None else f", line {found}"
        return f"{self.name}{line}" + (f", {'.'.join(map(str, path))}" if path else "")


def _structured(values: Any, locations: _Places, *, name: str) -> SweepConfig:
    config = validate(SweepConfig, values, where=locations.of)
    return config if config.name else config.model_copy(update={"name": name})


def _checked(config: SweepConfig, session: Session, locations: _Places) -> SweepConfig:
    try:
        return domains.checked(config, session)
    except domains.Refused as refused:
        raise InvalidConfig(
            refused.problem, given=refused.given, allowed=refused.allowed, where=locations.of(refused.path)
        ) from refused.__cause__


class _Loader(yaml.SafeLoader):
    """Safe, and YAML 1.2's numbers: ``1e-5`` is one, where YAML 1.1 reads a word."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def _composed(file: Path) -> tuple[Any, dict[Keys, int]]:
    try:
        loader = _Loader(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as broken:
        raise InvalidConfig(f"the sweep file cannot be read: {str(broken).splitlines()[0]}", where=file) from broken
    try:
        root = loader.get_single_node()
        if root is None:
            raise InvalidConfig("the sweep file is empty", allowed="method: and parameters:", where=file)
        lines = dict(_lines(root, (), file, set()))
        return loader.construct_document(root), lines
    except yaml.YAMLError as broken:
        mark = getattr(broken, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        problem = getattr(broken, "problem", None) or str(broken).splitlines()[0]
        raise InvalidConfig(f"the sweep file is not YAML: {problem}", where=f"{file}{line}") from broken
    except RecursionError as broken:
        raise InvalidConfig("the sweep file is nested without end", where=file) from broken
    finally:
        loader.dispose()


def _lines(node: yaml.Node, path: Keys, file: Path, seen: set[int]) -> Iterator[tuple[Keys, int]]:
    """Every key with its line, from 1; a key that stands twice is refused, since YAML would keep the last.

    What an alias repeats has been seen: it is not walked through again, however often it is repeated.
    """
    if id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        _refuse_twice(node, file)
        for key, value in node.value:
            if key.tag != _MERGE:
                yield (*path, str(key.value)), key.start_mark.line + 1
                yield from _lines(value, (*path, str(key.value)), file, seen)
    elif isinstance(node, yaml.SequenceNode):
        for at, item in enumerate(node.value):
            yield (*path, at), item.start_mark.line + 1
            yield from _lines(item, (*path, at), file, seen)


def _refuse_twice(node: yaml.MappingNode, file: Path) -> None:
    lines: dict[str, int] = {}
    for key, _ in node.value:
        name, line = str(key.value), key.start_mark.line + 1
        if name in lines:
            raise InvalidConfig("a key stands twice", given=name, where=f"{file}, line {line}, and line {lines[name]}")
        lines[name] = line
