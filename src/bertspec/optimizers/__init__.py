"""Optimizers by name, and which weights they group together."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping

import torch
from pydantic import ConfigDict, ValidationError, validate_call
from torch import nn

from bertspec.config import OptimizerConfig
from bertspec.errors import InvalidConfig, UnknownName
from bertspec.optimizers import hypergradient, pytorch_optimizer_rules, torch_rules
from bertspec.optimizers.averaging import Averaged
from bertspec.optimizers.protocol import Closure, Groups, Length, Optimizer, Requirements, TorchOptimizer
from bertspec.records import invalid

__all__ = [
    "ALGORITHMS",
    "REQUIREMENTS",
    "Closure",
    "Groups",
    "Length",
    "Optimizer",
    "Requirements",
    "TorchOptimizer",
    "build",
    "check",
    "groups",
    "levels",
    "requirements",
]

ALGORITHMS: Mapping[str, Callable[..., Optimizer]] = {
    "adadelta": torch_rules.adadelta,
    "adafactor": torch_rules.adafactor,
    "adagrad": torch_rules.adagrad,
    "adam": torch_rules.adam,
    "adamw": torch_rules.adamw,
    "asgd": torch_rules.asgd,
    "lamb": pytorch_optimizer_rules.lamb,
    "lion": pytorch_optimizer_rules.lion,
    "muon": torch_rules.muon,
    "nadam": torch_rules.nadam,
    "prodigy": pytorch_optimizer_rules.prodigy,
    "radam": torch_rules.radam,
    "rmsprop": torch_rules.rmsprop,
    "schedule-free-adamw": pytorch_optimizer_rules.schedule_free_adamw,
    "sgd": torch_rules.sgd,
    **hypergradient.ALGORITHMS,
}
"""Every update rule by its name: a function of weight groups, ``learning_rate`` and its settings as keywords."""

REQUIREMENTS: Mapping[str, Requirements] = {
    "adafactor": Requirements(whole_tensors=True),
    "asgd": Requirements(averages=True),
    "lamb": Requirements(whole_tensors=True),
    "muon": Requirements(hidden_apart=True),  # AdamW updates embeddings, row by row: no whole tensors
    "prodigy": Requirements(whole_tensors=True, one_rate=True),
    "schedule-free-adamw": Requirements(constant_schedule=True, averages=True),
    **hypergradient.REQUIREMENTS,
}
"""What a rule requires, if it is more than one backward per step."""


_NOT_SETTINGS = {"groups", "learning_rate"}


def check(config: OptimizerConfig, *, schedule: str | None = None) -> None:
    """Refuse an optimizer that could not train, before anything is loaded.

    Args:
        config: the optimizer.
        schedule: the recipe's schedule, or None if it is not known.

    Raises:
        UnknownName: no update rule has this name.
        InvalidConfig: a setting is unknown or not allowed; the rule excludes the schedule, an average or
            layer decay; the package of the rule is not installed.
    """
    if config.algorithm not in ALGORITHMS:
        raise UnknownName("optimizer", config.algorithm, ALGORITHMS)
    wanted = requirements(config)
    if wanted.constant_schedule and schedule not in {None, "constant"}:
        raise InvalidConfig(f"{config.algorithm} replaces the schedule", given=schedule, allowed="schedule: constant")
    if wanted.averages and config.averaging is not None:
        raise InvalidConfig(
            f"{config.algorithm} scores its own average of the weights",
            given=config.averaging.kind,
            allowed="averaging: null",
        )
    if wanted.one_rate and config.layer_decay < 1:
        raise InvalidConfig(
            f"{config.algorithm} has one learning rate for all weights",
            given=config.layer_decay,
            allowed="layer_decay: 1",
        )
    _rule(config, _some_weights(config))


def requirements(config: OptimizerConfig) -> Requirements:
    """What the update rule of a checked config requires of the loop."""
    wanted, share = REQUIREMENTS.get(config.algorithm, Requirements()), config.settings.get("held_out")
    return wanted if share is None else dataclasses.replace(wanted, held_out=float(share))


def build(config: OptimizerConfig, model: nn.Module, *, length: Length | None = None) -> Optimizer:
    """The optimizer of a model.

    Args:
        config: the optimizer.
        model: its weights that require a gradient are trained.
        length: how long the training is; an average of the weights needs it.

    Raises:
        UnknownName: no update rule has this name.
        InvalidConfig: as :func:`check`; the model lacks the list of layers that the optimizer needs; the training is
            too short for an average.
    """
    check(config)
    weights = groups(config, model, hidden_apart=requirements(config).hidden_apart)
    rule = _rule(config, weights)
    if config.averaging is None:
        return rule
    if length is None:
        raise InvalidConfig("an average of the weights needs the length of the training", given=config.averaging.kind)
    return Averaged(rule, [weight for group in weights for weight in group["params"]], config.averaging, length)


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
    grouped: dict[tuple[bool, int, bool], list[nn.Parameter]] = {}
    for parameter in model.parameters():
        if parameter.requires_grad:
            at, decays = level[parameter], parameter.ndim > 1 or config.decay_exempt == "none"
            hidden = hidden_apart and parameter.ndim == 2 and 0 < at < top
            key = (not decays, top - at if config.layer_decay < 1 else 0, hidden)
            grouped.setdefault(key, []).append(parameter)
    return [
        {
            "params": grouped[key],
            "weight_decay": 0.0 if key[0] else config.weight_decay,
            "scale": config.layer_decay ** key[1],
            "hidden": key[2],
        }
        for key in sorted(grouped)
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
    level: dict[nn.Parameter, int] = {}
    above = False
    for path, parameter in model.named_parameters():
        above = above or path.startswith(f"{name}.")
        below = parameter in embeddings or not above
        level[parameter] = height.get(parameter, 0 if below else len(layers) + 1)
    return level


def _rule(config: OptimizerConfig, weights: Groups) -> Optimizer:
    build_rule = validate_call(ALGORITHMS[config.algorithm], config=ConfigDict(strict=True))  # type: ignore[call-overload]
    where = f"the settings of the optimizer {config.algorithm}"
    known = _settings_of(config.algorithm)
    if unknown := [name for name in config.settings if name not in known]:
        raise InvalidConfig(
            f"{config.algorithm} has no such setting", given=", ".join(unknown), allowed=", ".join(known), where=where
        )
    try:
        rule: Optimizer = build_rule(weights, learning_rate=config.learning_rate, **config.settings)
    except ValidationError as refusal:
        raise invalid(refusal, known=known, where=where) from refusal
    except InvalidConfig:
        raise
    except (TypeError, ValueError) as refusal:
        problem = f"{config.algorithm} refuses its settings: {refusal}"
        raise InvalidConfig(problem, given=config.settings, where=where) from refusal
    rule.requirements = requirements(config)
    return rule


def _settings_of(algorithm: str) -> list[str]:
    return [name for name in inspect.signature(ALGORITHMS[algorithm]).parameters if name not in _NOT_SETTINGS]


def _some_weights(config: OptimizerConfig) -> Groups:
    """Groups of one weight each, on which a rule can be tried."""
    return [
        {
            "params": [nn.Parameter(torch.zeros(1, 1))],
            "weight_decay": config.weight_decay,
            "scale": 1.0,
            "hidden": hidden,
        }
        for hidden in (False, True)
    ]


def _layers(model: nn.Module) -> tuple[str, nn.ModuleList]:
    lists: dict[str, nn.ModuleList] = {}
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and not any(name.startswith(f"{outer}.") for outer in lists):
            lists[name] = module
    if len(lists) != 1:
        raise InvalidConfig(
            "layer_decay and rules for hidden layers need a model with one list of layers",
            given=", ".join(lists) or "no list of layers",
            allowed="layer_decay: 1, and a rule that treats all weights alike",
            where="the optimizer",
        )
    return next(iter(lists.items()))
