"""What each contender had for its tuning: trials and tokens, which must be equal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

from bertspec.results import TrialRecord

__all__ = ["differences"]

_TOLERATED = 0.01
"""Of the tokens: trials of equal steps differ a little, by the texts that they happen to read."""


def differences(trials: Mapping[str, Sequence[TrialRecord]], *, planned: int) -> tuple[str, ...]:
    """Why a comparison of these contenders is not fair, in words; nothing where it is.

    Every trial counts. One that diverged, failed or was stopped early read fewer tokens than it was granted, and that
    is no excuse for more of them: of each contender, such a trial counts as much as its whole ones.

    Args:
        trials: of each contender, by its name.
        planned: how many trials the sweep is to have, over all contenders.
    """
    found = []
    done = sum(map(len, trials.values()))
    if done < planned:
        found.append(f"the sweep is not over: {done} of {planned} trials")
    found += [
        f"{name}: each of its {len(own)} trials failed, was stopped or diverged on some seed"
        for name, own in trials.items()
        if not _whole(own)
    ]
    for (first, own), (second, other) in combinations(trials.items(), 2):
        if len(own) != len(other):
            found.append(f"{first} had {len(own)} trials, {second} had {len(other)}")
        one, two = _granted(own), _granted(other)
        if one and two and abs(one - two) > _TOLERATED * max(one, two):
            found.append(f"{first} was tuned on {one:,.0f} tokens, {second} on {two:,.0f}")
    return tuple(found)


def _granted(trials: Sequence[TrialRecord]) -> float:
    whole = _whole(trials)
    each = sum(trial.tokens for trial in whole) / len(whole) if whole else 0.0
    broken = [trial for trial in trials if trial not in whole]
    return sum(trial.tokens for trial in whole) + sum(max(trial.tokens, each) for trial in broken)


def _whole(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    return [trial for trial in trials if trial.state == "finished" and trial.diverged == 0]
