"""A word in a feature line → a config: a config file, a hub id, a folder, or a YAML file of the user's own."""

from __future__ import annotations

import importlib.util
import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from bertspec import metrics
from bertspec.config import REFUSED, EncoderConfig, OptimizerConfig, RecipeConfig, StudyConfig, TaskConfig
from bertspec.errors import InvalidConfig, UnknownName
from bertspec.records import validate
from bertspec.sources.tables import FILE_READERS

__all__ = ["Catalog"]

Kind = Literal["encoders", "optimizers", "recipes", "sweeps", "tasks"]

_log = logging.getLogger(__name__)

_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")
_YAML = (".yaml", ".yml")
_STARTS = ("pretrained", "from_scratch")
_BESIDE = {"schedule", "warmup_fraction"}
"""The fields of a recipe that an optimizer's config may set."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """The folders of configs, the user's own first."""

    folders: tuple[Path, ...]

    @classmethod
    def beside(cls, folder: Path) -> Catalog:
        """The ``configs/`` of a folder, where it has one, then the configs that travel with bertspec."""
        packaged = importlib.util.find_spec("bertspec.configs")
        travelling = packaged.submodule_search_locations if packaged else None
        return cls((folder / "configs", *map(Path, travelling or ())))

    def names(self, kind: Kind) -> list[str]:
        """Every word that names a config of this kind."""
        return sorted({file.relative_to(root).with_suffix("").as_posix() for root, file in self._files(kind)})

    def encoder(self, word: str) -> EncoderConfig:
        """The encoder of that name, hub id, folder or YAML file.

        Raises:
            UnknownName: nothing is called so, and it has not the form of a hub id.
            InvalidConfig: its file holds something else than an encoder.
        """
        file = self._find("encoders", word)
        if file is not None:
            values = _read(file)
            return validate(EncoderConfig, {"name": word, **_local(values, "checkpoint", file)}, where=file)
        if _is_path(word) or "/" in word:
            checkpoint = str(Path(word).expanduser().absolute()) if _is_path(word) else word
            return EncoderConfig(name=word, checkpoint=checkpoint)
        raise UnknownName("encoder", word, self.names("encoders"), where=self._where("encoders"))

    def task(self, word: str, changes: Mapping[str, Any] | None = None) -> TaskConfig:
        """The task of that name, or of that YAML file.

        Args:
            word: its name or its YAML file; with ``changes`` also a hub id, a folder or a data file.
            changes: fields to set; for a bare data set they are the whole task.

        Raises:
            UnknownName: nothing is called so, or its metrics are not known.
            InvalidConfig: its file holds something else than a task, or a metric does not fit its head.
        """
        file = self._find("tasks", word)
        values: dict[str, Any]
        if file is not None:
            values = _local(_read(file), "dataset", file)
        elif changes and (_is_local(word) or "/" in word):
            values = {"dataset": str(Path(word).expanduser().absolute()) if _is_local(word) else word}
        else:
            raise UnknownName("task", word, self.names("tasks"), where=self._where("tasks"))
        where, values = file or f"the task {word!r}", {"name": _stem(word), **values, **(changes or {})}
        if "overlap_allowed" in values:
            _log.warning("%s: overlap_allowed is now called contamination_allowed; write that instead", where)
        task = validate(TaskConfig, values, where=where)
        metrics.check(task)
        return task

    def optimizer(self, word: str, encoder: EncoderConfig) -> OptimizerConfig:
        """The optimizer of that name, with its learning rate for such an encoder.

        A config gives one ``learning_rate``, or two: ``pretrained`` and ``from_scratch``. What it says under
        ``recipe`` holds for recipes that this optimizer is used in; see :meth:`recipe`.

        Raises:
            UnknownName: nothing is called so.
            InvalidConfig: it cannot work, or its file holds something else than an optimizer.
        """
        return self._optimizer(word, encoder)[0]

    def _optimizer(self, word: str, encoder: EncoderConfig) -> tuple[OptimizerConfig, Mapping[str, Any]]:
        file = self._find("optimizers", word)
        if file is None:
            if word in REFUSED:
                raise InvalidConfig(REFUSED[word], given=word, allowed=", ".join(self.names("optimizers")))
            raise UnknownName("optimizer", word, self.names("optimizers"), where=self._where("optimizers"))
        values = _read(file)
        rate = values.get("learning_rate")
        if isinstance(rate, Mapping):
            if set(rate) != set(_STARTS):
                raise InvalidConfig(
                    "the learning rates are not understood",
                    given=dict(rate),
                    allowed="one number, or " + " and ".join(_STARTS),
                    where=file,
                )
            values["learning_rate"] = rate[_STARTS[encoder.from_scratch]]
        beside = values.pop("recipe", {})
        if not isinstance(beside, Mapping) or not set(beside) <= _BESIDE:
            raise InvalidConfig(
                "an optimizer decides no such field of a recipe",
                given=beside,
                allowed=", ".join(sorted(_BESIDE)),
                where=file,
            )
        stem = _stem(word)
        return validate(OptimizerConfig, {"name": stem, "algorithm": stem, **values}, where=file), beside

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
            changes: fields to set, of the recipe or (``learning_rate``, ``weight_decay``, ``averaging``, ``settings``
                and others) its optimizer; of the last two, only the fields that are named.

        Raises:
            UnknownName: nothing is called so.
            InvalidConfig: a value is not allowed.
        """
        file = self._find("recipes", word)
        if file is None:
            raise UnknownName("recipe", word, self.names("recipes"), where=self._where("recipes"))
        values = _read(file)
        found, beside = self._optimizer(optimizer or str(values.get("optimizer")), encoder)
        chosen, values = found.model_dump(), {**values, **beside}
        for field, value in (changes or {}).items():
            target = chosen if field in OptimizerConfig.model_fields else values
            target[field] = _changed(target.get(field), value)
            if field in ("epochs", "steps"):
                values.pop("steps" if field == "epochs" else "epochs", None)
        set_here = f", with {', '.join(changes)} set by the caller" if changes else ""
        return validate(RecipeConfig, {**values, "optimizer": chosen}, where=f"{file}{set_here}")

    def study(
        self,
        encoder: EncoderConfig,
        task: TaskConfig,
        *,
        seeds: Sequence[int],
        recipe: str | None = None,
        optimizer: str | None = None,
        changes: Mapping[str, Any] | None = None,
    ) -> StudyConfig:
        """The study of an encoder on a task, under the encoder's own recipe where none is named.

        Raises:
            UnknownName: the recipe or the optimizer is not known.
            InvalidConfig: a value is not allowed, there are no seeds, or a seed stands twice.
        """
        chosen = self.recipe(recipe or encoder.recipe, encoder=encoder, optimizer=optimizer, changes=changes)
        values = {"encoder": encoder, "task": task, "recipe": chosen, "seeds": tuple(seeds)}
        return validate(StudyConfig, values, where="the seeds of the study")

    def sweep(self, word: str) -> Path:
        """The file of the sweep of that name, or that file itself.

        Raises:
            UnknownName: nothing is called so.
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
            file = Path(word).expanduser().absolute()
            if not file.is_file():
                raise UnknownName(f"{kind[:-1]} file", word, self.names(kind))
            return file
        if not _WORD.fullmatch(word):
            return None
        candidates = [folder / kind / f"{word}{suffix}" for folder in self.folders for suffix in _YAML]
        return next((file for file in candidates if file.is_file()), None)

    def _where(self, kind: Kind) -> str:
        return " and ".join(str(folder / kind) for folder in self.folders)


def _is_path(word: str) -> bool:
    return word.startswith((".", "/", "~"))


def _is_local(word: str) -> bool:
    return _is_path(word) or Path(word).suffix in FILE_READERS


def _stem(word: str) -> str:
    return Path(word).stem if word.endswith(_YAML) else word


def _read(file: Path) -> dict[str, Any]:
    try:
        values = yaml.safe_load(file.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as broken:
        raise InvalidConfig(f"the file is not YAML: {broken}", where=file) from broken
    if not isinstance(values, dict):
        raise InvalidConfig("the file holds no fields", given=type(values).__name__, allowed="field: value", where=file)
    return values


def _local(values: dict[str, Any], field: str, file: Path) -> dict[str, Any]:
    """A relative path in a config is relative to that config."""
    given = values.get(field)
    if isinstance(given, str) and _is_local(given):
        values[field] = str((file.parent / Path(given).expanduser()).resolve())
    return values


def _changed(old: Any, new: Any) -> Any:
    """A field with its new value; of several, only those that are named, unless the kind is another."""
    nested = isinstance(old, Mapping) and isinstance(new, Mapping) and new.get("kind") in {None, old.get("kind")}
    return {**old, **new} if nested else new
