"""Names → configs and plans. A name is that of a config file, a hub id, a folder or a YAML file."""

from __future__ import annotations

import importlib.util
import math
import os
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bertspec import metrics
from bertspec.config import REFUSED, EncoderConfig, OptimizerConfig, RecipeConfig, StudyConfig, TaskConfig
from bertspec.documents import Document, Keys, load_yaml
from bertspec.errors import FormerName, InvalidConfig, UnknownName, cut_short
from bertspec.records import did_you_mean, validate
from bertspec.sources.rows import suffix_of

__all__ = ["PLAN_FIELDS", "Catalog"]

Kind = Literal["encoders", "optimizers", "recipes", "sweeps", "tasks"]

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")
_YAML = (".yaml", ".yml")
_STARTS = ("pretrained", "from_scratch")
_OF_RECIPES = {"schedule", "warmup_fraction"}
"""The fields of a recipe that an optimizer's config may set."""
_ON_THE_HUB = "a model of the hub as OWNER/NAME, such as google-bert/bert-base-uncased"
_A_TASK = "a YAML file with dataset: {}, and its columns and classes: text:, label:, head:, labels: and metrics:"

PLAN_FIELDS = (
    "encoder",
    "task",
    "recipe",
    "optimizer",
    "seeds",
    "tuning_share",
    "learning_rate_factor",
    *(name for name in RecipeConfig.model_fields if name != "optimizer"),
    *(name for name in OptimizerConfig.model_fields if name not in {"name", "algorithm"}),
)
"""What :meth:`Catalog.plan` may be given."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """The folders of configs, the user's own first."""

    folders: tuple[Path, ...]

    @classmethod
    def beside(cls, folder: Path) -> Catalog:
        """The ``configs/`` of a folder, then the configs of bertspec itself."""
        packaged = importlib.util.find_spec("bertspec.configs")
        shipped = packaged.submodule_search_locations if packaged else None
        return cls((folder / "configs", *map(Path, shipped or ())))

    def names(self, kind: Kind) -> list[str]:
        """Every word that names a config of this kind."""
        return sorted({file.relative_to(root).with_suffix("").as_posix() for root, file in self._files(kind)})

    def encoder(self, word: str) -> EncoderConfig:
        """The encoder of that name, hub id, folder or YAML file.

        Raises:
            UnknownName: no encoder has this name, and it does not look like a hub id.
            InvalidConfig: its file does not describe an encoder.
        """
        file = self._find("encoders", _name("encoder", word))
        if file is not None:
            document, values = _read(file)
            return validate(EncoderConfig, {"name": word, **_local(values, "checkpoint", file)}, where=document.where)
        if _is_path(word) or "/" in word:
            checkpoint = str(_absolute(word)) if _is_path(word) else word
            return EncoderConfig(name=word, checkpoint=checkpoint)
        known, where = self.names("encoders"), self._where("encoders")
        raise UnknownName("encoder", word, known, where=where, otherwise=_ON_THE_HUB)

    def task(self, word: str, changes: Mapping[str, Any] | None = None) -> TaskConfig:
        """The task of that name, or of that YAML file.

        Args:
            word: its name or its YAML file; with ``changes`` also a hub id, a folder or a data file.
            changes: fields to set; for a bare data set they are the whole task.

        Raises:
            UnknownName: no task has this name, or a metric is not known.
            InvalidConfig: its file does not describe a task, or a metric does not fit its head.
        """
        file = self._find("tasks", _name("task", word))
        document = Document(f"the task {word!r}")
        if file is not None:
            document, values = _read(file)
            values = _local(values, "dataset", file)
        elif changes and (_is_local(word) or "/" in word):
            values = {"dataset": str(_absolute(word)) if _is_local(word) else word}
        else:
            otherwise = _A_TASK.format(word) if _is_local(word) or "/" in word else None
            known, where = self.names("tasks"), self._where("tasks")
            raise UnknownName("task", word, known, where=where, otherwise=otherwise)
        changed = f"the fields of the task {word!r} that are set"
        values = {"name": _stem(word), **_renamed(values, document.name), **_renamed(changes or {}, changed)}
        task = validate(TaskConfig, values, where=_where(document, changes))
        metrics.check(task)
        return task

    def optimizer(self, word: str, encoder: EncoderConfig) -> OptimizerConfig:
        """The optimizer of that name, with its learning rate for such an encoder.

        A config gives one ``learning_rate``, or two: ``pretrained`` and ``from_scratch``. What it says under
        ``recipe`` holds for recipes that this optimizer is used in; see :meth:`recipe`.

        Raises:
            UnknownName: nothing has this name.
            InvalidConfig: it cannot train an encoder, or its file does not describe an optimizer.
        """
        return self._optimizer(word, encoder)[0]

    def _optimizer(self, word: str, encoder: EncoderConfig) -> tuple[OptimizerConfig, Mapping[str, Any]]:
        file = self._find("optimizers", _name("optimizer", word))
        if file is None:
            if word in REFUSED:
                raise InvalidConfig(REFUSED[word], given=word, allowed=", ".join(self.names("optimizers")))
            raise UnknownName("optimizer", word, self.names("optimizers"), where=self._where("optimizers"))
        document, values = _read(file)
        rate = values.get("learning_rate")
        if isinstance(rate, Mapping):
            if set(rate) != set(_STARTS):
                raise InvalidConfig(
                    "the learning rates are not understood",
                    given=dict(rate),
                    allowed="one number, or " + " and ".join(_STARTS),
                    where=document.where(("learning_rate",)),
                )
            values["learning_rate"] = rate[_STARTS[encoder.from_scratch]]
        beside = values.pop("recipe", {})
        if not isinstance(beside, Mapping) or not set(beside) <= _OF_RECIPES:
            raise InvalidConfig(
                "an optimizer decides no such field of a recipe",
                given=beside,
                allowed=", ".join(sorted(_OF_RECIPES)),
                where=document.where(("recipe",)),
            )
        stem = _stem(word)
        return validate(OptimizerConfig, {"name": stem, "algorithm": stem, **values}, where=document.where), beside

    def recipe(
        self,
        word: str,
        *,
        encoder: EncoderConfig,
        optimizer: str | None = None,
        changes: Mapping[str, Any] | None = None,
    ) -> RecipeConfig:
        """The recipe of that name, for such an encoder.

        An optimizer that wants a schedule of its own brings it along; ``changes`` come last.

        Args:
            word: its name, or its YAML file.
            encoder: what it will train; an optimizer's learning rate depends on it.
            optimizer: the optimizer to use instead of the recipe's own.
            changes: fields to set, of the recipe or of its optimizer, and ``learning_rate_factor``. Of ``averaging``
                and ``settings``, only the fields that are named.

        Raises:
            UnknownName: nothing has this name.
            InvalidConfig: a value is not allowed.
        """
        file = self._find("recipes", _name("recipe", word))
        if file is None:
            raise UnknownName("recipe", word, self.names("recipes"), where=self._where("recipes"))
        document, values = _read(file)
        if optimizer is None and "optimizer" not in values:
            raise InvalidConfig("optimizer is missing", where=file)
        config, beside = self._optimizer(values["optimizer"] if optimizer is None else optimizer, encoder)
        chosen, values = config.model_dump(), {**values, **beside}
        for field, value in (changes or {}).items():
            if field == "learning_rate_factor":
                chosen["learning_rate"] *= _factor(value, changes or {})
                continue
            target = chosen if field in OptimizerConfig.model_fields else values
            target[field] = _changed(target.get(field), value)
            if field in ("epochs", "steps"):
                values.pop("steps" if field == "epochs" else "epochs", None)
        return validate(RecipeConfig, {**values, "optimizer": chosen}, where=_where(document, changes))

    def plan(self, **fields: Any) -> StudyConfig:
        """The study that these fields describe. Everything that is trained was planned here.

        Args:
            fields: of those in ``PLAN_FIELDS``; ``encoder`` and ``task`` are required.

                - ``encoder``, ``task``: a name (see :meth:`encoder` and :meth:`task`), or a config;
                - ``recipe``: a name; the encoder's own unless given;
                - ``optimizer``: a name; the recipe's own unless given;
                - ``seeds``: one seed, or several; 1 to 3 unless given;
                - ``tuning_share``: the share of the training rows that is scored instead of the evaluation split;
                - ``learning_rate_factor``: what the optimizer's own learning rate is multiplied by;
                - any field of a recipe or an optimizer. What is nested may be a mapping or have its names joined by
                  dots: ``settings.momentum``, ``averaging.start``.

        Raises:
            UnknownName: a name is not known.
            InvalidConfig: a field is unknown or missing, a value is not allowed, or a seed stands twice.
        """
        given = _nested(fields)
        _check_fields(given)
        encoder, task = given.pop("encoder"), given.pop("task")
        encoder = encoder if isinstance(encoder, EncoderConfig) else self.encoder(encoder)
        task = task if isinstance(task, TaskConfig) else self.task(task)
        recipe, optimizer, seeds = (
            given.pop("recipe", None),
            given.pop("optimizer", None),
            given.pop("seeds", (1, 2, 3)),
        )
        share = given.pop("tuning_share", None)
        if share is not None:
            task = validate(TaskConfig, {**task.model_dump(), "tuning_share": share}, where=f"the task {task.name!r}")
        values = {
            "encoder": encoder,
            "task": task,
            "recipe": self.recipe(
                encoder.recipe if recipe is None else recipe,
                encoder=encoder,
                optimizer=optimizer,
                changes=given,
            ),
            "seeds": tuple(seeds) if isinstance(seeds, Iterable) and not isinstance(seeds, str) else (seeds,),
        }
        return validate(StudyConfig, values, where="the seeds of the study")

    def sweep(self, word: str) -> Path:
        """The file of the sweep of that name, or that file itself.

        Raises:
            UnknownName: nothing has this name.
        """
        file = self._find("sweeps", word)
        if file is None:
            raise UnknownName("sweep", word, self.names("sweeps"), where=self._where("sweeps"))
        return file

    def _files(self, kind: Kind) -> list[tuple[Path, Path]]:
        roots = [folder / kind for folder in self.folders]
        return [(root, file) for root in roots for file in sorted(root.rglob("*.y*ml")) if file.suffix in _YAML]

    def _find(self, kind: Kind, word: str) -> Path | None:
        if word.endswith(_YAML):
            file = _absolute(word)
            if not os.path.lexists(file):
                raise UnknownName(f"{kind[:-1]} file", word, self.names(kind))
            return file
        if not _WORD.fullmatch(word):
            return None
        candidates = [folder / kind / f"{word}{suffix}" for folder in self.folders for suffix in _YAML]
        return next((file for file in candidates if os.path.lexists(file)), None)

    def _where(self, kind: Kind) -> str:
        return " and ".join(str(folder / kind) for folder in self.folders)


def _nested(fields: Mapping[str, Any]) -> dict[str, Any]:
    """``settings.momentum`` → ``settings: {momentum: ...}``."""
    nested: dict[str, Any] = {}
    for name, value in fields.items():
        top, dot, below = name.partition(".")
        above = nested.get(top, {})
        if dot and not isinstance(above, Mapping):
            raise InvalidConfig(f"{top} and a field of it are both given", given=f"{above!r} and {name}")
        nested[top] = {**above, below: value} if dot else value
    return nested


def _check_fields(given: Mapping[str, Any]) -> None:
    problems = [f"{word} is missing" for word in ("encoder", "task") if word not in given]
    unknown = [name for name in given if name not in PLAN_FIELDS]
    problems += [f"{cut_short(name)} is not a known field{did_you_mean(name, PLAN_FIELDS)}" for name in unknown]
    if problems:
        problem = f"a fine-tuning is not described by these fields: {' and '.join(problems)}"
        raise InvalidConfig(problem, given=", ".join(given), allowed=", ".join(PLAN_FIELDS))


def _name(kind: str, word: object) -> str:
    if not isinstance(word, str):
        raise InvalidConfig(f"{kind} is a name", given=word)
    if "\0" in word:
        raise InvalidConfig(f"the name of the {kind} has a null character", given=word)
    return word


def _factor(factor: object, changes: Mapping[str, Any]) -> float:
    if "learning_rate" in changes:
        raise InvalidConfig(
            "learning_rate and learning_rate_factor are both given",
            given=f"{changes['learning_rate']} and {factor}",
            allowed="one of the two",
        )
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not 0 < factor < math.inf:
        raise InvalidConfig("learning_rate_factor is not a number above zero", given=factor)
    return factor


def _absolute(word: str) -> Path:
    return _expanded(word).absolute()


def _expanded(word: str) -> Path:
    try:
        return Path(word).expanduser()
    except RuntimeError as cause:
        raise InvalidConfig("nobody here has this home folder", given=word) from cause


def _is_path(word: str) -> bool:
    return word.startswith((".", "/", "~"))


def _is_local(word: str) -> bool:
    return _is_path(word) or suffix_of(word) is not None


def _stem(word: str) -> str:
    return Path(word).stem if word.endswith(_YAML) else word


def _read(file: Path) -> tuple[Document, dict[str, Any]]:
    document = load_yaml(file)
    values = document.value
    if not isinstance(values, dict):
        raise InvalidConfig("the file holds no fields", given=type(values).__name__, allowed="field: value", where=file)
    return document, values


def _where(document: Document, changes: Mapping[str, Any] | None) -> Callable[[Keys], str]:
    """What holds a value: the line of the document, or the caller that set it."""

    def where(keys: Keys) -> str:
        if not changes:
            return document.where(keys)
        return f"{document.name}, with {', '.join(changes)} set by the caller"

    return where


def _renamed(values: Mapping[str, Any], where: object) -> Mapping[str, Any]:
    """The fields of a task under their present names."""
    former, present = "overlap_allowed", "contamination_allowed"
    if former not in values or present in values:
        return values
    warnings.warn(f"{where}: {former} is now called {present}; write that instead", FormerName, stacklevel=1)
    return {present if name == former else name: value for name, value in values.items()}


def _local(values: dict[str, Any], field: str, file: Path) -> dict[str, Any]:
    """A relative path in a config is relative to that config. A data file keeps its name, whatever a link leads to."""
    given = values.get(field)
    if isinstance(given, str) and _is_local(given):
        path = file.parent / _expanded(given)
        real = os.path.realpath  # Path.resolve raises for a loop of links
        values[field] = os.path.join(real(path.parent), path.name) if suffix_of(given) else real(path)  # noqa: PTH118
    return values


def _changed(old: Any, new: Any) -> Any:
    """A field with its new value; of several, only those that are named, unless the kind is another."""
    nested = isinstance(old, Mapping) and isinstance(new, Mapping) and new.get("kind") in {None, old.get("kind")}
    return {**old, **new} if nested else new
