"""Every field of a recipe, and of its optimizer, as an option: made from the records, so that none is forgotten."""

from __future__ import annotations

import argparse
import ast
import difflib
import functools
import inspect
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from bertspec.config import OptimizerConfig, RecipeConfig
from bertspec.errors import InvalidConfig, UnknownName

__all__ = ["Flag", "add", "asked", "flags"]

_WORDS = {"optimizer", "name", "algorithm", "averaging", "settings"}
"""Fields that are asked for in another way: --optimizer, and --set for what only one algorithm or average has."""
_AVERAGING = "averaging."


@dataclass(frozen=True, slots=True)
class Flag:
    """One field as an option."""

    name: str
    kind: type
    """What its value is, apart from none and ``choices``."""
    choices: tuple[str, ...]
    optional: bool
    """Whether it may be none."""
    meaning: str

    @property
    def option(self) -> str:
        """The option, such as ``--batch-size``."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def values(self) -> str:
        """What may stand after the option, in the help."""
        words = self.choices or ({int: "N", float: "X"}.get(self.kind, "VALUE"),)
        return "|".join((*words, "none") if self.optional else words)

    def read(self, text: str) -> Any:
        """The value of a word; whether its size is allowed is for the record to say.

        Raises:
            ArgumentTypeError: the word is of another kind.
        """
        if self.optional and text == "none":
            return None
        if self.choices and text not in self.choices:
            raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(self.choices)}")
        try:
            return _READERS[self.kind](text)
        except (ValueError, KeyError):
            allowed = _KINDS[self.kind] + (", or none" if self.optional else "")
            raise argparse.ArgumentTypeError(f"{text!r} is not {allowed}") from None


@functools.cache
def flags() -> dict[str, Flag]:
    """Every option by the name of its field."""
    found = [*_of(RecipeConfig), *_of(OptimizerConfig)]
    return {flag.name: flag for flag in found if flag.name not in _WORDS}


def add(parser: Any) -> None:
    """Offer them all, and ``--set``."""
    for flag in flags().values():
        parser.add_argument(
            flag.option,
            type=flag.read,
            metavar=flag.values,
            help=flag.meaning.replace("%", "%%"),
            dest=f"field_{flag.name}",
            default=argparse.SUPPRESS,
        )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        type=_assignment,
        metavar="FIELD=VALUE",
        dest="assignments",
        help="any of these fields, what only this optimizer has, such as momentum=0.8, or a field of its average, "
        "such as averaging.start=0.5; may be repeated",
    )


def asked(arguments: argparse.Namespace) -> dict[str, Any]:
    """The fields that a command line sets.

    Raises:
        InvalidConfig: one is set twice, or both epochs and steps are.
        UnknownName: one is nearly, but not quite, a field.
    """
    values = {name: getattr(arguments, f"field_{name}") for name in flags() if hasattr(arguments, f"field_{name}")}
    settings: dict[str, Any] = {}
    for name, value in arguments.assignments:
        if name in values or name in settings:
            raise InvalidConfig("a field is set twice", given=name)
        if name not in flags() and difflib.get_close_matches(name, flags(), n=1, cutoff=0.8):
            raise UnknownName("field of a recipe", name, flags(), where="--set")
        (values if name in flags() else settings)[name] = value
    averaging = {
        name.removeprefix(_AVERAGING): settings.pop(name) for name in [*settings] if name.startswith(_AVERAGING)
    }
    if values.get("epochs") is not None and values.get("steps") is not None:
        raise InvalidConfig(
            "a recipe has either epochs or steps, and not both",
            given=f"epochs {values['epochs']}, steps {values['steps']}",
        )
    nested = {"averaging": averaging, "settings": settings}
    return values | {name: fields for name, fields in nested.items() if fields}


def _assignment(text: str) -> tuple[str, Any]:
    name, equals, value = (part.strip() for part in text.partition("="))
    name = name.replace("-", "_")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"{text!r} is not FIELD=VALUE, such as momentum=0.8")
    if name in flags():
        return name, flags()[name].read(value)
    try:
        return name, float(value) if not value.lstrip("-").isdecimal() else int(value)
    except ValueError:
        return name, _BOOLEANS.get(value.lower(), value)


def _of(record: type[BaseModel]) -> Iterator[Flag]:
    meanings = _meanings(record)
    for name, field in record.model_fields.items():
        parts = list(_parts(field.annotation))
        words = tuple(part for part in parts if isinstance(part, str))
        kinds = [part for part in parts if isinstance(part, type) and part is not types.NoneType]
        kind = kinds[0] if kinds and kinds[0] in _READERS else str
        yield Flag(name, kind, words, types.NoneType in parts, meanings.get(name, name.replace("_", " ")))


def _parts(annotation: Any) -> Iterator[Any]:
    """The types, and the words, that an annotation is made of."""
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        for part in get_args(annotation):
            yield from _parts(part)
    elif origin is Annotated:
        yield from _parts(get_args(annotation)[0])
    elif origin is Literal:
        yield from get_args(annotation)
    else:
        yield annotation


def _meanings(record: type[BaseModel]) -> dict[str, str]:
    """The first sentence below each field, which Python itself does not keep."""
    body = ast.parse(inspect.getsource(record)).body[0]
    assert isinstance(body, ast.ClassDef)  # noqa: S101 - the source of a class
    found = {}
    for line, below in zip(body.body, body.body[1:], strict=False):
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and isinstance(below, ast.Expr):
            text = " ".join(str(ast.literal_eval(below.value)).replace("`", "").split()).rstrip(".")
            found[line.target.id] = text[0].lower() + text[1:] if text[1:2].islower() else text
    return found


_BOOLEANS = {"true": True, "yes": True, "false": False, "no": False}
_READERS: dict[type, Callable[[str], Any]] = {
    int: int,
    float: float,
    str: str,
    bool: lambda text: _BOOLEANS[text.lower()],
}
_KINDS = {int: "a whole number", float: "a number", str: "a word", bool: "true or false"}
