"""Claims about ratios that were timed in turns: training speed, latency and throughput."""

from __future__ import annotations

from bertspec import statistics
from bertspec.errors import InvalidConfig
from bertspec.inference.records import Pair, Percentile
from bertspec.statistics import Claim, Verdict
from bertspec.study import Timing
from bertspec.study.timing import Act

__all__ = ["judge_latency", "judge_rate", "judge_speed"]


def judge_speed(timing: Timing, act: Act, bound: float) -> Verdict:
    """Judge that the first encoder trains on, or evaluates, at least ``bound`` times as many examples a second."""
    claim = Claim(f"examples a second it {act}, as a ratio,", "at least", bound)
    return statistics.judge_ratio(claim, timing.ratios(act))


def judge_latency(pair: Pair, percentile: Percentile, bound: float) -> Verdict:
    """Judge that the first encoder answers one text in at most ``bound`` times the time of the second.

    Raises:
        InvalidConfig: a round has so few calls that its slowest call would be that percentile.
    """
    calls, needed = len(pair.first.latencies.rounds[0]), 100 // (100 - percentile)
    if calls < needed:
        raise InvalidConfig(
            f"a {percentile}th percentile needs more calls in each round", given=calls, allowed=f"at least {needed}"
        )
    quantity = f"p{percentile} latency of one text of {pair.first.length} tokens, as a ratio,"
    return statistics.judge_ratio(Claim(quantity, "at most", bound), pair.latency_ratios(percentile))


def judge_rate(pair: Pair, bound: float) -> Verdict:
    """Judge that the first encoder answers at least ``bound`` times as many texts a second, in batches."""
    claim = Claim(f"texts of {pair.first.length} tokens a second, as a ratio,", "at least", bound)
    return statistics.judge_ratio(claim, pair.rate_ratios())
