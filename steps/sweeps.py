"""Sweeps: equal budgets, each contender at its best, and claims on the ranking."""

from __future__ import annotations

from pytest_bdd import parsers, then, when

from bertspec.spec import EncoderSpec, TaskSpec
from bertspec.study import Workbench
from bertspec.sweep.comparison import Comparison

from . import searching
from .scene import Claims, Recipe


@when(parsers.parse('the sweep "{name}" runs with {trials:d} trials each'), target_fixture="comparison")
def the_sweep_runs(name: str, trials: int, workbench: Workbench) -> Comparison:
    """A sweep file, so many trials for each of what it compares; the best of each is run again on fresh seeds."""
    return searching.compared(searching.of_file(name, workbench), workbench, trials)


@when(parsers.parse('a sweep over "{parameter}" runs with {trials:d} trials each'), target_fixture="comparison")
def a_sweep_runs(
    parameter: str,
    trials: int,
    datatable: list[list[str]],
    encoder: EncoderSpec,
    task: TaskSpec,
    recipe: Recipe,
    workbench: Workbench,
) -> Comparison:
    """The same of what a table lists: values with commas between them, or a range, such as 0.1 to 10 on a log scale."""
    spec = searching.Scene(encoder, task, recipe).sweep(parameter, datatable, workbench)
    return searching.compared(spec, workbench, trials)


@then(parsers.parse('"{name}" is among the best'))
def it_is_among_the_best(name: str, comparison: Comparison, claims: Claims) -> None:
    """No other is ahead by more than a point; seeds are added while it is open."""
    claims.settle(comparison.judge_best(name), subject=comparison.title, study=comparison.confirmed(name))


@then(parsers.parse('"{name}" is within {tolerance:g} of the best'))
def it_is_near_the_best(name: str, tolerance: float, comparison: Comparison, claims: Claims) -> None:
    """No other is ahead by more than that."""
    verdict = comparison.judge_best(name, tolerance)
    claims.settle(verdict, subject=comparison.title, study=comparison.confirmed(name))


@then(parsers.parse('a claim that "{name}" is within {tolerance:g} of the best does not pass'))
def the_claim_of_a_rank_does_not_pass(name: str, tolerance: float, comparison: Comparison, claims: Claims) -> None:
    """The ranking has teeth: what is behind is not among the best."""
    refusal = comparison.judge_best(name, tolerance).refused()
    claims.settle(refusal, subject=comparison.title, study=comparison.confirmed(name))


@then(parsers.parse('"{first}" needs at most {factor:g} times the steps of "{second}" to reach {target:g}'))
def it_needs_at_most_the_steps(
    first: str, second: str, factor: float, target: float, comparison: Comparison, claims: Claims
) -> None:
    """Seed by seed, as the recipe's evaluate_every looks; one that never arrives needs infinitely many."""
    verdict = comparison.judge_steps(first, second, factor, target)
    pair = comparison.confirmed(first), comparison.confirmed(second)
    claims.settle(verdict, subject=f"{comparison.title}: {first} against {second}", study=pair[0], other=pair[1])


@then(
    parsers.re(
        r'"(?P<name>.+)" stays within (?P<tolerance>[\d.]+) of its best over at least (?P<bound>[\d.]+) decades? '
        r"of the learning rate"
    ),
    converters={"tolerance": float, "bound": float},
)
def it_stays_near_its_best(name: str, tolerance: float, bound: float, comparison: Comparison, claims: Claims) -> None:
    """The width around its best trial, on the tuning split, as far as its seeds show it."""
    verdict = comparison.judge_sensitivity(name, bound, tolerance)
    claims.settle(verdict, subject=f"{comparison.title}: {name}", origin=comparison.tuning(name))
