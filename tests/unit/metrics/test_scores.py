from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from bertspec import heads, metrics
from bertspec.config import TaskConfig
from bertspec.errors import InvalidConfig, UnknownName

R = np.array([1.0, 1.0, 0.0, 0.0, 1.0])
P = np.array([1.0, 0.0, 0.0, 1.0, 1.0])


@pytest.mark.parametrize(
    ("name", "expected"),
    [("accuracy", 3 / 5), ("error_rate", 2 / 5), ("f1", 2 / 3), ("macro_f1", (2 / 3 + 1 / 2) / 2), ("matthews", 1 / 6)],
)
def test_a_classification_score_is_the_textbook_value(name: str, expected: float) -> None:
    assert metrics.score(name, R, P) == pytest.approx(expected)


def test_pearson_sees_a_line_and_spearman_any_order() -> None:
    references = np.array([1.0, 2.0, 3.0, 4.0])
    assert metrics.score("pearson", references, 2 * references - 7) == pytest.approx(1.0)
    assert metrics.score("spearman", references, -(references**3)) == pytest.approx(-1.0)


@pytest.mark.parametrize("name", ["pearson", "spearman"])
@pytest.mark.parametrize("sides", [([1.0, 2.0], [3.0, 3.0]), ([3.0, 3.0], [1.0, 2.0])])
def test_a_correlation_with_a_constant_is_not_defined_and_counts_as_zero(
    name: str, sides: tuple[list[float], list[float]]
) -> None:
    references, predictions = map(np.array, sides)
    assert np.isnan(metrics.score(name, references, predictions))
    assert metrics.find(name).function(references, predictions) == 0.0


@pytest.mark.parametrize("name", ["f1", "macro_f1", "matthews"])
def test_a_classifier_that_says_one_class_only_has_a_score(name: str) -> None:
    assert metrics.score(name, R, np.zeros(5)) == pytest.approx(0.0 if name != "macro_f1" else 2 / 7)


def test_a_metric_is_found_by_its_title() -> None:
    assert metrics.find("macro F1").name == "macro_f1"


@pytest.mark.parametrize(
    ("name", "promises"),
    [("accuracy", {"at least", "between"}), ("error_rate", {"at most", "between"})],
)
def test_a_claim_is_a_promise_in_the_direction_in_which_its_metric_improves(name: str, promises: set[str]) -> None:
    metric = metrics.find(name)
    assert {each for each in ("at least", "at most", "between") if metric.promised_by(each)} == promises  # type: ignore[arg-type]


def test_an_unknown_metric_is_answered_with_the_closest() -> None:
    with pytest.raises(UnknownName, match="did you mean accuracy"):
        metrics.find("acuracy")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metrics": ("pearson",)}, "does not fit a classification head.*accuracy, error_rate, f1, macro_f1, matthews"),
        ({"metrics": ("f1",), "labels": ("a", "b", "c")}, "exactly two labels"),
    ],
)
def test_a_metric_that_cannot_score_the_head_is_refused(
    task: TaskConfig, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidConfig, match=message):
        metrics.check(task.model_copy(update=changes))


def test_a_name_is_registered_for_one_metric_only() -> None:
    metrics.register(metrics.METRICS["f1"])
    with pytest.raises(ValueError, match="the metric 'f1' exists already"):
        metrics.register(dataclasses.replace(metrics.METRICS["f1"], title="another"))


@pytest.mark.parametrize("name", heads.HEADS)
def test_every_metric_that_a_head_names_is_known(name: str) -> None:
    assert set(heads.find(name).metrics) <= set(metrics.METRICS)


CLASSES = st.integers(1, 6).flatmap(
    lambda count: st.lists(st.tuples(*[st.integers(0, count - 1)] * 2), min_size=1, max_size=60)
)


@pytest.mark.filterwarnings("ignore::UserWarning")
@given(CLASSES)
def test_the_scores_of_classes_are_those_of_scikit_learn_to_the_bit(pairs: list[tuple[int, int]]) -> None:
    references, predictions = np.array(pairs, dtype=np.float64).T
    macro = sk.f1_score(references, predictions, average="macro", zero_division=0.0)
    assert metrics.score("macro_f1", references, predictions) == macro
    assert metrics.score("matthews", references, predictions) == sk.matthews_corrcoef(references, predictions)
    if references.max() <= 1 >= predictions.max():
        assert metrics.score("f1", references, predictions) == sk.f1_score(references, predictions, zero_division=0.0)
