"""When: what is trained, timed, measured or swept."""

from __future__ import annotations

from typing import Any

from pytest_bdd import parsers, when

from bertspec import claims as judging
from bertspec import study as studies
from bertspec.config import EncoderConfig, TaskConfig
from bertspec.inference.records import Grid, Turns
from bertspec.study import Session, Study, Timing
from bertspec.sweeps import files
from bertspec.sweeps.comparison import Comparison

from . import sweeps
from .arguments import fields, lengths, seeds
from .scene import Pair, Recipe, Refusal, cut_off_and_resumed, refused


@when(parsers.parse('it is fine-tuned with "{optimizer}" on seeds {numbers}'), target_fixture="study")
def it_is_fine_tuned(
    optimizer: str, numbers: str, encoder: EncoderConfig, task: TaskConfig, recipe: Recipe, bertspec_session: Session
) -> Study:
    """One study. The seeds are an upper limit: three are run at first, and more while a claim stays open."""
    plan = recipe.plan(bertspec_session, encoder, task, optimizer, seeds(numbers))
    return judging.begin(plan, bertspec_session, least_runs=recipe.policy.least_runs)


@when(
    parsers.parse('it is fine-tuned with each of "{first}" and "{second}" on seeds {numbers}'),
    target_fixture="compared",
)
def it_is_fine_tuned_with_both(
    first: str,
    second: str,
    numbers: str,
    encoder: EncoderConfig,
    task: TaskConfig,
    recipe: Recipe,
    bertspec_session: Session,
) -> dict[str, Study]:
    """Two studies that differ in their optimizer."""
    plans = recipe.plans(bertspec_session, encoder, task, (first, second), seeds(numbers))
    return {name: studies.run(plan, bertspec_session) for name, plan in plans.items()}


@when(
    parsers.parse(
        "it is fine-tuned on seed {seed:d} with a checkpoint every {every:d} steps, cut off after step {step:d} "
        "and taken up again"
    ),
    target_fixture="pair",
)
def it_is_cut_off_and_taken_up(
    seed: int,
    every: int,
    step: int,
    encoder: EncoderConfig,
    task: TaskConfig,
    recipe: Recipe,
    bertspec_session: Session,
) -> Pair:
    """The same study with an interruption and without one; the store is not used."""
    plan = recipe.plan(bertspec_session, encoder, task, None, (seed,))
    return cut_off_and_resumed(plan, bertspec_session, step=step, every=every)


@when(parsers.parse('"{first}" and "{second}" are fine-tuned in turns, {rounds:d} rounds'), target_fixture="timing")
def they_are_timed(
    first: str, second: str, rounds: int, task: TaskConfig, recipe: Recipe, bertspec_session: Session, benchmark: Any
) -> Timing:
    """Two encoders timed in one interleaved benchmark; the store is not used."""
    one, two = recipe.timed(bertspec_session, task, (first, second))
    return studies.time_in_turns(one, two, bertspec_session, rounds=rounds, benchmark=benchmark)


@when(
    parsers.parse(
        'the encoders "{first}" and "{second}" answer in turns, {rounds:d} rounds of {calls:d} texts, '
        "at {numbers} tokens"
    ),
    target_fixture="turns",
)
def they_answer_in_turns(
    first: str,
    second: str,
    rounds: int,
    calls: int,
    numbers: str,
    recipe: Recipe,
    bertspec_session: Session,
    benchmark: Any,
) -> Turns:
    """In each round and at each length: single texts, then 4 batches of 32. Nothing is trained or stored."""
    pair = [bertspec_session.catalog.encoder(name) for name in (first, second)]
    return recipe.measure(bertspec_session, pair, Grid(lengths(numbers), rounds=rounds, calls=calls), benchmark)


@when("a fine-tuning is asked for with", target_fixture="refusal")
def a_fine_tuning_is_asked_for(datatable: list[list[str]], bertspec_session: Session) -> Refusal:
    """A fine-tuning that should be refused; its error is kept."""
    session = bertspec_session
    return refused(lambda: studies.run(session.catalog.plan(**fields(datatable)), session), session.store.count)


@when(parsers.parse('the sweep "{name}" runs with {trials:d} trials each'), target_fixture="comparison")
def the_sweep_runs(name: str, trials: int, recipe: Recipe, bertspec_session: Session) -> Comparison:
    """A sweep file, with this many trials for each contender; the best trial of each is run again on fresh seeds."""
    return sweeps.compared(files.read(name, bertspec_session), recipe, bertspec_session, trials)


@when(parsers.parse('a sweep over "{parameter}" runs with {trials:d} trials each'), target_fixture="comparison")
def a_sweep_runs(
    parameter: str,
    trials: int,
    datatable: list[list[str]],
    encoder: EncoderConfig,
    task: TaskConfig,
    recipe: Recipe,
    bertspec_session: Session,
) -> Comparison:
    """The same for a table: values with commas between them, or a range, such as 0.1 to 10 on a log scale."""
    config = sweeps.of_table(parameter, datatable, bertspec_session, encoder=encoder, task=task, recipe=recipe)
    return sweeps.compared(config, recipe, bertspec_session, trials)
