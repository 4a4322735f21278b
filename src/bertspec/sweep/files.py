"""A sweep file → a checked sweep. What is wrong is told with the line that it stands in."""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import yaml
from pydantic import ValidationError

from bertspec.errors import InvalidSpec
from bertspec.spec import SweepSpec
from bertspec.study import Workbench
from bertspec.sweep import domains

__all__ = ["parse", "read"]

Keys = tuple[str | int, ...]
"""What leads to a value, from the top of the file."""
_MERGE = "tag:yaml.org,2002:merge"


def read(word: str, bench: Workbench) -> SweepSpec:
    """The sweep of that name (``configs/sweeps/NAME.yaml``), or of that file; checked, its name and metric filled in.

    Raises:
        UnknownName: nothing is called so.
        InvalidSpec: the file is no YAML, or something in it is not supported, not known or not allowed.
    """
    file = bench.catalog.sweep(word)
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as broken:
        raise InvalidSpec(f"the sweep file cannot be read: {broken}", where=file) from broken
    values, lines = _composed(text, file)
    return _checked(values, bench, _Places(str(file), lines), name=file.stem)


def parse(values: Mapping[str, Any], bench: Workbench, *, name: str, where: object) -> SweepSpec:
    """The same of a sweep that stands in no file.

    Args:
        values: what a sweep file would hold.
        bench: its catalog knows the words.
        name: what the sweep is called, unless it says so itself.
        where: what messages say of the place.

    Raises:
        InvalidSpec: something in it is not supported, not known or not allowed.
    """
    return _checked(values, bench, _Places(str(where), {}), name=name)


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


def _checked(values: Any, bench: Workbench, places: _Places, *, name: str) -> SweepSpec:
    try:
        spec = SweepSpec.model_validate(values)
    except ValidationError as refusal:
        _refuse(refusal, places)
    spec = spec if spec.name else spec.model_copy(update={"name": name})
    try:
        return domains.checked(spec, bench)
    except domains.Refused as refused:
        raise InvalidSpec(
            refused.problem, given=refused.given, allowed=refused.allowed, where=places.of(refused.path)
        ) from refused.__cause__


def _refuse(refusal: ValidationError, places: _Places) -> NoReturn:
    """The first complaint, in the words of the other errors."""
    errors = refusal.errors(include_url=False)
    first = errors[0]
    context = first.get("ctx", {})
    more = f" ({len(errors) - 1} more)" if len(errors) > 1 else ""
    path = (*first["loc"], *context.get("path", ()))
    own = first["type"] == "refused"
    given = context.get("given") if own else first["input"]
    problem = first["msg"] if own else first["msg"].removeprefix("Value error, ").lower()
    if first["type"] == "missing":
        problem, given = f"the sweep lacks {path[-1]}", None
    elif not own:
        problem = f"{path[-1]}: {problem}" if path else problem
    raise InvalidSpec(
        f"{problem}{more}", given=_short(given), allowed=context.get("allowed"), where=places.of(path)
    ) from refusal


def _short(given: Any) -> Any:
    """A whole block is no help in a message."""
    return f"{str(given)[:60]}…" if len(str(given)) > 80 else given


class _Loader(yaml.SafeLoader):
    """Safe, and YAML 1.2's numbers: ``1e-5`` is one, where YAML 1.1 reads a word."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def _composed(text: str, file: Path) -> tuple[Any, dict[Keys, int]]:
    loader = _Loader(text)
    try:
        root = loader.get_single_node()
        if root is None:
            raise InvalidSpec("the sweep file is empty", allowed="method: and parameters:", where=file)
        lines = dict(_lines(root, (), file))
        return loader.construct_document(root), lines
    except yaml.YAMLError as broken:
        mark = getattr(broken, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        problem = getattr(broken, "problem", None) or str(broken).splitlines()[0]
        raise InvalidSpec(f"the sweep file is not YAML: {problem}", where=f"{file}{line}") from broken
    except RecursionError as broken:
        raise InvalidSpec("the sweep file is nested without end", where=file) from broken
    finally:
        loader.dispose()


def _lines(node: yaml.Node, path: Keys, file: Path) -> Iterator[tuple[Keys, int]]:
    """Every key with its line, from 1; a key that stands twice is refused, since YAML would keep the last."""
    if isinstance(node, yaml.MappingNode):
        seen: dict[Hashable, int] = {}
        for key, value in node.value:
            if key.tag == _MERGE:
                continue
            below, line = (*path, str(key.value)), key.start_mark.line + 1
            if key.value in seen:
                raise InvalidSpec(
                    "a key stands twice", given=key.value, where=f"{file}, line {line}, and line {seen[key.value]}"
                )
            seen[key.value] = line
            yield below, line
            yield from _lines(value, below, file)
    elif isinstance(node, yaml.SequenceNode):
        for at, item in enumerate(node.value):
            yield (*path, at), item.start_mark.line + 1
            yield from _lines(item, (*path, at), file)
