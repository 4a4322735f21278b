"""Options that several commands share, those of a recipe's fields included, and the session that they describe."""

from __future__ import annotations

import argparse
import difflib
import functools
import re
import sys
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from bertspec.config import OptimizerConfig, RecipeConfig
from bertspec.errors import InvalidConfig, UnknownName

if TYPE_CHECKING:
    from collections.abc import Callable

    from bertspec.catalog import Catalog
    from bertspec.study import Session

__all__ = [
    "Flag",
    "add_device",
    "add_recipe",
    "add_store",
    "catalog",
    "complete_names",
    "complete_runs",
    "recipe_fields",
    "recipe_flags",
    "session",
]

_OTHERWISE = {"optimizer", "name", "algorithm", "averaging", "settings"}
"""Fields of a recipe without an option: ``--optimizer`` names the optimizer, and ``--set`` sets the rest."""
_AVERAGING = "averaging."


def add_store(parser: argparse._ActionsContainer) -> None:
    """Add ``--store``."""
    parser.add_argument(
        "--store",
        metavar="PATH",
        help="the folder of finished runs (default: BERTSPEC_STORE, else .bertspec here or in a folder above)",
    )


def add_device(parser: argparse._ActionsContainer) -> None:
    """Add ``--device``."""
    parser.add_argument(
        "--device",
        choices=("auto", "cpu", "cuda"),
        default="auto",
        help="where to compute (default: auto, a GPU if there is one)",
    )


def catalog() -> Catalog:
    """The configs of this folder, then those that come with bertspec."""
    from bertspec.catalog import Catalog
    from bertspec.store import project_root

    return Catalog.beside(project_root())


def session(arguments: argparse.Namespace, *, bars: bool = True, **fields: Any) -> Session:
    """The session that a command line describes.

    Args:
        arguments: the parsed command line, with ``device``, and ``store`` if the command stores anything.
        bars: whether each run draws a progress bar on standard error.
        fields: further fields of the session.
    """
    from bertspec.study import Session
    from bertspec.tracking import ProgressTracker

    progress = ProgressTracker(sys.stderr) if bars else None
    return Session.open(getattr(arguments, "store", None), progress=progress, device=arguments.device, **fields)


def complete_names(option: argparse.Action, kind: str) -> None:
    """Complete the names of encoders, tasks, recipes, optimizers or sweeps; ``kind`` is the singular."""

    def names(prefix: str, **_: object) -> list[str]:
        plural: Any = f"{kind}s"
        return [name for name in catalog().names(plural) if name.startswith(prefix)]

    _complete(option, names)


def complete_runs(option: argparse.Action) -> None:
    """Complete the fingerprints of stored runs, without reading the runs."""

    def fingerprints(prefix: str, parsed_args: argparse.Namespace, **_: object) -> list[str]:
        from bertspec.store import Store

        stored = (name[:12] for name in Store.locate(parsed_args.store).fingerprints())
        return [name for name in ("latest", *stored) if name.startswith(prefix)]

    _complete(option, fingerprints)


@dataclass(frozen=True, slots=True)
class Flag:
    """One field of a recipe as an option."""

    name: str
    kind: type
    """The type of its value, apart from None and ``choices``."""
    choices: tuple[str, ...]
    optional: bool
    """Whether the value may be None; the word on the command line is ``none``."""
    meaning: str

    @property
    def option(self) -> str:
        """The option, such as ``--batch-size``."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def values(self) -> str:
        """The placeholder for its value in the help."""
        words = self.choices or ({int: "N", float: "X", bool: "true|false"}.get(self.kind, "VALUE"),)
        return "|".join((*words, "none") if self.optional else words)

    def read(self, text: str) -> Any:
        """Convert a word; the record checks the range.

        Raises:
            ArgumentTypeError: the word has another type.
        """
        if self.optional and text == "none":
            return None
        if self.choices and text not in self.choices:
            raise argparse.ArgumentTypeError(f"{text!r} is not one of {', '.join(self.choices)}")
        try:
            return _READERS[self.kind](text)
        except (ValueError, KeyError):
            allowed = _KINDS[self.kind] + (", or none" if self.optional else "")
            raise argparse.ArgumentTypeError(f"{text!r} is not {allowed}") from None


@functools.cache
def recipe_flags() -> dict[str, Flag]:
    """The options of a recipe and of its optimizer, each by the name of its field."""
    every = [*_flags_of(RecipeConfig), *_flags_of(OptimizerConfig)]
    return {flag.name: flag for flag in every if flag.name not in _OTHERWISE}


def add_recipe(parser: Any) -> None:
    """Add an option for each field of a recipe, and ``--set``."""
    for flag in recipe_flags().values():
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
        help="set any of these fields, an option that only this optimizer has, such as momentum=0.8, or a field of its "
        "weight average, such as averaging.start=0.5; may be repeated",
    )


def recipe_fields(arguments: argparse.Namespace) -> dict[str, Any]:
    """The fields of a recipe that a command line sets.

    Raises:
        InvalidConfig: a field is set twice, or both epochs and steps are set.
        UnknownName: a name looks like a misspelt field.
    """
    known = recipe_flags()
    values = {name: getattr(arguments, f"field_{name}") for name in known if hasattr(arguments, f"field_{name}")}
    settings: dict[str, Any] = {}
    for name, value in arguments.assignments:
        if name in values or name in settings:
            raise InvalidConfig("a field is set twice", given=name)
        if name not in known and difflib.get_close_matches(name, known, n=1, cutoff=0.8):
            raise UnknownName("field of a recipe", name, known, where="--set")
        (values if name in known else settings)[name] = value
    averaging = {
        name.removeprefix(_AVERAGING): settings.pop(name) for name in [*settings] if name.startswith(_AVERAGING)
    }
    if values.get("epochs") is not None and values.get("steps") is not None:
        raise InvalidConfig(
            "a recipe has either epochs or steps, and not both",
            given=f"epochs {values['epochs']}, steps {values['steps']}",
        )
    nested = {"averaging": averaging, "settings": settings}
    return values | {name: inner for name, inner in nested.items() if inner}


def _assignment(text: str) -> tuple[str, Any]:
    name, equals, value = (part.strip() for part in text.partition("="))
    name = name.replace("-", "_")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"{text!r} is not FIELD=VALUE, such as momentum=0.8")
    if name in recipe_flags():
        return name, recipe_flags()[name].read(value)
    try:
        return name, float(value) if not value.lstrip("-").isdecimal() else int(value)
    except ValueError:
        return name, _BOOLEANS.get(value.lower(), value)


def _flags_of(record: type[BaseModel]) -> Iterator[Flag]:
    for name, field in record.model_fields.items():
        parts = list(_parts(field.annotation))
        words = tuple(part for part in parts if isinstance(part, str))
        kinds = [part for part in parts if isinstance(part, type) and part is not types.NoneType]
        kind = kinds[0] if kinds and kinds[0] in _READERS else str
        yield Flag(name, kind, words, types.NoneType in parts, _phrase(field.description or name))


def _parts(annotation: Any) -> Iterator[Any]:
    """The types and the words of an annotation."""
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


def _phrase(description: str) -> str:
    """A field's docstring as help: lower case, one paragraph, without markup; None is typed as ``none``."""
    text = re.sub(r"\bNone\b", "none", " ".join(description.replace("`", "").split()).rstrip("."))
    return text[0].lower() + text[1:] if text[1:2].islower() else text


_BOOLEANS = {"true": True, "yes": True, "false": False, "no": False}
_READERS: dict[type, Callable[[str], Any]] = {
    int: int,
    float: float,
    str: str,
    bool: lambda text: _BOOLEANS[text.lower()],
}
_KINDS = {int: "a whole number", float: "a number", str: "a word", bool: "true or false"}


def _complete(option: argparse.Action, completer: Callable[..., list[str]]) -> None:
    option.completer = completer  # type: ignore[attr-defined]  # argcomplete's name for it
