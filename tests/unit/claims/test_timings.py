from __future__ import annotations

import pytest

from bertspec.claims import timings
from bertspec.errors import InvalidConfig
from bertspec.inference.records import AtLength, Latencies, Pair, Percentile

HUNDRED = tuple(n / 1000 for n in range(1, 101))
"""1 to 100 ms."""


def at_length(*, slower: float = 1.0, rounds: int = 5) -> AtLength:
    calls = tuple(slower * call for call in HUNDRED)
    return AtLength(16, 32, Latencies((calls,) * rounds), ((0.1 * slower, 0.3 * slower),) * rounds, None)


PAIR = Pair(at_length(), at_length(slower=2.0))


@pytest.mark.parametrize(("bound", "outcome"), [(0.6, "PASS"), (0.4, "FAIL")])
def test_a_claim_on_latency_is_judged_from_above(bound: float, outcome: str) -> None:
    found = timings.judge_latency(PAIR, 95, bound)
    assert (found.outcome, found.rule, found.value) == (outcome, "ratio", 0.5)
    assert str(found.claim) == f"p95 latency of one text of 16 tokens, as a ratio, is at most {bound}"


@pytest.mark.parametrize(("bound", "outcome"), [(1.9, "PASS"), (2.1, "FAIL")])
def test_a_claim_on_throughput_is_judged_from_below(bound: float, outcome: str) -> None:
    found = timings.judge_rate(PAIR, bound)
    assert (found.outcome, found.value) == (outcome, pytest.approx(2.0))
    assert str(found.claim) == f"texts of 16 tokens a second, as a ratio, is at least {bound}"


@pytest.mark.parametrize(("percentile", "fewest"), [(50, 2), (95, 20), (99, 100)])
def test_the_slowest_of_a_few_calls_is_no_percentile(percentile: Percentile, fewest: int) -> None:
    def pair(calls: int) -> Pair:
        one = AtLength(16, 1, Latencies((HUNDRED[:calls],) * 5), ((1.0,),) * 5, None)
        return Pair(one, one)

    assert timings.judge_latency(pair(fewest), percentile, 1.0).passed
    with pytest.raises(InvalidConfig, match=f"given: {fewest - 1}; allowed: at least {fewest}"):
        timings.judge_latency(pair(fewest - 1), percentile, 1.0)


def test_few_rounds_decide_nothing() -> None:
    few = Pair(at_length(rounds=4), at_length(rounds=4))
    judged = timings.judge_rate(few, 0.1), timings.judge_latency(few, 50, 9)
    assert tuple(verdict.outcome for verdict in judged) == ("UNDECIDED", "UNDECIDED")
