"""Sweeps: equal budgets, each contender at its best, and claims on the ranking."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_bdd import parsers, then, when

from bertspec.claims import sweeps as judging
from bertspec.config import EncoderConfig, TaskConfig
from bertspec.study import Session
from bertspec.sweeps.comparison import Comparison

from . import searching
from .scene import Claims, Recipe

_AMONG_THE_BEST = parsers.parse('"{name}" is among the best')
_NEAR_THE_BEST = parsers.parse('"{name}" is within {tolerance:g} of the best')
_NOT_NEAR_THE_BEST = parsers.parse('a claim that "{name}" is within {tolerance:g} of the best does not pass')
_STEPS = parsers.parse('"{first}" needs at most {factor:g} times the steps of "{second}" to reach {target:g}')
_SENSITIVITY = parsers.re(
    r'"(?P<name>.+)" stays within (?P<tolerance>[\d.]+) of its best over at least (?P<decades>[\d.]+) decades? '
    r"of the learning rate"
)
_NUMBERS: dict[str, Callable[[str], Any]] = {"tolerance": float, "decades": float}
_CLAIMS: searching.Promises = (
    (_AMONG_THE_BEST, judging.check_best),
    (_NOT_NEAR_THE_BEST, judging.check_best),
    (_NEAR_THE_BEST, judging.check_best),
    (_STEPS, judging.check_steps),
    (_SENSITIVITY, judging.check_sensitivity),
)
"""What a Then line may claim of a sweep, with what refuses it where it says nothing."""


@when(parsers.parse('the sweep "{name}" runs with {trials:d} trials each'), target_fixture="comparison")
def the_sweep_runs(name: str, trials: int, bertspec_session: Session, then_lines: tuple[str, ...]) -> Comparison:
    """A sweep file, so many trials for each of what it compares; the best of each is run again on fresh seeds."""
    config = searching.of_file(name, bertspec_session)
    searching.check(config, then_lines, _CLAIMS, bertspec_session, converters=_NUMBERS)
    return searching.compared(config, bertspec_session, trials)


@when(parsers.parse('a sweep over "{parameter}" runs with {trials:d} trials each'), target_fixture="comparison")
def a_sweep_runs(
    parameter: str,
    trials: int,
    datatable: list[list[str]],
    encoder: EncoderConfig,
    task: TaskConfig,
    recipe: Recipe,
    bertspec_session: Session,
    then_lines: tuple[str, ...],
) -> Comparison:
    """The same of what a table lists: values with commas between them, or a range, such as 0.1 to 10 on a log scale."""
    config = searching.Scene(encoder, task, recipe).sweep(parameter, datatable, bertspec_session)
    searching.check(config, then_lines, _CLAIMS, bertspec_session, converters=_NUMBERS)
    return searching.compared(config, bertspec_session, trials)


@then(_AMONG_THE_BEST)
def it_is_among_the_best(name: str, comparison: Comparison, claims: Claims) -> None:
    """No other is ahead by more than a point; seeds are added while it is open."""
    verdict = judging.judge_best(comparison, name)
    claims.settle(verdict, subject=comparison.title, study=comparison.confirmed(name))


@then(_NEAR_THE_BEST)
def it_is_near_the_best(name: str, tolerance: float, comparison: Comparison, claims: Claims) -> None:
    """No other is ahead by more than that."""
    verdict = judging.judge_best(comparison, name, tolerance)
    claims.settle(verdict, subject=comparison.title, study=comparison.confirmed(name))


@then(_NOT_NEAR_THE_BEST)
def the_claim_of_a_rank_does_not_pass(name: str, tolerance: float, comparison: Comparison, claims: Claims) -> None:
    """The ranking has detectable_drop: what is behind is not among the best."""
    refusal = judging.judge_best(comparison, name, tolerance).refused()
    claims.settle(refusal, subject=comparison.title, study=comparison.confirmed(name))


@then(_STEPS)
def it_needs_at_most_the_steps(
    first: str, second: str, factor: float, target: float, comparison: Comparison, claims: Claims
) -> None:
    """Seed by seed, as the recipe's evaluate_every looks; one that never arrives needs infinitely many."""
    verdict = judging.judge_steps(comparison, first, second, factor, target)
    pair = comparison.confirmed(first), comparison.confirmed(second)
    claims.settle(verdict, subject=f"{comparison.title}: {first} against {second}", study=pair[0], other=pair[1])


@then(_SENSITIVITY, converters=_NUMBERS)
def it_stays_near_its_best(name: str, tolerance: float, decades: float, comparison: Comparison, claims: Claims) -> None:
    """The width around its best trial, on the tuning split, as far as its seeds show it."""
    verdict = judging.judge_sensitivity(comparison, name, decades, tolerance)
    claims.settle(verdict, subject=f"{comparison.title}: {name}", origin=comparison.tuning(name))
