"""Optimizers by name. An optimizer owns its step, and says what a step needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import torch
from torch import nn

from bertspec.errors import InvalidSpec, UnknownName
from bertspec.optimizers import learned_rates, package_rules, settings, torch_rules
from bertspec.optimizers.averaging import Averaged
from bertspec.optimizers.groups import Groups, groups
from bertspec.optimizers.muon import muon
from bertspec.optimizers.seam import Closure, Length, Needs, Optimizer, TorchOptimizer
from bertspec.spec import OptimizerSpec

__all__ = [
    "ALGORITHMS",
    "WANTS",
    "Closure",
    "Length",
    "Needs",
    "Optimizer",
    "TorchOptimizer",
    "build",
    "check",
    "needs",
]

ALGORITHMS: Mapping[str, Callable[..., Optimizer]] = {
    "adadelta": torch_rules.adadelta,
    "adafactor": torch_rules.adafactor,
    "adagrad": torch_rules.adagrad,
    "adam": torch_rules.adam,
    "adamw": torch_rules.adamw,
    "asgd": torch_rules.asgd,
    "lamb": package_rules.lamb,
    "lion": package_rules.lion,
    "muon": muon,
    "nadam": torch_rules.nadam,
    "prodigy": package_rules.prodigy,
    "radam": torch_rules.radam,
    "rmsprop": torch_rules.rmsprop,
    "schedule-free-adamw": package_rules.schedule_free_adamw,
    "sgd": torch_rules.sgd,
    **learned_rates.ALGORITHMS,
}
"""Every update rule by its name: it takes weight groups, ``learning_rate``, and its settings as keywords."""

WANTS: Mapping[str, Needs] = {
    "adafactor": Needs(whole_tensors=True),
    "asgd": Needs(averages=True),
    "lamb": Needs(whole_tensors=True),
    "muon": Needs(hidden_apart=True),  # embeddings are AdamW's, row by row: whole tensors need not be kept
    "prodigy": Needs(whole_tensors=True, one_rate=True),
    "schedule-free-adamw": Needs(constant_schedule=True, averages=True),
    **learned_rates.WANTS,
}
"""What a rule needs, where that is more than one backward."""


def check(spec: OptimizerSpec, *, schedule: str | None = None) -> None:
    """Refuse what cannot be trained with, before anything is loaded.

    Args:
        spec: the optimizer.
        schedule: the recipe's, where it is known.

    Raises:
        UnknownName: no update rule is called so.
        InvalidSpec: a setting is unknown, or has a value that the rule refuses; the rule does not go with the schedule,
            with an average or with layer decay; the package that has the rule is not installed.
    """
    if spec.algorithm not in ALGORITHMS:
        raise UnknownName("optimizer", spec.algorithm, ALGORITHMS)
    settings.refuse(spec.algorithm, ALGORITHMS[spec.algorithm], spec.settings)
    wanted = needs(spec)
    if wanted.constant_schedule and schedule not in {None, "constant"}:
        raise InvalidSpec(
            f"{spec.algorithm} takes the place of a schedule", given=schedule, allowed="schedule: constant"
        )
    if wanted.averages and spec.averaging is not None:
        raise InvalidSpec(f"{spec.algorithm} averages by itself", given=spec.averaging.kind, allowed="averaging: none")
    if wanted.one_rate and spec.layer_decay < 1:
        raise InvalidSpec(
            f"{spec.algorithm} has one learning rate for all weights", given=spec.layer_decay, allowed="layer_decay: 1"
        )
    _rule(spec, _some_weights(spec))


def needs(spec: OptimizerSpec) -> Needs:
    """What the update rule of a checked spec will ask of the loop."""
    wanted, share = WANTS.get(spec.algorithm, Needs()), spec.settings.get("held_out")
    return wanted if share is None else dataclasses.replace(wanted, held_out=float(share))


def build(spec: OptimizerSpec, model: nn.Module, *, length: Length | None = None) -> Optimizer:
    """The optimizer of a model.

    Args:
        spec: the optimizer.
        model: every weight of it that wants a gradient is trained.
        length: how long the training is; an average of the weights needs it.

    Raises:
        UnknownName: no update rule is called so.
        InvalidSpec: as :func:`check`; the model has not the layers that the optimizer asks for; the training is too
            short for an average.
    """
    check(spec)
    found = groups(spec, model, hidden_apart=needs(spec).hidden_apart)
    rule = _rule(spec, found)
    if spec.averaging is None:
        return rule
    if length is None:
        raise InvalidSpec("an average of the weights needs to know how long the training is", given=spec.averaging.kind)
    return Averaged(rule, [weight for group in found for weight in group["params"]], spec.averaging, length)


def _rule(spec: OptimizerSpec, weights: Groups) -> Optimizer:
    try:
        rule = ALGORITHMS[spec.algorithm](weights, learning_rate=spec.learning_rate, **spec.settings)
    except InvalidSpec:
        raise
    except (TypeError, ValueError) as refusal:
        raise InvalidSpec(
            f"{spec.algorithm} refuses its settings: {refusal}", given=spec.settings, where="the optimizer's settings"
        ) from refusal
    rule.needs = needs(spec)
    return rule


def _some_weights(spec: OptimizerSpec) -> Groups:
    """Groups of one weight each, on which a rule can be tried."""
    return [
        {
            "params": [nn.Parameter(torch.zeros(1, 1))],
            "weight_decay": spec.weight_decay,
            "scale": 1.0,
            "hidden": hidden,
        }
        for hidden in (False, True)
    ]
