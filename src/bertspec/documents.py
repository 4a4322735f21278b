"""YAML and JSON that a stranger may have written: bounded in size, depth and repetition, refused with file and line."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from bertspec.errors import BertspecError, InvalidConfig, cut_short
from bertspec.files import read_regular
from bertspec.printing import is_unicode

__all__ = [
    "DEEPEST",
    "LARGEST_JSON",
    "LARGEST_YAML",
    "MOST_VALUES",
    "Document",
    "Keys",
    "load_yaml",
    "parse_json",
    "parse_yaml",
    "read_json",
]

Keys = tuple[str | int, ...]
"""The keys and indices that lead to a value, from the top."""

LARGEST_YAML = 1_000_000
"""The most bytes of a YAML file, and the most characters that it has once its aliases are written out."""
LARGEST_JSON = 64_000_000
"""The most bytes of a JSON file. A tokenizer for many languages has 20 million."""
MOST_VALUES = 20_000
"""The most values and keys of a YAML file; reading them takes a few seconds."""
DEEPEST = 50
"""The most lists and mappings around a value."""

_TAG = "tag:yaml.org,2002:"
_MERGE, _STRING = f"{_TAG}merge", f"{_TAG}str"
_KINDS = ("bool", "float", "int", "map", "null", "seq", "str")
_NO_KIND = "has a value that is no text, number, true, false, null, list or mapping; write a text in quotes"
_TOO_DEEP = f"is nested more than {DEEPEST} levels deep"
_TWO_NUMBERS = "has a number that other readers of YAML read differently: write it in base 10, or in quotes"
_AMBIGUOUS = re.compile(r"[-+]?0[0-9_]+|[-+]?[0-9][0-9_]*(:[0-9_.]+)+")
"""Numbers that YAML 1.1 reads in base 8 or 60, and YAML 1.2 does not: ``010`` is 8 or 10."""
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[\]{}:]', re.DOTALL)
"""What the nesting of a JSON text depends on."""
_LARGEST_INT = 2**63 - 1
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
"""An escape that may be half of a surrogate pair."""


@dataclass(frozen=True, slots=True)
class Document:
    """What a YAML file holds, and the line of each of its keys."""

    name: str
    """The file, or what else holds the values, for messages."""
    value: Any = None
    lines: Mapping[Keys, int] = field(default_factory=dict)

    def where(self, keys: Keys) -> str:
        """The file, the line of the nearest key above that is in it, and the path of keys."""
        known = (self.lines[keys[:end]] for end in range(len(keys), -1, -1) if keys[:end] in self.lines)
        line = next((f", line {number}" for number in known), "")
        return f"{self.name}{line}" + (f", {'.'.join(map(str, keys))}" if keys else "")


def load_yaml(
    path: Path,
    *,
    what: str = "the file",
    error: type[BertspecError] = InvalidConfig,
    allowed: str | None = None,
) -> Document:
    """The value that a YAML file holds, None if it is empty; with the line of each of its keys.

    Args:
        path: a regular file of up to 1,000,000 bytes.
        what: the file in words, such as ``"the lock file"``; messages begin with it.
        error: the type of the error.
        allowed: what would have been accepted, in words.

    Raises:
        BertspecError: of the type ``error``: it cannot be read, is not UTF-8 or YAML, repeats a key, is nested too
            deeply, repeats too much by aliases, or has a value of another kind than text, numbers, true, false, null,
            lists and mappings.
    """
    refusal = _Refusal(what, path, error, allowed)
    value, lines = _composed(_text(path, LARGEST_YAML, refusal), refusal)
    return Document(str(path), value, lines)


def parse_yaml(
    text: str,
    *,
    what: str = "the value",
    where: object = None,
    error: type[BertspecError] = InvalidConfig,
    most: int = MOST_VALUES,
    number_keys: bool = False,
) -> Any:
    """The value of a YAML text, such as the cell of a table; see :func:`load_yaml`.

    Args:
        text: up to 1,000,000 characters.
        what: see :func:`load_yaml`.
        where: what holds the text, for messages.
        error: see :func:`load_yaml`.
        most: the most values and keys.
        number_keys: whether a key may be a whole number, which becomes text; else it is refused.

    Raises:
        BertspecError: see :func:`load_yaml`.
    """
    refusal = _Refusal(what, where, error, given=cut_short(text), one_line=True)
    if len(text) > LARGEST_YAML:
        raise refusal(f"has more than {LARGEST_YAML:,} characters")
    return _composed(text, refusal, most=most, number_keys=number_keys)[0]


def read_json(
    path: Path,
    *,
    what: str = "the file",
    error: type[BertspecError] = InvalidConfig,
    allowed: str | None = None,
    limit: int = LARGEST_JSON,
) -> Any:
    """The value that a JSON file holds.

    Args:
        path: a regular file.
        what: the file in words, such as ``"the config"``; messages begin with it.
        error: the type of the error.
        allowed: what would have been accepted, in words.
        limit: the largest size in bytes.

    Raises:
        BertspecError: of the type ``error``: it cannot be read, is not UTF-8 or JSON, repeats a key or is nested too
            deeply.
    """
    refusal = _Refusal(what, path, error, allowed)
    return _parsed(_text(path, limit, refusal), refusal)


def parse_json(
    text: str | bytes,
    *,
    what: str = "the value",
    where: object = None,
    error: type[BertspecError] = InvalidConfig,
    allowed: str | None = None,
) -> Any:
    """The value of a JSON text; see :func:`read_json`.

    Raises:
        BertspecError: see :func:`read_json`.
    """
    refusal = _Refusal(what, where, error, allowed)
    return _parsed(_decoded(text, refusal) if isinstance(text, bytes) else text, refusal)


@dataclass(frozen=True, slots=True)
class _Refusal:
    """Makes the errors of one document."""

    what: str
    where: object
    error: type[BertspecError]
    allowed: str | None = None
    given: str | None = None
    one_line: bool = False
    """Whether the number of a line says nothing."""

    def __call__(self, clause: str, line: int | None = None, *, given: object = None) -> BertspecError:
        at = None if line is None or self.one_line else f"line {line}"
        return self.error(
            f"{self.what} {clause}",
            given=self.given if given is None else given,
            allowed=self.allowed,
            where=", ".join(str(part) for part in (self.where, at) if part is not None) or None,
        )


class _Complaint(Exception):
    """What a document may not hold, as a clause without its subject."""

    def __init__(self, clause: str, *, line: int, given: object = None) -> None:
        super().__init__(clause)
        self.clause, self.line, self.given = clause, line, given


def _text(path: Path, limit: int, refusal: _Refusal) -> str:
    try:
        content = read_regular(path, limit=limit)
    except OSError as cause:
        raise refusal(f"cannot be read: {cause.strerror or cause}") from cause
    return _decoded(content, refusal)


def _decoded(content: bytes, refusal: _Refusal) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as cause:
        line = content.count(b"\n", 0, cause.start) + 1
        raise refusal(f"is not UTF-8: it has the byte 0x{content[cause.start]:02x}", line) from cause


def _composed(
    text: str, refusal: _Refusal, *, most: int = MOST_VALUES, number_keys: bool = False
) -> tuple[Any, dict[Keys, int]]:
    """The value of a YAML text, and the line of each of its keys."""
    try:
        loader = _Loader(text, most=most, number_keys=number_keys)
        root = loader.get_single_node()
        lines = {} if root is None else dict(_lines(root, (), set()))
        return None if root is None else loader.construct_document(root), lines
    except _Complaint as complaint:
        raise refusal(complaint.clause, complaint.line, given=complaint.given) from None
    except yaml.YAMLError as broken:
        raise refusal(f"is not YAML: {_reason(broken)}", _line_of(broken, text)) from broken
    except (ValueError, OverflowError) as broken:  # an escape that stands for no character
        raise refusal(f"is not YAML: {broken}") from broken


def _reason(broken: yaml.YAMLError) -> str:
    words = getattr(broken, "problem", None) or getattr(broken, "reason", None) or str(broken).splitlines()[0]
    context = getattr(broken, "context", None)
    return f"{context}, {words}" if context else str(words)


def _line_of(broken: yaml.YAMLError, text: str) -> int | None:
    mark = getattr(broken, "problem_mark", None)
    if mark is not None:
        return int(mark.line) + 1
    at = getattr(broken, "position", None)  # of a control character
    return None if at is None else text.count("\n", 0, at) + 1


def _lines(node: yaml.Node, path: Keys, seen: set[int]) -> Iterator[tuple[Keys, int]]:
    """Every key with its line, from 1. A node that aliases repeat is walked once."""
    if id(node) in seen:
        return
    seen.add(id(node))
    children: Sequence[tuple[str | int, yaml.Node, yaml.Node]] = ()
    if isinstance(node, yaml.MappingNode):
        children = [(key.value, key, value) for key, value in node.value if key.tag != _MERGE]
    elif isinstance(node, yaml.SequenceNode):
        children = [(at, item, item) for at, item in enumerate(node.value)]
    for name, at, child in children:
        yield (*path, name), at.start_mark.line + 1
        yield from _lines(child, (*path, name), seen)


class _Loader(yaml.SafeLoader):
    """Safe and bounded. Numbers with an exponent alone, such as ``1e-5``, are numbers, as in YAML 1.2."""

    def __init__(self, text: str, *, most: int, number_keys: bool) -> None:
        super().__init__(text)
        self._depth, self._most, self._number_keys = 0, most, number_keys
        self._extents: dict[yaml.Node, tuple[int, int]] = {}
        """The depth of each composed node, and its characters once its aliases are written out."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        self._depth += 1
        if self._depth > DEEPEST:
            raise _Complaint(_TOO_DEEP, line=_line(event))
        node = super().compose_node(parent, index)
        self._depth -= 1
        assert node is not None  # noqa: S101 - PyYAML returns a node for every event
        if len(self._extents) > self._most:
            raise _Complaint(f"has more than {self._most:,} values", line=_line(event))
        if node not in self._extents:
            if isinstance(event, yaml.AliasEvent):
                raise _Complaint("has an alias inside of what it names", line=_line(event), given=f"*{event.anchor}")
            self._extents[node] = self._extent(node)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: FBT001, FBT002 - PyYAML's signature
        kind = node.tag.removeprefix(_TAG)
        if kind not in _KINDS:
            clause = "has a date, and no date is ever allowed: write it in quotes" if kind == "timestamp" else _NO_KIND
            raise _Complaint(clause, line=_line(node), given=node.value if kind == "timestamp" else kind)
        if kind in ("float", "int") and _AMBIGUOUS.fullmatch(str(node.value)):
            raise _Complaint(_TWO_NUMBERS, line=_line(node), given=node.value)
        try:
            value = super().construct_object(node, deep)
        except (KeyError, ValueError, IndexError) as broken:
            clause = f"has a value that is no {kind}"
            raise _Complaint(clause, line=_line(node), given=cut_short(str(node.value))) from broken
        if isinstance(value, int) and abs(value) > _LARGEST_INT:
            raise _Complaint("has a whole number beyond 64 bits", line=_line(node), given=cut_short(node.value))
        return value

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> str:
        text = super().construct_scalar(node)
        if not text.isprintable() and ("\0" in text or not is_unicode(text)):
            raise _Complaint("has a null character or half of a surrogate pair", line=_line(node))
        return text

    def _extent(self, node: yaml.Node) -> tuple[int, int]:
        if isinstance(node, yaml.ScalarNode):
            return 1, len(node.value) + 1
        if isinstance(node, yaml.MappingNode):
            if self._number_keys:
                _name_numbers(node)
            _check_keys(node)
        children = [self._extents[child] for child in _children(node)]
        depth = 1 + max((depth for depth, _ in children), default=0)
        size = 1 + sum(size for _, size in children)
        if depth > DEEPEST:
            raise _Complaint(_TOO_DEEP, line=_line(node))
        if size > LARGEST_YAML:
            clause = f"has more than {LARGEST_YAML:,} characters once its aliases are written out"
            raise _Complaint(clause, line=_line(node))
        return depth, size


_Loader.add_implicit_resolver(
    f"{_TAG}float", re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def _line(node: yaml.Node | yaml.Event) -> int:
    mark: Any = node.start_mark
    return int(mark.line) + 1


def _children(node: yaml.Node) -> Iterator[yaml.Node]:
    for child in node.value:
        if isinstance(child, tuple):
            yield from child
        else:
            yield child


def _name_numbers(node: yaml.MappingNode) -> None:
    for key, _ in node.value:
        if isinstance(key, yaml.ScalarNode) and key.tag == f"{_TAG}int":
            key.tag = _STRING


def _check_keys(node: yaml.MappingNode) -> None:
    """Refuse a key that is no text, or that is repeated: YAML would keep the last of its values, without a word."""
    lines: dict[str, int] = {}
    for key, _ in node.value:
        if key.tag not in (_STRING, _MERGE) or not isinstance(key, yaml.ScalarNode):
            given = cut_short(key.value) if isinstance(key, yaml.ScalarNode) else None
            raise _Complaint("has a key that is no text: write it in quotes", line=_line(key), given=given)
        if key.value in lines:
            clause = f"repeats a key, which is also on line {lines[key.value]}"
            raise _Complaint(clause, line=_line(key), given=cut_short(key.value))
        lines[key.value] = _line(key)


def _parsed(text: str, refusal: _Refusal) -> Any:
    """The value of a JSON text."""
    if text.count("[") + text.count("{") > DEEPEST:
        _refuse_deep_nesting(text, refusal)
    try:
        value = json.loads(text, object_pairs_hook=_once)
    except _Complaint as complaint:
        line = _line_of_repeated(text, str(complaint.given))
        raise refusal(complaint.clause, line, given=cut_short(str(complaint.given))) from None
    except json.JSONDecodeError as broken:
        raise refusal(f"is not JSON: {broken.msg}", broken.lineno) from broken
    except ValueError as broken:
        raise refusal("has a number with thousands of digits") from broken
    if _HALF.search(text) and not is_unicode(json.dumps(value, ensure_ascii=False)):
        raise refusal("has half of a surrogate pair")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        [(twice, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise _Complaint("repeats a key", line=0, given=twice)
    return values


def _refuse_deep_nesting(text: str, refusal: _Refusal) -> None:
    depth = 0
    for token in _TOKEN.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if depth > DEEPEST:
            raise refusal(_TOO_DEEP, text.count("\n", 0, token.start()) + 1)


def _line_of_repeated(text: str, key: str) -> int | None:
    """The line on which an object has this key for the second time."""
    above: list[set[str]] = [set()]
    last = ""
    for token in _TOKEN.finditer(text):
        if token[0] in "{[":
            above.append(set())
        elif token[0] in "}]":
            above.pop()
        elif token[0] != ":":
            last = token[0]
        elif last in above[-1] and json.loads(last) == key:
            return text.count("\n", 0, token.start()) + 1
        else:
            above[-1].add(last)
    return None
