from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from bertspec.steps.scene import (
    Claims,
    Recipe,
    SeedPolicy,
    cut_off_and_resumed,
    expect_at_record,
    expect_contrast,
    expect_mean,
    expect_ratio,
    refused,
)

from bertspec import study
from bertspec.config import EncoderConfig, StudyConfig, TaskConfig
from bertspec.errors import DataError, InvalidConfig, UnknownName
from bertspec.inference.records import Grid
from bertspec.results import ClaimRecord
from bertspec.statistics import Claim, Spread, Verdict, judge, judge_ratio
from bertspec.study import Session

SPREAD = Spread(0.01, "0.0100, known")


def test_a_claim_that_passes_is_entered_with_all_its_evidence() -> None:
    records: list[ClaimRecord] = []
    book = Claims(records.append, source="published: somebody, 2019")
    found = judge(Claim("accuracy", "at least", 0.5), [0.9, 0.9, 0.9], spread=SPREAD)
    book.settle(found, subject="x", origin="3 rounds")
    [kept] = records
    assert (kept.verdict, kept.value, kept.bound, kept.origin) == ("PASS", pytest.approx(0.9), 0.5, "3 rounds")
    assert (kept.rule, kept.values, kept.spread, kept.spread_source) == ("mean", (0.9,) * 3, 0.01, "0.0100, known")
    assert (kept.pass_rates, kept.detectable_drop, kept.bound_source) == (
        found.pass_rates,
        found.detectable_drop,
        "published: somebody, 2019",
    )


@pytest.mark.parametrize(
    ("claim", "promise"),
    [
        (Claim("accuracy", "at least", 0.5), True),
        (Claim("accuracy", "at most", 0.99), False),
        (Claim("error rate", "at most", 0.99), True),
        (Claim("lead in accuracy", "at least", 0.1, metric="accuracy"), True),
        (Claim("lead in error rate", "at least", 0.1, metric="error rate"), False),
        (Claim("accuracy", "at least", 0.95, denied=True), False),
    ],
)
def test_an_entry_says_whether_its_claim_promises_something(claim: Claim, promise: bool) -> None:
    records: list[ClaimRecord] = []
    Claims(records.append).settle(Verdict("PASS", claim, 0.9), subject="x")
    [kept] = records
    assert (kept.promise, kept.denied) == (promise, claim.denied)


def test_a_listener_gets_the_verdict_with_the_source_of_its_bound() -> None:
    heard: list[Verdict] = []
    book = Claims(
        lambda _record: None, on_verdict=lambda _, verdict: heard.append(verdict), source="published: somebody, 2019"
    )
    book.settle(Verdict("PASS", Claim("accuracy", "at least", 0.5), 0.9), subject="x")
    book.settle(Verdict("PASS", Claim("accuracy", "at least", 0.5, source="calibrated"), 0.9), subject="x")
    assert [verdict.claim.source for verdict in heard] == ["published: somebody, 2019", "calibrated"]


def test_a_comparison_names_the_runs_of_both_studies(study_config: StudyConfig, session: Session) -> None:
    records: list[ClaimRecord] = []
    book, plan = Claims(records.append), study_config.model_copy(update={"seeds": (1,)})
    one, two = (study.run(plan.model_copy(update={"seeds": (seed,)}), session) for seed in (1, 2))
    book.settle(Verdict("PASS", Claim("lead", "at least", 0), 0.1, "difference"), subject="x", study=one, other=two)
    [kept] = records
    assert (kept.runs, kept.others) == ((one.runs[0].fingerprint,), (two.runs[0].fingerprint,))
    assert kept.origin == "1 trained, against 1 trained"


def test_that_something_takes_at_most_so_long_is_a_promise() -> None:
    records: list[ClaimRecord] = []
    Claims(records.append).settle(judge_ratio(Claim("latency ratio", "at most", 0.9), (0.8,) * 5), subject="x")
    assert records[0].promise


@pytest.mark.parametrize("values", [[0.1, 0.1, 0.1], [0.9]], ids=["FAIL", "UNDECIDED"])
def test_a_claim_that_does_not_pass_is_entered_and_fails_the_scenario(values: list[float]) -> None:
    records: list[ClaimRecord] = []
    with pytest.raises(
        AssertionError, match=r"x: accuracy 0\..* (is not|is not shown to be) at least 0.5 \[(FAIL|UNDECIDED)\]; "
    ):
        Claims(records.append).settle(judge(Claim("accuracy", "at least", 0.5), values, spread=SPREAD), subject="x")
    assert len(records) == 1


def test_a_refusal_keeps_the_error_and_counts_the_runs() -> None:
    counts = iter([3, 4])

    def ask() -> None:
        raise DataError("no")

    refusal = refused(ask, lambda: next(counts))
    assert (str(refusal.error), refusal.trained) == ("no", 1)


def test_what_is_not_refused_leaves_no_error() -> None:
    assert refused(lambda: None, lambda: 0).error is None


@pytest.mark.parametrize(("metric", "error"), [("acuracy", UnknownName), ("Pearson correlation", InvalidConfig)])
def test_a_promised_metric_is_checked_when_the_study_is_planned(
    session: Session, encoder: EncoderConfig, task: TaskConfig, metric: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        Recipe(expected=(expect_contrast(metric, "adamw", "sgd"),)).plan(session, encoder, task, "adamw", (1,))


@pytest.mark.parametrize("bound", [90.0, -0.1])
def test_a_bound_that_no_score_can_be_is_refused_when_the_study_is_planned(
    session: Session, encoder: EncoderConfig, task: TaskConfig, bound: float
) -> None:
    with pytest.raises(InvalidConfig, match=r"accuracy can never be .*allowed: 0 to 1"):
        Recipe(expected=(expect_mean("at least")("accuracy", bound=bound),)).plan(session, encoder, task, "adamw", (1,))


def test_a_recipe_is_the_encoders_own_unless_one_is_named(
    session: Session, encoder: EncoderConfig, task: TaskConfig
) -> None:
    assert Recipe().plan(session, encoder, task, None, (1,)).recipe.threads == 1
    named = Recipe("quick-fine-tuning", {"steps": 7}).plan(session, encoder, task, "sgd", (1,)).recipe
    assert (named.steps, named.optimizer.algorithm) == (7, "sgd")


def test_a_learning_rate_is_multiplied_from_its_own(session: Session, encoder: EncoderConfig, task: TaskConfig) -> None:
    own, fast = (
        Recipe(changes={"learning_rate_factor": factor}).plan(session, encoder, task, "adamw", (1,))
        for factor in (1.0, 100.0)
    )
    assert fast.recipe.optimizer.learning_rate == pytest.approx(100 * own.recipe.optimizer.learning_rate)


def test_a_bound_that_no_record_holds_is_refused_when_the_study_is_planned(
    session: Session, encoder: EncoderConfig, task: TaskConfig
) -> None:
    with pytest.raises(InvalidConfig, match="a study without a calibration record has no calibrated accuracy"):
        Recipe(expected=(expect_at_record("accuracy"),)).plan(session, encoder, task, "adamw", (1,))


def test_reference_seeds_take_the_place_of_the_scenarios_own(
    session: Session, encoder: EncoderConfig, task: TaskConfig
) -> None:
    recipe = Recipe(expected=(expect_at_record("accuracy"),), policy=SeedPolicy(reference=(101, 102, 103)))
    assert recipe.plan(session, encoder, task, None, (1,)).seeds == (101, 102, 103)


def test_seeds_can_be_shifted(session: Session, encoder: EncoderConfig, task: TaskConfig) -> None:
    shifted = Recipe(policy=SeedPolicy(shift=1000))
    assert shifted.plan(session, encoder, task, None, (1, 2, 7)).seeds == (1001, 1002, 1007)


def test_a_training_that_ends_before_its_interruption_is_refused(session: Session, study_config: StudyConfig) -> None:
    plan = study_config.model_copy(update={"seeds": (1,)})
    with pytest.raises(InvalidConfig, match="training ends before the step at which it is to be cut off; given: 9"):
        cut_off_and_resumed(plan, session, step=9, every=4)


@pytest.mark.parametrize(
    ("pair", "error", "message"),
    [
        (("adamw", "sgdd"), UnknownName, "unknown name of what is compared; given: 'sgdd'; allowed: did you mean sgd"),
        (("sgd", "sgd"), InvalidConfig, "a name is compared with itself; given: 'sgd'"),
    ],
)
def test_a_comparison_of_a_study_that_is_not_run_is_refused_before_training(
    session: Session,
    encoder: EncoderConfig,
    task: TaskConfig,
    pair: tuple[str, str],
    error: type[Exception],
    message: str,
) -> None:
    recipe = Recipe(expected=(expect_contrast("accuracy", *pair, bound=0.1),))
    with pytest.raises(error, match=message):
        recipe.plans(session, encoder, task, ("adamw", "sgd"), (1,))


def test_an_optimizer_is_not_compared_with_itself(session: Session, encoder: EncoderConfig, task: TaskConfig) -> None:
    with pytest.raises(InvalidConfig, match="an optimizer is compared with itself"):
        Recipe().plans(session, encoder, task, ("sgd", "sgd"), (1,))


def test_two_studies_are_planned_by_their_optimizers(
    session: Session, encoder: EncoderConfig, task: TaskConfig
) -> None:
    recipe = Recipe(expected=(expect_contrast("accuracy", "adamw", "sgd", bound=0.1),))
    plans = recipe.plans(session, encoder, task, ("adamw", "sgd"), (1,))
    assert {name: plan.recipe.optimizer.word for name, plan in plans.items()} == {"adamw": "adamw", "sgd": "sgd"}


def test_a_refused_claim_is_blamed_on_its_own_step(session: Session, encoder: EncoderConfig, task: TaskConfig) -> None:
    fine, bad = expect_mean("at least")("accuracy", bound=0.5), expect_mean("at least")("accuracy", bound=90)
    with pytest.raises(InvalidConfig) as refusal:
        Recipe(expected=(replace(fine, step="1"), replace(bad, step="2"))).plan(session, encoder, task, "adamw", (1,))
    assert vars(refusal.value)["blamed"] == "2"


@pytest.mark.parametrize(
    ("pair", "error", "message"),
    [
        (("bert-tiny", "bert-tny"), UnknownName, "given: 'bert-tny'; allowed: did you mean bert-tiny"),
        (
            ("distilbert-tiny", "bert-tiny"),
            InvalidConfig,
            "in the other order; given: 'distilbert-tiny against bert-tiny'; allowed: bert-tiny against",
        ),
    ],
)
def test_a_ratio_of_others_than_are_timed_is_refused_before_timing(
    session: Session, task: TaskConfig, pair: tuple[str, str], error: type[Exception], message: str
) -> None:
    recipe = Recipe(expected=(expect_ratio(bound=1.2, first=pair[0], second=pair[1]),))
    with pytest.raises(error, match=message):
        recipe.timed(session, task, ("bert-tiny", "distilbert-tiny"))


def test_two_encoders_are_timed_in_the_order_of_the_claim(session: Session, task: TaskConfig) -> None:
    recipe = Recipe(expected=(expect_ratio(bound=1.2, first="bert-tiny", second="distilbert-tiny"),))
    plans = recipe.timed(session, task, ("bert-tiny", "distilbert-tiny"))
    assert [plan.encoder.name for plan in plans] == ["bert-tiny", "distilbert-tiny"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"first": "bert-tny", "second": "bert-tiny", "length": 8}, "given: 'bert-tny'"),
        ({"first": "distilbert-tiny", "second": "bert-tiny", "length": 9}, "is not measured; given: 9; allowed: 8, 16"),
    ],
)
def test_a_ratio_of_what_is_not_measured_is_refused_before_measuring(
    session: Session, words: dict[str, Any], message: str
) -> None:
    encoders = [session.catalog.encoder(name) for name in ("bert-tiny", "distilbert-tiny")]
    recipe = Recipe(expected=(expect_ratio(bound=1.2, **words),))
    with pytest.raises((InvalidConfig, UnknownName), match=message):
        recipe.measure(session, encoders, Grid((8, 16)), benchmark=None)  # type: ignore[arg-type]


@pytest.mark.parametrize(("step", "every"), [(0, 1), (1, 0), (1, -1)])
def test_steps_of_an_interruption_are_counted_from_one(
    session: Session, study_config: StudyConfig, step: int, every: int
) -> None:
    with pytest.raises(InvalidConfig, match="a step is counted from 1"):
        cut_off_and_resumed(study_config, session, step=step, every=every)
