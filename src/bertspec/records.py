"""The frozen records of bertspec, and how values become one."""

from __future__ import annotations

import datetime
import difflib
import re
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from importlib import metadata
from typing import Any, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError, from_json

from bertspec.documents import Keys
from bertspec.errors import BertspecError, InvalidConfig, cut_short

__all__ = [
    "FiniteRecord",
    "FrozenRecord",
    "Setting",
    "did_you_mean",
    "invalid",
    "layout_of",
    "refuse",
    "utc_now",
    "utc_stamp",
    "validate",
    "values_of_json",
    "version_of",
]

Setting = bool | int | float | str
_AS_TEXT: dict[type, str] = {
    bool: "text in quotes; without them, YAML reads yes, no, on, off, true and false as true or false",
    type(None): "text in quotes; without them, YAML reads null and ~ as nothing",
    int: "text in quotes",
    float: "text in quotes",
}
"""What to write instead of a value that is no text, by its type."""

_MOST_VALUES = 4_000_000
"""Values of a JSON document; each takes about 100 bytes of memory."""
_LAYOUT = re.compile(rb'\s*\{\s*"layout":\s*(\d+)')


class FrozenRecord(BaseModel):
    """A frozen record that accepts no unknown field; the docstring below a field is its description."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, ser_json_inf_nan="strings")


class FiniteRecord(FrozenRecord):
    """A frozen record whose numbers are finite; every config is one."""

    model_config = ConfigDict(allow_inf_nan=False)


R = TypeVar("R", bound=BaseModel)


def validate(
    record_type: type[R],
    values: object,
    *,
    where: object | Callable[[Keys], object] = None,
    problem: str | None = None,
    error: type[BertspecError] = InvalidConfig,
) -> R:
    """A record of these values, or an error that names the first value at fault.

    Args:
        record_type: the record.
        values: a mapping of its fields; bytes are JSON, of up to 4,000,000 values.
        where: what holds the values, such as their file; or a function from the keys of the value at fault to that.
        problem: what the value makes impossible, such as ``"the baseline is damaged"``; the message begins with it.
        error: the type of the error.

    Raises:
        BertspecError: of the type ``error``; a value is missing, unknown or not allowed.
    """
    if isinstance(values, bytes):
        try:
            values = values_of_json(values)
        except ValueError as broken:
            at = where(()) if callable(where) else where
            raise error((f"{problem}: " if problem else "") + str(broken), where=at) from broken
    try:
        return record_type.model_validate(values)
    except ValidationError as refusal:
        raise invalid(refusal, known=record_type.model_fields, where=where, problem=problem, error=error) from refusal


def invalid(
    refusal: ValidationError,
    *,
    known: Iterable[str],
    where: object | Callable[[Keys], object] = None,
    problem: str | None = None,
    error: type[BertspecError] = InvalidConfig,
) -> BertspecError:
    """The error for what pydantic refuses; it names the first value at fault.

    Args:
        refusal: what pydantic raised.
        known: the fields that would have been accepted.
        where: see :func:`validate`.
        problem: see :func:`validate`.
        error: see :func:`validate`.
    """
    keys, text, given, allowed = _parts(refusal.errors(include_url=False)[0], known)
    more = f" ({refusal.error_count() - 1} more)" if refusal.error_count() > 1 else ""
    return error(
        (f"{problem}: " if problem else "") + text + more,
        given=_shortened(given),
        allowed=allowed,
        where=where(keys) if callable(where) else where,
    )


def refuse(
    problem: str, keys: Iterable[str | int], *, given: object = None, allowed: Iterable[str] | None = None
) -> NoReturn:
    """Raise a complaint inside a validator; :func:`validate` turns it into our error, word for word.

    Args:
        problem: what is wrong.
        keys: the keys from the record to the value at fault.
        given: the value.
        allowed: what would have been accepted, in words or as a list of them.
    """
    words = allowed if isinstance(allowed, str) or allowed is None else ", ".join(allowed)
    context = {"problem": problem, "keys": tuple(keys), "given": given, "allowed": words}
    raise PydanticCustomError("refused", "{problem}", context)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a message: the closest known word, or nothing."""
    closest = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f": did you mean {closest[0]}?" if closest else ""


def layout_of(content: bytes) -> int | None:
    """The layout of a JSON file, or None if its first field is not a layout.

    Args:
        content: the file, or its first 64 bytes.
    """
    match = _LAYOUT.match(content)
    return int(match[1]) if match else None


def version_of(package: str) -> str:
    """The version of a package, or "unknown" if it has no metadata, as a source folder on the path."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return str(getattr(sys.modules.get(package.replace("-", "_")), "__version__", "unknown"))


def utc_stamp(unix_s: float) -> str:
    """A time in seconds since 1970 as ISO 8601 in UTC, to the second."""
    return datetime.datetime.fromtimestamp(unix_s, datetime.UTC).isoformat(timespec="seconds")


def utc_now() -> str:
    """The time now, as :func:`utc_stamp` writes it."""
    return utc_stamp(time.time())


def values_of_json(content: bytes) -> Any:
    """The values of a JSON document; pydantic's own way takes 300 times the memory of a document that it refuses.

    Raises:
        ValueError: it is no JSON, is nested too deeply, or has too many values.
    """
    if content.count(b",") > _MOST_VALUES:
        raise ValueError(f"it has more than {_MOST_VALUES:,} values")
    try:
        return from_json(content)
    except ValueError as broken:
        raise ValueError(f"invalid JSON: {broken}") from broken


def _parts(complaint: ErrorDetails, known: Iterable[str]) -> tuple[Keys, str, object, str | None]:
    """The keys, the problem, what was given and what is allowed."""
    keys: Keys = complaint["loc"]
    field = cut_short(".".join(map(str, keys)))
    if complaint["type"] == "refused":
        context = complaint["ctx"]
        return (*keys, *context["keys"]), context["problem"], context["given"], context["allowed"]
    if complaint["type"] == "missing":
        return keys, f"{field} is missing", None, None
    if complaint["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        names = list(known) if len(keys) == 1 else []
        problem = f"{field} is not a known field{did_you_mean(field, names)}"
        return keys, problem, complaint["input"], ", ".join(names) or None
    if complaint["type"] == "union_tag_not_found":
        return keys, f"{field} lacks its {complaint['ctx']['discriminator']}", complaint["input"], None
    message = complaint["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    if not field:
        return keys, message, None, None
    allowed = _AS_TEXT.get(type(complaint["input"])) if complaint["type"] == "string_type" else None
    return keys, f"{field}: {message}", complaint["input"], allowed


def _shortened(given: object) -> object:
    """A whole block of values is no help in a message."""
    if isinstance(given, str):
        return cut_short(given, 200)
    return cut_short(str(given), 61) if isinstance(given, Mapping | list | tuple) and len(str(given)) > 80 else given
