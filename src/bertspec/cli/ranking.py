"""The ranking of a sweep's contenders, as a terminal shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bertspec.cli import console

if TYPE_CHECKING:
    from bertspec.results import ComparisonRecord, ContenderRecord, SweepRecord

__all__ = ["show"]

_FEW = 6
"""Pairs that are soon read."""


def show(sweep: SweepRecord, compared: ComparisonRecord, *, target: float | None = None) -> None:
    """Write the ranking: the best first, each with its budget, its confirmation and the ranks that are left open.

    Args:
        sweep: what it is the ranking of.
        compared: the comparison.
        target: the score that steps were counted to, where there is one.
    """
    from bertspec.report.sweeps import ranks, steps

    counted = any(each.steps_to for each in compared.contenders)
    columns = [
        "place",
        compared.parameter,
        "trials",
        "tokens",
        "tuned",
        "confirmed",
        "interval",
        "collapsed",
        "decades",
    ]
    columns += [f"steps to {target:g}"] if counted and target is not None else []
    shown = console.table(*columns, numbers=[name for name in columns if name not in (compared.parameter, "interval")])
    for each in compared.contenders:
        last = [steps(each)] if len(columns) > 9 else []
        shown.add_row(ranks(each), each.name, str(each.trials), str(each.tokens), *_scores(each), *last)
    seeds = max((len(each.seeds) for each in compared.contenders), default=0)
    console.show_lines("", f"{sweep.metric}, the best trial of each {compared.parameter} on {seeds} fresh seeds", "")
    console.show_table(shown)
    console.show_lines("", *_remarks(compared))


def _scores(each: ContenderRecord) -> tuple[str, ...]:
    interval = f"{each.interval[0]:.4f} to {each.interval[1]:.4f}" if each.interval else ""
    tuned, mean = (f"{value:.4f}" if value is not None else "" for value in (each.tuned, each.mean))
    width = f"{each.sensitivity:.2f}" if each.sensitivity is not None else ""
    return tuned, mean, interval, str(each.collapsed), width


def _remarks(compared: ComparisonRecord) -> list[str]:
    """What the table alone would not tell."""
    count = len(compared.contenders)
    ties = ", ".join(f"{one} and {other}" for one, other in compared.ties)
    if len(compared.ties) > _FEW:
        ties = f"{len(compared.ties)} of {count * (count - 1) // 2} pairs; the ranks of a line say with how many"
    about = (
        "interval: 95 %, of the mean over fresh seeds; ranks: by Holm's correction over all pairs; decades: of the "
        f"learning rate, within {compared.tolerance:g} of its best when tuned"
    )
    return [
        *(f"not fair: {reason}; nothing is claimed of it" for reason in compared.unfair),
        *([f"tied: {ties}"] if ties else []),
        about,
    ]
