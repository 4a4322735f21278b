from __future__ import annotations

from typing import Any

import pytest

from bertspec.config import TaskConfig
from bertspec.data.examples import read
from bertspec.errors import DataError

PAIR = {"text": "a", "text_pair": "b", "label": "y"}


@pytest.fixture
def pair(task: TaskConfig) -> TaskConfig:
    return task.model_copy(update=PAIR)


@pytest.fixture
def regression(pair: TaskConfig) -> TaskConfig:
    return pair.model_copy(update={"head": "regression", "labels": (), "metrics": ("pearson",)})


def test_texts_and_labels_keep_the_order_of_the_rows(pair: TaskConfig) -> None:
    examples = read({"a": ["x", "z"], "b": ["v", "w"], "y": [1, "negative"]}, pair, "train")
    assert (examples.texts, examples.pairs, examples.labels.tolist()) == (["x", "z"], ["v", "w"], [1.0, 0.0])
    assert len(examples) == 2


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"a": [], "b": [], "y": []}, "the split is empty; allowed: at least one row; where: split 'train'"),
        ({"a": ["x", " "], "b": ["v", "w"], "y": [0, 1]}, "a text is empty; given: ' '.*row 1, column 'a'"),
        ({"a": ["x", "z"], "b": ["v", None], "y": [0, 1]}, "a text is missing.*row 1, column 'b'"),
        ({"a": ["x", 3], "b": ["v", "w"], "y": [0, 1]}, "a text is missing; given: 3"),
        ({"a": ["x"], "b": ["v"], "y": [2]}, "outside the head; given: 2; allowed: 0 to 1, or one of negative, pos"),
        ({"a": ["x"], "b": ["v"], "y": [-1]}, "outside the head; given: -1"),
        ({"a": ["x"], "b": ["v"], "y": ["neutral"]}, "outside the head; given: 'neutral'"),
        ({"a": ["x"], "b": ["v"], "y": [0.5]}, "outside the head; given: 0.5"),
        ({"a": ["x"], "b": ["v"], "y": [None]}, "outside the head"),
    ],
)
def test_a_row_that_does_not_fit_is_refused_with_its_place(
    pair: TaskConfig, table: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read(table, pair, "train")


@pytest.mark.parametrize("label", ["4.5", None, float("nan"), float("inf"), True])
def test_a_regression_label_is_a_finite_number(regression: TaskConfig, label: object) -> None:
    with pytest.raises(DataError, match="allowed: a finite number"):
        read({"a": ["x"], "b": ["v"], "y": [label]}, regression, "train")


def test_numbers_to_regress_are_kept(regression: TaskConfig) -> None:
    assert read({"a": ["x", "y"], "b": ["v", "w"], "y": [4.25, 3]}, regression, "train").labels.tolist() == [4.25, 3.0]
