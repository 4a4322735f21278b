"""What an update rule can be told: its keywords, with their kinds and their defaults."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, Union, get_args, get_origin

from bertspec.config import Setting
from bertspec.errors import InvalidConfig

__all__ = ["refuse"]

_NOT_SETTINGS = {"groups", "learning_rate"}
_SHARES = {"alpha", "beta1", "beta2", "momentum", "rho"}
"""Settings that are the share of an old value in a new one, whatever the rule."""


def refuse(name: str, rule: Callable[..., Any], settings: Mapping[str, Setting]) -> None:
    """Refuse settings that a rule does not have, or that are of another kind.

    Raises:
        InvalidConfig: a setting is unknown, of another kind, or a share outside 0 to 1.
    """
    keywords = inspect.signature(rule, eval_str=True).parameters
    known = {setting: keyword.annotation for setting, keyword in keywords.items() if setting not in _NOT_SETTINGS}
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise InvalidConfig(
            f"{name} has no such setting",
            given=", ".join(unknown),
            allowed=", ".join(sorted(known)) or "none",
            where="the optimizer's settings",
        )
    for setting, value in settings.items():
        allowed = list(_parts(known[setting]))
        if not any(_is(value, kind) for kind in allowed):
            raise _of_another_kind(name, setting, value, " or ".join(_told(kind) for kind in allowed))
        if setting in _SHARES and not 0 <= float(value) < 1:
            raise _of_another_kind(name, setting, value, "a number from 0 to below 1")


def _of_another_kind(name: str, setting: str, value: Setting, allowed: str) -> InvalidConfig:
    return InvalidConfig(
        f"{name} refuses its setting {setting}", given=value, allowed=allowed, where="the optimizer's settings"
    )


def _parts(kind: Any) -> Iterator[Any]:
    """The types, and the words, that an annotation is made of; none is a default that nobody can write."""
    if get_origin(kind) in (Union, types.UnionType):
        for part in get_args(kind):
            yield from _parts(part)
    elif get_origin(kind) is Literal:
        yield from get_args(kind)
    elif kind is not types.NoneType:
        yield kind


def _is(value: Setting, kind: Any) -> bool:
    if not isinstance(kind, type):
        return bool(value == kind)
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def _told(kind: Any) -> str:
    return _WORDS.get(kind, repr(kind)) if isinstance(kind, type) else repr(kind)


_WORDS = {int: "a whole number", float: "a number", str: "a word", bool: "true or false"}
