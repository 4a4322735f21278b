from __future__ import annotations

import math
import random
from typing import Any

import pytest

from bertspec.config import DISTRIBUTIONS, ParameterConfig

FIELDS: dict[str, dict[str, Any]] = {
    "constant": {"value": 3},
    "categorical": {"values": [1, "b", 2.5]},
    "categorical_w_probabilities": {"values": ["a", "b"], "probabilities": [0.25, 0.75]},
    "int_uniform": {"min": 2, "max": 5},
    "uniform": {"min": -1.0, "max": 3},
    "q_uniform": {"min": 0, "max": 10, "q": 2},
    "log_uniform": {"min": -2, "max": 1},
    "log_uniform_values": {"min": 0.01, "max": 1},
    "q_log_uniform": {"min": 0, "max": 4, "q": 5},
    "q_log_uniform_values": {"min": 1, "max": 100, "q": 10},
    "inv_log_uniform": {"min": 1, "max": 3},
    "inv_log_uniform_values": {"min": 0.1, "max": 10},
    "normal": {"mu": 5, "sigma": 2},
    "q_normal": {"mu": 5, "sigma": 2, "q": 0.5},
    "log_normal": {"mu": 0, "sigma": 1},
    "q_log_normal": {"mu": 2, "sigma": 1, "q": 3},
    "beta": {"a": 2, "b": 1},
    "q_beta": {"a": 2, "b": 1, "q": 0.25},
}
MIDDLES = {
    "constant": 3,
    "categorical": "b",
    "categorical_w_probabilities": "b",
    "int_uniform": 4,
    "uniform": 1,
    "q_uniform": 4,
    "log_uniform": math.exp(-0.5),
    "log_uniform_values": 0.1,
    "q_log_uniform": 5,
    "q_log_uniform_values": 10,
    "inv_log_uniform": math.exp(-2),
    "inv_log_uniform_values": 1,
    "normal": 5,
    "q_normal": 5,
    "log_normal": 1,
    "q_log_normal": 6,
    "beta": math.sqrt(0.5),
    "q_beta": 0.75,
}


def parameter(kind: str) -> ParameterConfig:
    return ParameterConfig.model_validate({"distribution": kind, **FIELDS[kind]})


@pytest.mark.parametrize("kind", DISTRIBUTIONS)
def test_the_middle_of_a_distribution_is_its_median(kind: str) -> None:
    middle = MIDDLES[kind]
    assert parameter(kind).quantile(0.5) == (middle if isinstance(middle, str) else pytest.approx(middle))


@pytest.mark.parametrize("kind", [kind for kind in DISTRIBUTIONS if not kind.startswith("q_")])
def test_a_value_leads_back_to_its_share(kind: str) -> None:
    drawn = parameter(kind)
    for share in (0.01, 0.3, 0.8, 0.99):
        value = drawn.quantile(share)
        assert drawn.quantile(drawn.share_below(value)) == (
            value if isinstance(value, str) else pytest.approx(value, rel=1e-6)
        )


@pytest.mark.parametrize("kind", [kind for kind in DISTRIBUTIONS if kind.startswith("q_")])
def test_what_is_quantised_is_a_multiple_of_its_step(kind: str) -> None:
    drawn = parameter(kind)
    for share in (0.1, 0.4, 0.9):
        assert drawn.quantile(share) / drawn.q == pytest.approx(round(drawn.quantile(share) / drawn.q))
        assert 0 <= drawn.share_below(drawn.quantile(share)) <= 1


@pytest.mark.parametrize("kind", ["uniform", "log_uniform_values", "inv_log_uniform_values", "int_uniform"])
def test_the_ends_of_a_range_are_reached(kind: str) -> None:
    drawn = parameter(kind)
    assert drawn.min is not None
    assert drawn.max is not None
    assert drawn.quantile(0.0) == pytest.approx(drawn.min)
    assert drawn.quantile(1.0) == pytest.approx(drawn.max)


def test_probabilities_are_obeyed() -> None:
    shares = [random.Random(number).random() for number in range(1000)]
    drawn = [parameter("categorical_w_probabilities").quantile(share) for share in shares]
    assert 700 < drawn.count("b") < 800


def test_a_value_that_has_no_probability_is_never_drawn() -> None:
    certain = ParameterConfig.model_validate({"values": ["a", "b", "c"], "probabilities": [0.5, 0.5, 0]})
    assert certain.quantile(1.0) == "b"
