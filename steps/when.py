"""When: one act."""

from __future__ import annotations

from typing import Any

from pytest_bdd import parsers, when

from bertspec import study as studies
from bertspec.config import EncoderConfig, TaskConfig
from bertspec.inference.records import Grid, Turns
from bertspec.study import Session, Study, Timing

from .arguments import fields, lengths, seeds
from .interruption import Pair, cut_off_and_taken_up
from .scene import Recipe, Refusal, refused


@when(parsers.parse('it is fine-tuned with "{optimizer}" on seeds {numbers}'), target_fixture="study")
def it_is_fine_tuned(
    optimizer: str, numbers: str, encoder: EncoderConfig, task: TaskConfig, recipe: Recipe, bertspec_session: Session
) -> Study:
    """One study. The seeds are an allowance: three runs are made at first, more where a claim stays open."""
    plan = recipe.plan(bertspec_session, encoder, task, optimizer, seeds(numbers))
    return studies.begin(plan, bertspec_session)


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
    plans = {name: recipe.plan(bertspec_session, encoder, task, name, seeds(numbers)) for name in (first, second)}
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
    """The same study with a break and without one; nothing comes from the store."""
    plan = recipe.plan(bertspec_session, encoder, task, None, (seed,))
    return cut_off_and_taken_up(plan, bertspec_session, step=step, every=every)


@when(parsers.parse('"{first}" and "{second}" are fine-tuned in turns, {rounds:d} rounds'), target_fixture="timing")
def they_are_timed(
    first: str, second: str, rounds: int, task: TaskConfig, recipe: Recipe, bertspec_session: Session, benchmark: Any
) -> Timing:
    """Two encoders measured in one interleaved benchmark; nothing comes from the store."""
    pair = [bertspec_session.catalog.encoder(name) for name in (first, second)]
    one, two = (recipe.plan(bertspec_session, encoder, task, None, (1,)) for encoder in pair)
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
    """In each round and at each length so many single texts, and 4 batches of 32; nothing is trained or stored."""
    pair = [bertspec_session.catalog.encoder(name) for name in (first, second)]
    return recipe.measure(bertspec_session, pair, Grid(lengths(numbers), rounds=rounds, calls=calls), benchmark)


@when("a fine-tuning is asked for with", target_fixture="refusal")
def a_fine_tuning_is_asked_for(datatable: list[list[str]], bertspec_session: Session) -> Refusal:
    """Anything may be wrong with what is asked for; the error is kept."""
    asked = fields(datatable)
    return refused(
        lambda: studies.run(bertspec_session.catalog.plan(**asked), bertspec_session), bertspec_session.store.count
    )
