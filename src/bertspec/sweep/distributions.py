"""W&B's distributions by their quantiles: one number between 0 and 1 → a value, and back."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

from bertspec.config import ParameterConfig

__all__ = ["quantile", "share_of"]

_TAIL = 1e-4
"""A distribution without an end is cut here: what lies beyond is drawn once in ten thousand trials."""
_DIGITS = 12
"""Significant ones; the last bits of a power would make equal trials look different."""


def quantile(parameter: ParameterConfig, share: float) -> Any:
    """The value below which that share of the distribution lies.

    Args:
        parameter: one with a distribution, or a list of values.
        share: from 0 to 1.
    """
    choices = parameter.choices
    if choices is not None:
        return choices[_index(parameter, share)]
    kind = parameter.kind
    drawn = _base(parameter).quantile(share)
    if "log" in kind:
        drawn = math.exp(drawn)
    if kind.startswith("q_"):
        drawn = round(drawn / parameter.q) * parameter.q
    return float(f"{drawn:.{_DIGITS}g}")


def share_of(parameter: ParameterConfig, value: Any) -> float:
    """The share of the distribution below a value that was drawn from it; of a listed one, the middle of its own."""
    choices = parameter.choices
    if choices is not None:
        weights = _weights(parameter, len(choices))
        at = choices.index(value)
        return sum(weights[:at]) + weights[at] / 2
    drawn = float(value)
    if "log" in parameter.kind:
        drawn = math.log(max(drawn, 1e-300))
    return min(1.0, max(0.0, _base(parameter).share(drawn)))


class _Uniform:
    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def quantile(self, share: float) -> float:
        return self.low + (self.high - self.low) * share

    def share(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low)


class _Normal:
    def __init__(self, mu: float, sigma: float) -> None:
        self.curve = NormalDist(mu, sigma)

    def quantile(self, share: float) -> float:
        return self.curve.inv_cdf(min(1 - _TAIL, max(_TAIL, share)))

    def share(self, value: float) -> float:
        return self.curve.cdf(value)


class _Beta:
    def __init__(self, a: float, b: float) -> None:
        self.a, self.b = a, b

    def quantile(self, share: float) -> float:
        from scipy import special

        return float(special.betaincinv(self.a, self.b, min(1 - _TAIL, max(_TAIL, share))))

    def share(self, value: float) -> float:
        from scipy import special

        return float(special.betainc(self.a, self.b, min(1.0, max(0.0, value))))


def _base(parameter: ParameterConfig) -> _Uniform | _Normal | _Beta:
    """What is drawn before it is exponentiated and rounded."""
    kind = parameter.kind
    if "normal" in kind:
        return _Normal(parameter.mu, parameter.sigma)
    if "beta" in kind:
        return _Beta(parameter.a, parameter.b)
    low, high = float(parameter.min or 0), float(parameter.max or 0)
    if kind.endswith("_values"):
        return _Uniform(math.log(low), math.log(high))
    # W&B's inverse log uniform X has log(1/X) uniform between the ends; of the *_values kin, the ends are those of X.
    return _Uniform(-high, -low) if kind == "inv_log_uniform" else _Uniform(low, high)


def _index(parameter: ParameterConfig, share: float) -> int:
    weights = _weights(parameter, len(parameter.choices or ()))
    passed = 0.0
    for at, weight in enumerate(weights):
        passed += weight
        if share < passed:
            return at
    return max(at for at, weight in enumerate(weights) if weight > 0)


def _weights(parameter: ParameterConfig, count: int) -> tuple[float, ...]:
    return parameter.probabilities or (1 / count,) * count
