from __future__ import annotations

import math
import random
import time
from typing import Any

import pytest

from bertspec.config import DISTRIBUTIONS, HyperbandConfig, ParameterConfig

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


@pytest.mark.parametrize("most", [9_999, 1_000_000_000])
def test_whole_numbers_of_any_range_are_drawn_in_equal_shares(most: int) -> None:
    drawn = ParameterConfig.model_validate({"min": 0, "max": most})
    assert [drawn.quantile(share) for share in (0.0, 0.5, 1.0)] == [0, (most + 1) // 2, most]
    assert drawn.share_below(most // 4) == pytest.approx(0.25, abs=1e-3)
    assert drawn.choices is not None
    assert len(drawn.choices) == most + 1


def test_the_shares_of_a_short_range_are_added_up_as_they_always_were() -> None:
    drawn = ParameterConfig.model_validate({"min": 0, "max": 9})
    assert drawn.quantile(0.3) == 2  # 0.1 + 0.1 + 0.1 is above 0.3
    assert drawn.share_below(3) == 0.1 + 0.1 + 0.1 + 0.1 / 2


@pytest.mark.parametrize(
    "fields",
    [
        {"distribution": "log_normal", "mu": 2000.0, "sigma": 1.0},
        {"distribution": "q_log_normal", "mu": 2000.0, "sigma": 1.0},
        {"distribution": "q_uniform", "min": 0.0, "max": 1e18, "q": 1e-300},
    ],
)
def test_what_is_too_large_for_a_number_is_infinite(fields: dict[str, Any]) -> None:
    assert ParameterConfig.model_validate(fields).quantile(1.0) >= 1e18


def test_many_values_are_compared_in_linear_time() -> None:
    began = time.monotonic()
    ParameterConfig.model_validate({"values": list(range(100_000))})
    assert time.monotonic() - began < 10
    with pytest.raises(ValueError, match="a value is listed twice"):
        ParameterConfig.model_validate({"values": [[1], [2], [1]]})
    assert ParameterConfig.model_validate({"values": [1, True]}).values == (1, True)
    with pytest.raises(ValueError, match="a value is listed twice"):
        ParameterConfig.model_validate({"values": [1, 2.5, 1.0]})


def test_brackets_take_no_time_however_many_iterations_there_are() -> None:
    slow = HyperbandConfig.model_validate({"type": "hyperband", "min_iter": 1, "eta": 1.01})
    assert len(slow.brackets(1_000_000_000)) < 3000
    with pytest.raises(ValueError, match="less than or equal to 100"):
        HyperbandConfig.model_validate({"type": "hyperband", "max_iter": 81, "s": 10**9})
