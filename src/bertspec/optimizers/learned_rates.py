"""HD, RTHO and MARTHE by name: each around each of SGD, Adam and AdamW."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, get_type_hints

from bertspec.optimizers.functional import SGD, Adam, AdamW, UpdateRule
from bertspec.optimizers.groups import Groups
from bertspec.optimizers.hypergradient import HD, LearnedRate, Marthe
from bertspec.optimizers.protocol import Optimizer, Requirements

__all__ = ["ALGORITHMS", "REQUIREMENTS"]

_HELD_OUT = 0.1
_RULES: Mapping[str, type[UpdateRule]] = {"sgd": SGD, "adam": Adam, "adamw": AdamW}
_METHODS: Mapping[str, tuple[type[LearnedRate], Mapping[str, Any]]] = {
    "hd": (HD, {"hyper_learning_rate": 0.2}),
    "rtho": (Marthe, {"hyper_learning_rate": 0.2, "held_out": _HELD_OUT}),
    "marthe": (Marthe, {"hyper_learning_rate": 0.2, "held_out": _HELD_OUT, "mu": "adaptive"}),
}
"""What each method adds to the settings of its rule: β; the share of the training rows that are held out; μ."""


_KINDS = {"hyper_learning_rate": float, "held_out": float, "mu": float | Literal["adaptive"]}


def _algorithms() -> Iterator[tuple[str, Callable[..., Optimizer]]]:
    for method, (learned, own) in _METHODS.items():
        for name, rule in _RULES.items():
            yield f"{method}-{name}", _algorithm(learned, rule, own)


def _algorithm(learned: type[LearnedRate], rule: type[UpdateRule], own: Mapping[str, Any]) -> Callable[..., Optimizer]:
    """What builds a method around a rule; its signature names the settings of both."""

    def build(groups: Groups, *, learning_rate: float, **settings: Any) -> Optimizer:
        of_rule = {name: value for name, value in settings.items() if name not in own}
        of_method = {name: settings.get(name, default) for name, default in own.items()}
        return learned(groups, rule(**of_rule), learning_rate=learning_rate, **of_method)

    kinds = {"groups": Groups, "learning_rate": float, **get_type_hints(rule.__init__), **_KINDS}
    defaults = {"groups": inspect.Parameter.empty, "learning_rate": inspect.Parameter.empty, **own}
    of_rule = {name: keyword.default for name, keyword in inspect.signature(rule).parameters.items()}
    parameters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kinds[name])
        for name, default in (defaults | of_rule).items()
    ]
    parameters[0] = parameters[0].replace(kind=inspect.Parameter.POSITIONAL_OR_KEYWORD)
    build.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return build


ALGORITHMS: Mapping[str, Callable[..., Optimizer]] = dict(_algorithms())
"""Each of hd, rtho and marthe around each of sgd, adam and adamw, such as ``rtho-adamw``."""

REQUIREMENTS: Mapping[str, Requirements] = {
    name: Requirements(second_derivative=True, held_out=_HELD_OUT) for name in ALGORITHMS if not name.startswith("hd-")
}
"""What they need beyond one backward."""
