from __future__ import annotations

import pytest
from bertspec.steps.scene import CLAIM_PROPERTY, Claims, Recipe, refused

from bertspec.errors import DataError, InvalidSpec, UnknownName
from bertspec.spec import EncoderSpec, TaskSpec
from bertspec.study import Workbench
from bertspec.verdict import Claim, judge


def test_a_claim_that_passes_is_entered() -> None:
    book = Claims([])
    book.settle(judge(Claim("accuracy", "at least", 0.5), [0.9, 0.9, 0.9]), subject="x", runs="3 trained")
    [(name, entry)] = book.properties
    assert name == CLAIM_PROPERTY
    assert isinstance(entry, dict)
    assert (entry["verdict"], entry["value"], entry["bound"], entry["runs"]) == (
        "PASS",
        pytest.approx(0.9),
        0.5,
        "3 trained",
    )


@pytest.mark.parametrize("values", [[0.1, 0.1, 0.1], [0.9]], ids=["FAIL", "UNDECIDED"])
def test_a_claim_that_does_not_pass_is_entered_and_fails_the_scenario(values: list[float]) -> None:
    book = Claims([])
    with pytest.raises(AssertionError, match="x: (FAIL|UNDECIDED): accuracy is at least 0.5"):
        book.settle(judge(Claim("accuracy", "at least", 0.5), values), subject="x")
    assert len(book.properties) == 1


def test_a_refusal_keeps_the_error_and_counts_the_runs() -> None:
    counts = iter([3, 4])

    def ask() -> None:
        raise DataError("no")

    refusal = refused(ask, lambda: next(counts))
    assert (str(refusal.error), refusal.trained) == ("no", 1)


def test_what_is_not_refused_leaves_no_error() -> None:
    assert refused(lambda: None, lambda: 0).error is None


@pytest.mark.parametrize(("metric", "error"), [("acuracy", UnknownName), ("Pearson correlation", InvalidSpec)])
def test_a_promised_metric_is_checked_when_the_study_is_planned(
    bench: Workbench, encoder: EncoderSpec, task: TaskSpec, metric: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        Recipe(promised=(metric,)).plan(bench, encoder, task, "adamw", (1,))


def test_a_recipe_is_the_encoders_own_unless_one_is_named(
    bench: Workbench, encoder: EncoderSpec, task: TaskSpec
) -> None:
    assert Recipe().plan(bench, encoder, task, None, (1,)).recipe.threads == 1
    named = Recipe("quick-fine-tuning", {"steps": 7}).plan(bench, encoder, task, "sgd", (1,)).recipe
    assert (named.steps, named.optimizer.algorithm) == (7, "sgd")
