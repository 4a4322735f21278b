"""The claim that one contender needs at most so many times the steps of another to reach a target."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from bertspec.statistics.comparison import judge_ratio
from bertspec.statistics.verdicts import Claim, Verdict

__all__ = ["judge_steps"]

Steps = Sequence[int | None]


def judge_steps(claim: Claim, steps: Steps, others: Steps) -> Verdict:
    """Judge a claim on the ratio of the steps that two contenders need, seed by seed, by the sign test's interval.

    A contender that never arrives needs infinitely many. Where neither does, nothing is shown, and that counts
    against the claim.

    Args:
        claim: the claim on the ratio.
        steps: for each seed, the steps until the first contender has reached the target; none where it never did.
        others: the same of the second, for the same seeds.
    """
    ratios = [_ratio(claim, own, other) for own, other in zip(steps, others, strict=True)]
    found = replace(judge_ratio(claim, ratios, rounds="seeds"), rule="steps")
    never = [sum(step is None for step in side) for side in (steps, others)]
    if found.reason is None or not any(never):
        return found
    told = f"{never[0]} of {len(steps)} seeds of the first never reached the target, {never[1]} of the second"
    return replace(found, reason=f"{found.reason}; {told}")


def _ratio(claim: Claim, own: int | None, other: int | None) -> float:
    if own is None and other is None:
        return 0.0 if claim.direction == "at least" else math.inf
    return math.inf if own is None else 0.0 if other is None else own / other
