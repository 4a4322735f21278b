from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from bertspec import claims, study
from bertspec.claims import studies
from bertspec.config import GeneratedConfig, OptimizerConfig, StudyConfig
from bertspec.errors import InvalidConfig
from bertspec.heads import Classification, Regression
from bertspec.inference.records import AtLength, Latencies, Pair, Percentile
from bertspec.results import Outcomes
from bertspec.statistics import Claim, Spread, Verdict
from bertspec.store import StoredRun
from bertspec.study import Session, Study

SPREAD = Spread(0.01, "known")
CLAIM = Claim("accuracy", "at least", 0.7)


@pytest.fixture
def six(study_config: StudyConfig, session: Session) -> Study:
    """Six seeds allowed, three made; of its 200 labels some forty are flipped."""
    noisy = GeneratedConfig(train_rows=96, evaluation_rows=200, label_noise=0.2)
    task = study_config.task.model_copy(update={"generated": noisy})
    return claims.begin(study_config.model_copy(update={"task": task, "seeds": (1, 2, 3, 4, 5, 6)}), session)


def outcomes(predictions: Any, references: Any) -> Outcomes:
    logits = np.stack([1.0 - np.asarray(predictions), np.asarray(predictions)], axis=1).astype(np.float32)
    return Outcomes(logits, np.asarray(references, dtype=np.float64), Classification(("negative", "positive")))


def says(made: Study, predictions: Any) -> Study:
    """The same study, each of whose runs says this of every row."""

    def edited(run: StoredRun) -> StoredRun:
        result = dataclasses.replace(run.result, outcomes=outcomes(predictions, run.result.outcomes.references))
        return dataclasses.replace(run, result=result)

    return dataclasses.replace(made, runs=[edited(run) for run in made.runs])


def truth(made: Study) -> np.ndarray[Any, Any]:
    assert made.inputs.splits.clean is not None
    return np.array(made.inputs.splits.clean, dtype=np.float64)


def test_a_claim_that_is_settled_early_needs_no_more_runs(six: Study) -> None:
    right = says(six, truth(six))
    assert studies.judge(right, Claim("accuracy", "at least", 0.01), SPREAD).passed
    assert len(right.runs) == 3


def test_an_open_claim_adds_runs_up_to_the_allowance(six: Study) -> None:
    found = studies.judge(six, Claim("accuracy", "at most", 0.5), Spread(10.0, "very wide"))
    assert (found.outcome, len(six.runs), len(found.values)) == ("UNDECIDED", 6, 6)


def test_two_seeds_decide_no_claim(study_config: StudyConfig, session: Session) -> None:
    made = claims.begin(study_config, session)
    assert studies.judge(made, Claim("accuracy", "at least", 0.0), SPREAD).outcome == "UNDECIDED"


def test_an_honest_score_at_the_ceiling_passes(six: Study) -> None:
    assert studies.judge(says(six, truth(six)), CLAIM, SPREAD).passed


def test_rows_that_are_all_right_say_nothing_of_the_choice_of_rows(six: Study) -> None:
    right = says(six, six.runs[0].result.outcomes.references)
    assert studies.judge(right, Claim("accuracy", "at least", 0.0), SPREAD).split_interval is None


def test_a_score_above_the_ceiling_is_a_leak(six: Study) -> None:
    noisy = six.runs[0].result.outcomes.references
    found = studies.judge(says(six, noisy), CLAIM, SPREAD)
    assert (found.outcome, found.rule) == ("FAIL", "ceiling")


def test_rows_that_were_trained_on_fail_a_claim(study_config: StudyConfig, session: Session) -> None:
    task = study_config.task.model_copy(update={"sabotage": "scored on training rows"})
    made = claims.begin(study_config.model_copy(update={"task": task, "seeds": (1, 2, 3)}), session)
    perfect = says(made, made.runs[0].result.outcomes.references)
    found = studies.judge(perfect, CLAIM, SPREAD)
    assert (found.outcome, found.rule) == ("FAIL", "contamination")
    assert "40 of 40 scored rows were trained on" in str(found)


def test_a_declared_contamination_is_allowed(study_config: StudyConfig, session: Session) -> None:
    task = study_config.task.model_copy(update={"sabotage": "scored on training rows", "contamination_allowed": 1.0})
    made = claims.begin(study_config.model_copy(update={"task": task, "seeds": (1, 2, 3)}), session)
    assert studies.judge(says(made, made.runs[0].result.outcomes.references), CLAIM, SPREAD).passed


def test_a_collapse_fails_a_claim_of_quality_and_no_other(six: Study) -> None:
    one_class = says(six, np.zeros(200))
    low = Claim("accuracy", "at least", 0.1)
    found = studies.judge(one_class, low, SPREAD)
    assert (found.outcome, found.rule) == ("FAIL", "collapse")
    assert studies.judge(one_class, Claim("accuracy", "at most", 0.9), SPREAD).passed


def test_an_error_rate_promises_in_the_other_direction(six: Study) -> None:
    at_most = Claim("error rate", "at most", 0.3)
    assert studies.judge(says(six, truth(six)), at_most, SPREAD).passed
    assert studies.judge(says(six, np.zeros(200)), Claim("error rate", "at most", 0.9), SPREAD).rule == "collapse"
    assert studies.judge(says(six, np.zeros(200)), Claim("error rate", "at least", 0.1), SPREAD).passed
    leaked = studies.judge(says(six, six.runs[0].result.outcomes.references), at_most, SPREAD)
    assert (leaked.outcome, leaked.rule) == ("FAIL", "ceiling")


def test_a_collapse_is_counted(study_config: StudyConfig, session: Session) -> None:
    still = study_config.recipe.model_copy(
        update={"steps": 1, "optimizer": OptimizerConfig(algorithm="sgd", learning_rate=1e-12)}
    )
    found = studies.judge_collapse(study.run(study_config.model_copy(update={"recipe": still}), session))
    assert (found.outcome, found.claim.bound) == ("FAIL", 0)


def test_a_run_that_diverges_is_a_collapse_and_stays_in_the_mean(study_config: StudyConfig, session: Session) -> None:
    wild = study_config.recipe.model_copy(
        update={"clip_norm": None, "optimizer": OptimizerConfig(algorithm="sgd", learning_rate=1e30)}
    )
    made = claims.begin(study_config.model_copy(update={"recipe": wild, "seeds": (1, 2, 3)}), session)
    assert all(run.result.facts.diverged for run in made.runs)
    found = studies.judge(made, Claim("accuracy", "at least", 0.1), SPREAD)
    assert (found.outcome, found.rule, len(found.values)) == ("FAIL", "collapse", 3)
    assert len(claims.begin(made.config, session).trained) == 0


def test_a_claim_of_no_collapse_needs_a_head_that_can_collapse(
    study_config: StudyConfig, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Regression, "collapse", None)
    task = study_config.task.model_copy(update={"head": "regression", "labels": (), "metrics": ("pearson",)})
    message = "a regression head has no rule for a collapse; given: 'regression'; allowed: a classification task"
    with pytest.raises(InvalidConfig, match=message):
        studies.judge_collapse(study.run(study_config.model_copy(update={"task": task}), session))


@pytest.mark.parametrize("metric", ["accuracy", "f1"])
def test_the_rows_own_chance_is_reported_beside_the_verdict(six: Study, metric: str) -> None:
    found = studies.judge(six, Claim(metric, "at least", 0.0), SPREAD)
    assert found.split_interval is not None
    low, high = found.split_interval
    assert low < found.value < high
    assert studies.judge(six, Claim(metric, "at least", 0.0), SPREAD).split_interval == found.split_interval


def test_no_interval_leaves_the_scale_of_its_metric(six: Study) -> None:
    found = studies.judge(six, Claim("accuracy", "at most", 1.0), Spread(10.0, "very wide"))
    assert found.interval == (0.0, 1.0)


def test_a_study_is_no_better_than_itself(six: Study) -> None:
    six.extend(6)
    found = studies.judge_contrast(six, six, Claim("accuracy", "at least", 0.1), (SPREAD, SPREAD))
    assert (found.outcome, found.value, str(found.claim)) == ("FAIL", 0.0, "lead in accuracy is at least 0.1")


def test_equal_predictions_have_no_chance_of_the_rows_between_them(six: Study) -> None:
    six.extend(6)
    found = studies.judge_contrast(six, six, Claim("accuracy", "at least", 0.0), (SPREAD, SPREAD))
    assert found.interval == pytest.approx((-1.96 * 0.01 * np.sqrt(2 / 6), 1.96 * 0.01 * np.sqrt(2 / 6)))


def test_studies_that_were_scored_on_different_rows_are_not_compared(
    six: Study, study_config: StudyConfig, session: Session
) -> None:
    other = study_config.task.model_copy(update={"sabotage": "scored on training rows"})
    elsewhere = claims.begin(study_config.model_copy(update={"task": other}), session)
    with pytest.raises(InvalidConfig, match="compared on the same rows"):
        studies.judge_contrast(six, elsewhere, CLAIM, (SPREAD, SPREAD))


def test_a_lead_that_rests_on_a_leak_or_on_a_collapse_fails(six: Study) -> None:
    six.extend(6)
    honest, nothing = says(six, truth(six)), says(six, np.zeros(200))
    leaked, any_lead = says(six, six.runs[0].result.outcomes.references), Claim("accuracy", "at least", -0.9)

    def rule(one: Study, other: Study) -> tuple[str, str]:
        found = studies.judge_contrast(one, other, any_lead, (SPREAD, SPREAD))
        return found.outcome, found.rule

    assert rule(leaked, honest) == ("FAIL", "ceiling")
    assert rule(nothing, honest) == ("FAIL", "collapse")
    assert rule(honest, nothing) == ("PASS", "difference")


def test_of_an_error_rate_the_lower_one_is_the_better_one(six: Study) -> None:
    six.extend(6)
    honest, nothing = says(six, truth(six)), says(six, np.zeros(200))
    more_errors = studies.judge_contrast(nothing, honest, Claim("error rate", "at least", 0.1), (SPREAD, SPREAD))
    assert (more_errors.outcome, more_errors.rule) == ("PASS", "difference")


def test_a_multiple_is_told_in_the_words_of_the_claim(six: Study) -> None:
    six.extend(6)
    honest, claim = says(six, truth(six)), Claim("accuracy", "at least", 0.9)
    found = studies.judge_contrast(honest, honest, claim, (SPREAD, SPREAD), multiple=True)
    assert (found.outcome, found.value, found.claim.bound) == ("PASS", pytest.approx(1.0), 0.9)
    assert str(found.claim) == "accuracy is at least 0.9 times the other's"


@pytest.mark.parametrize(("least_runs", "runs"), [(0, 3), (5, 5), (9, 6)])
def test_a_claim_begins_with_the_runs_of_its_first_look_or_more(
    study_config: StudyConfig, session: Session, least_runs: int, runs: int
) -> None:
    config = study_config.model_copy(update={"seeds": (1, 2, 3, 4, 5, 6)})
    assert len(claims.begin(config, session, least_runs=least_runs).runs) == runs


def test_the_loop_asks_for_runs_until_the_claim_is_decided_or_no_look_is_left() -> None:
    claim, asked = Claim("accuracy", "at least", 0.5), list[int]()
    looks = iter([Verdict("UNDECIDED", claim, 0.5, more=5), Verdict("UNDECIDED", claim, 0.5, more=10)])
    verdict = studies.until_decided(lambda: next(looks, Verdict("PASS", claim, 0.6)), asked.append)
    assert (verdict.outcome, asked) == ("PASS", [5, 10])


@pytest.mark.parametrize(
    ("verdict", "promise"),
    [
        (Verdict("PASS", Claim("accuracy", "at least", 0.5), 0.9), True),
        (Verdict("PASS", Claim("accuracy", "at most", 0.5), 0.4), False),
        (Verdict("PASS", Claim("error rate", "at most", 0.5), 0.4), True),
        (Verdict("PASS", Claim("lead in error rate", "at least", 0.1, metric="error rate"), 0.4, "difference"), False),
        (Verdict("PASS", Claim("accuracy", "at least", 0.5, denied=True), 0.4), False),
        (Verdict("PASS", Claim("p95 latency", "at most", 0.9), 0.4, "ratio"), True),
        (Verdict("PASS", Claim("lead of another", "at most", 0.9, denied=True), 0.4, "best"), False),
        (Verdict("PASS", Claim("number of collapsed seeds", "at most", 0), 0, "collapse"), False),
    ],
)
def test_a_claim_promises_something_good_or_it_does_not(verdict: Verdict, promise: bool) -> None:
    assert studies.promises(verdict) is promise


HUNDRED = tuple(n / 1000 for n in range(1, 101))
"""1 to 100 ms."""


def at_length(*, slower: float = 1.0, rounds: int = 5) -> AtLength:
    calls = tuple(slower * call for call in HUNDRED)
    return AtLength(16, 32, Latencies((calls,) * rounds), ((0.1 * slower, 0.3 * slower),) * rounds, None)


PAIR = Pair(at_length(), at_length(slower=2.0))


@pytest.mark.parametrize(("bound", "outcome"), [(0.6, "PASS"), (0.4, "FAIL")])
def test_a_claim_on_latency_is_judged_from_above(bound: float, outcome: str) -> None:
    found = claims.judge_latency(PAIR, 95, bound)
    assert (found.outcome, found.rule, found.value) == (outcome, "ratio", 0.5)
    assert str(found.claim) == f"p95 latency ratio at 16 tokens is at most {bound}"


@pytest.mark.parametrize(("bound", "outcome"), [(1.9, "PASS"), (2.1, "FAIL")])
def test_a_claim_on_throughput_is_judged_from_below(bound: float, outcome: str) -> None:
    found = claims.judge_rate(PAIR, bound)
    assert (found.outcome, found.value) == (outcome, pytest.approx(2.0))
    assert str(found.claim) == f"throughput ratio at 16 tokens is at least {bound}"


@pytest.mark.parametrize(("percentile", "fewest"), [(50, 2), (95, 20), (99, 100)])
def test_the_slowest_of_a_few_calls_is_no_percentile(percentile: Percentile, fewest: int) -> None:
    def pair(calls: int) -> Pair:
        one = AtLength(16, 1, Latencies((HUNDRED[:calls],) * 5), ((1.0,),) * 5, None)
        return Pair(one, one)

    assert claims.judge_latency(pair(fewest), percentile, 1.0).passed
    with pytest.raises(InvalidConfig, match=f"given: {fewest - 1}; allowed: at least {fewest}"):
        claims.judge_latency(pair(fewest - 1), percentile, 1.0)


def test_few_rounds_decide_nothing() -> None:
    few = Pair(at_length(rounds=4), at_length(rounds=4))
    judged = claims.judge_rate(few, 0.1), claims.judge_latency(few, 50, 9)
    assert tuple(verdict.outcome for verdict in judged) == ("UNDECIDED", "UNDECIDED")
