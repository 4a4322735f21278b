from __future__ import annotations

import pytest

from bertspec.errors import InvalidConfig
from bertspec.inference.records import AtLength, Grid, Latencies, Measurement, Pair, Turns
from bertspec.results import Environment

ENVIRONMENT = Environment(device="cpu", device_name="x", precision="fp32", threads=1, python="3", versions={})
HUNDRED = tuple(n / 1000 for n in range(1, 101))
"""1 to 100 ms."""


def at_length(*, slower: float = 1.0, rounds: int = 5, length: int = 16, joules: float | None = None) -> AtLength:
    calls = tuple(slower * call for call in HUNDRED)
    return AtLength(length, 32, Latencies((calls,) * rounds), ((0.1 * slower, 0.3 * slower),) * rounds, joules)


def turns(*names: str) -> Turns:
    measured = (Measurement(name, (at_length(slower=1.0 + number),), None) for number, name in enumerate(names))
    return Turns(Grid((16,)), tuple(measured), 1, None, ENVIRONMENT)


def test_a_percentile_is_a_call_that_was_made() -> None:
    latencies = Latencies((HUNDRED[::-1], HUNDRED))
    assert [latencies.at(percentile) for percentile in (50, 95, 99)] == [0.050, 0.095, 0.099]
    assert Latencies(((0.1,), (0.3, 0.2))).of_rounds(95) == (0.1, 0.3)


def test_one_slow_call_of_a_hundred_is_outside_of_the_percentiles() -> None:
    assert Latencies(((*HUNDRED[:99], 60.0),)).at(99) == 0.099


def test_throughput_goes_by_the_median_batch_of_the_median_round() -> None:
    at = AtLength(16, 32, Latencies(()), ((0.1, 0.2, 60.0), (0.2, 0.2, 0.1), (8.0, 8.0, 8.0)), None)
    assert at.rates == pytest.approx((160, 160, 4))
    assert (at.examples_per_second, at.tokens_per_second) == pytest.approx((160, 2560))


def test_energy_is_given_for_a_thousand_texts_or_not_at_all() -> None:
    assert at_length(joules=64.0, rounds=5).joules_per_1000 == 200
    assert at_length().joules_per_1000 is None


def test_the_ratios_of_a_pair_are_the_first_one_s_by_the_second_one_s() -> None:
    pair = Pair(at_length(), at_length(slower=2.0))
    assert pair.latency_ratios(95) == (0.5,) * 5
    assert pair.rate_ratios() == pytest.approx((2.0,) * 5)


def test_a_pair_is_found_by_its_names_in_either_order() -> None:
    both = turns("a", "b")
    assert both.pair("a", "b", 16).latency_ratios(50) == (0.5,) * 5
    assert both.pair("b", "a", 16).latency_ratios(50) == (2.0,) * 5
    assert turns("a", "a").pair("a", "a", 16).latency_ratios(50) == (0.5,) * 5


def test_encoders_and_lengths_that_were_not_measured_are_refused() -> None:
    with pytest.raises(InvalidConfig, match="not measured in turns; given: 'a and c'; allowed: a and b"):
        turns("a", "b").pair("a", "c", 16)
    with pytest.raises(InvalidConfig, match="this length was not measured; given: 17; allowed: 16; where: a"):
        turns("a", "b").pair("a", "b", 17)


@pytest.mark.parametrize(
    "wrong",
    [
        {"lengths": ()},
        {"lengths": (0,)},
        {"lengths": (8, 8)},
        {"rounds": 0},
        {"batch_size": 0},
        {"calls": -1},
        {"rounds": 10**12},
        {"lengths": (10**12,)},
    ],
)
def test_a_grid_of_nothing_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidConfig, match="these sizes cannot be measured"):
        Grid(**{"lengths": (8,), **wrong})  # type: ignore[arg-type]
