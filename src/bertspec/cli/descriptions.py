"""What stands behind a name, in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from bertspec.config import EncoderConfig
from bertspec.errors import BertspecError

if TYPE_CHECKING:
    from bertspec.catalog import Catalog

__all__ = ["describe"]

_PRETRAINED = EncoderConfig(name="any", checkpoint="any")
_FROM_SCRATCH = EncoderConfig(name="any", family="bert")


def describe(kind: Literal["encoders", "tasks", "recipes", "optimizers", "sweeps"], name: str, catalog: Catalog) -> str:
    """One line; for a config that is broken, what is wrong with it."""
    tell = {
        "encoders": _encoder,
        "tasks": _task,
        "recipes": _recipe,
        "optimizers": _optimizer,
        "sweeps": _sweep,
    }
    try:
        return tell[kind](name, catalog)
    except BertspecError as broken:
        return f"broken: {broken}"


def _encoder(name: str, catalog: Catalog) -> str:
    encoder = catalog.encoder(name)
    start = f"{encoder.family} from scratch" if encoder.from_scratch else f"pretrained: {encoder.checkpoint}"
    return f"{start}; recipe {encoder.recipe}"


def _task(name: str, catalog: Catalog) -> str:
    task = catalog.task(name)
    pair = " of pairs" if task.text_pair else ""
    data = " ".join(part for part in (task.dataset, task.subset) if part)
    origin = "" if data == name else f"; {data}"
    return f"{task.head}{pair}: {', '.join(task.metrics)}{origin}"


def _recipe(name: str, catalog: Catalog) -> str:
    recipe = catalog.recipe(name, encoder=_PRETRAINED)
    length = f"{recipe.steps} steps" if recipe.steps is not None else f"{recipe.epochs:g} epochs"
    return (
        f"{recipe.optimizer.word}, {length}, {recipe.batch_size} examples a step, "
        f"{recipe.max_length} tokens, {recipe.schedule}, {recipe.precision}"
    )


def _optimizer(name: str, catalog: Catalog) -> str:
    rates = [catalog.optimizer(name, encoder).learning_rate for encoder in (_PRETRAINED, _FROM_SCRATCH)]
    return f"learning rate {rates[0]:g} pretrained, {rates[1]:g} from scratch"


def _sweep(name: str, catalog: Catalog) -> str:
    from bertspec.sweep import files

    config = files.load(catalog.sweep(name))
    count = config.run_cap or (config.grid_size if config.method == "grid" else None)
    varied = [
        f"{len(parameter.values)} {word}s" if parameter.several and parameter.values else word
        for word, parameter in config.searched.items()
        if parameter.choices is None or len(parameter.choices) > 1
    ]
    return f"{config.method}, {'any number of' if count is None else count} trials: {', '.join(varied)}"
