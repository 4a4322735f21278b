"""Optimizers by name. An optimizer owns its step, and says what a step requirements."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import torch
from torch import nn

from bertspec.config import OptimizerConfig
from bertspec.errors import InvalidConfig, UnknownName
from bertspec.optimizers import learned_rates, pytorch_optimizer_rules, settings, torch_rules
from bertspec.optimizers.averaging import Averaged
from bertspec.optimizers.groups import Groups, groups
from bertspec.optimizers.muon import muon
from bertspec.optimizers.protocol import Closure, Length, Optimizer, Requirements, TorchOptimizer

__all__ = [
    "ALGORITHMS",
    "REQUIREMENTS",
    "Closure",
    "Length",
    "Optimizer",
    "Requirements",
    "TorchOptimizer",
    "build",
    "check",
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
    "muon": muon,
    "nadam": torch_rules.nadam,
    "prodigy": pytorch_optimizer_rules.prodigy,
    "radam": torch_rules.radam,
    "rmsprop": torch_rules.rmsprop,
    "schedule-free-adamw": pytorch_optimizer_rules.schedule_free_adamw,
    "sgd": torch_rules.sgd,
    **learned_rates.ALGORITHMS,
}
"""Every update rule by its name: it takes weight groups, ``learning_rate``, and its settings as keywords."""

REQUIREMENTS: Mapping[str, Requirements] = {
    "adafactor": Requirements(whole_tensors=True),
    "asgd": Requirements(averages=True),
    "lamb": Requirements(whole_tensors=True),
    "muon": Requirements(hidden_apart=True),  # AdamW updates embeddings, row by row: no whole tensors
    "prodigy": Requirements(whole_tensors=True, one_rate=True),
    "schedule-free-adamw": Requirements(constant_schedule=True, averages=True),
    **learned_rates.REQUIREMENTS,
}
"""What a rule requirements, where that is more than one backward."""


def check(config: OptimizerConfig, *, schedule: str | None = None) -> None:
    """Refuse what cannot be trained with, before anything is loaded.

    Args:
        config: the optimizer.
        schedule: the recipe's, where it is known.

    Raises:
        UnknownName: no update rule is called so.
        InvalidConfig: a setting is unknown, or has a value that the rule refuses; the rule does not go with the
            schedule, with an average or with layer decay; the package that has the rule is not installed.
    """
    if config.algorithm not in ALGORITHMS:
        raise UnknownName("optimizer", config.algorithm, ALGORITHMS)
    settings.refuse(config.algorithm, ALGORITHMS[config.algorithm], config.settings)
    wanted = requirements(config)
    if wanted.constant_schedule and schedule not in {None, "constant"}:
        raise InvalidConfig(
            f"{config.algorithm} takes the place of a schedule", given=schedule, allowed="schedule: constant"
        )
    if wanted.averages and config.averaging is not None:
        raise InvalidConfig(
            f"{config.algorithm} averages by itself", given=config.averaging.kind, allowed="averaging: none"
        )
    if wanted.one_rate and config.layer_decay < 1:
        raise InvalidConfig(
            f"{config.algorithm} has one learning rate for all weights",
            given=config.layer_decay,
            allowed="layer_decay: 1",
        )
    _rule(config, _some_weights(config))


def requirements(config: OptimizerConfig) -> Requirements:
    """What the update rule of a checked config will ask of the loop."""
    wanted, share = REQUIREMENTS.get(config.algorithm, Requirements()), config.settings.get("held_out")
    return wanted if share is None else dataclasses.replace(wanted, held_out=float(share))


def build(config: OptimizerConfig, model: nn.Module, *, length: Length | None = None) -> Optimizer:
    """The optimizer of a model.

    Args:
        config: the optimizer.
        model: every weight of it that wants a gradient is trained.
        length: how long the training is; an average of the weights requirements it.

    Raises:
        UnknownName: no update rule is called so.
        InvalidConfig: as :func:`check`; the model has not the layers that the optimizer asks for; the training is too
            short for an average.
    """
    check(config)
    found = groups(config, model, hidden_apart=requirements(config).hidden_apart)
    rule = _rule(config, found)
    if config.averaging is None:
        return rule
    if length is None:
        raise InvalidConfig(
            "an average of the weights requirements to know how long the training is", given=config.averaging.kind
        )
    return Averaged(rule, [weight for group in found for weight in group["params"]], config.averaging, length)


def _rule(config: OptimizerConfig, weights: Groups) -> Optimizer:
    try:
        rule = ALGORITHMS[config.algorithm](weights, learning_rate=config.learning_rate, **config.settings)
    except InvalidConfig:
        raise
    except (TypeError, ValueError) as refusal:
        raise InvalidConfig(
            f"{config.algorithm} refuses its settings: {refusal}",
            given=config.settings,
            where="the optimizer's settings",
        ) from refusal
    rule.requirements = requirements(config)
    return rule


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
