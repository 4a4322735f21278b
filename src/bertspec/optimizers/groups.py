"""Which weights go together: the same weight decay, and the same share of the learning rate."""

from __future__ import annotations

from typing import Any

from torch import nn

from bertspec.config import OptimizerConfig
from bertspec.errors import InvalidConfig

__all__ = ["Groups", "groups", "levels"]

Groups = list[dict[str, Any]]
"""Each with ``params``, ``weight_decay``, ``scale`` (its share of the learning rate) and ``hidden`` (see below)."""


def groups(config: OptimizerConfig, model: nn.Module, *, hidden_apart: bool) -> Groups:
    """The trained weights of a model, as few groups as they can be.

    Args:
        config: says what is exempt from weight decay, and how the learning rate falls from layer to layer.
        model: its trained weights are grouped, those that lie in the list of layers by their layer.
        hidden_apart: whether the matrices of the layers are groups of their own, which ``hidden`` marks.

    Raises:
        InvalidConfig: layers are needed, and the model has not one list of them.
    """
    layered = hidden_apart or config.layer_decay < 1
    level = levels(model) if layered else dict.fromkeys(model.parameters(), 0)
    top = max(level.values(), default=0)
    found: dict[tuple[bool, int, bool], list[nn.Parameter]] = {}
    for parameter in model.parameters():
        if parameter.requires_grad:
            at, decays = level[parameter], parameter.ndim > 1 or config.decay_exempt == "none"
            hidden = hidden_apart and parameter.ndim == 2 and 0 < at < top
            key = (not decays, top - at if config.layer_decay < 1 else 0, hidden)
            found.setdefault(key, []).append(parameter)
    return [
        {
            "params": found[key],
            "weight_decay": 0.0 if key[0] else config.weight_decay,
            "scale": config.layer_decay ** key[1],
            "hidden": key[2],
        }
        for key in sorted(found)
    ]


def levels(model: nn.Module) -> dict[nn.Parameter, int]:
    """The height of every weight: 0 for embeddings, then one for each layer, the head on top.

    The layers are the model's own list of modules. What a model registers before them, and every embedding, is at the
    bottom; what comes after them, such as a last norm, a pooler and the head, is at the top. Weights that several
    layers share, as ALBERT's do, are one layer.

    Raises:
        InvalidConfig: the model has no list of layers, or several.
    """
    name, layers = _layers(model)
    height = {p: number for number, layer in enumerate(layers, start=1) for p in layer.parameters()}
    embeddings = {p for module in model.modules() if isinstance(module, nn.Embedding) for p in module.parameters()}
    found: dict[nn.Parameter, int] = {}
    above = False
    for path, parameter in model.named_parameters():
        above = above or path.startswith(f"{name}.")
        below = parameter in embeddings or not above
        found[parameter] = height.get(parameter, 0 if below else len(layers) + 1)
    return found


def _layers(model: nn.Module) -> tuple[str, nn.ModuleList]:
    lists: dict[str, nn.ModuleList] = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and not any(name.startswith(f"{outer}.") for outer in lists):
            lists[name] = module
    if len(lists) != 1:
        raise InvalidConfig(
            "layer_decay and rules for hidden layers need a model with one list of layers",
            given=", ".join(lists) or "none",
            allowed="layer_decay: 1, and a rule that treats all weights alike",
            where="the optimizer",
        )
    [found] = lists.items()
    return found
