from __future__ import annotations

import numpy as np
import pytest

from bertspec.errors import DataError
from bertspec.heads import Classification, HardRow

HEAD = Classification(("negative", "positive"))


@pytest.mark.parametrize(
    ("labels", "message"), [((), "at least two labels"), (("a",), "at least two"), (("a", "b", "a"), "named twice")]
)
def test_labels_that_do_not_fit_are_refused(labels: tuple[str, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Classification(labels)


def test_a_label_is_a_class_number_or_a_class_name() -> None:
    assert HEAD.targets([1, "negative", True, np.int8(0)], where="here").tolist() == [1.0, 0.0, 1.0, 0.0]


@pytest.mark.parametrize("label", [2, -1, "neutral", 0.5, None])
def test_a_label_outside_the_classes_is_refused_with_its_row(label: object) -> None:
    with pytest.raises(DataError, match="outside the head.*allowed: 0 to 1, or one of negative, positive.*row 1, here"):
        HEAD.targets([0, label], where="here")


def test_the_most_likely_class_is_predicted() -> None:
    assert HEAD.decode(np.array([[0.1, 0.9], [2.0, 1.0]], np.float32)).tolist() == [1.0, 0.0]


def test_the_loss_of_a_row_is_its_negative_log_probability() -> None:
    outputs = np.array([[0.0, 0.0], [0.0, np.log(3.0)]], np.float32)
    assert HEAD.row_losses(outputs, np.array([0.0, 1.0])) == pytest.approx([np.log(2), np.log(4 / 3)])


@pytest.mark.parametrize(
    ("predictions", "references", "expected"),
    [
        ([1, 1, 1, 1], [1, 0, 1, 0], True),
        ([1, 0, 0, 1], [1, 1, 1, 0], True),
        ([1, 0, 1, 0], [1, 0, 1, 1], True),
        ([1, 0, 1, 0], [1, 0, 1, 0], False),
    ],
    ids=["one class", "worse than the majority", "equal to the majority", "perfect"],
)
def test_a_run_that_learned_nothing_has_collapsed(
    predictions: list[int], references: list[int], expected: bool
) -> None:
    assert HEAD.collapsed(np.array(predictions, dtype=float), np.array(references, dtype=float)) is expected


def test_a_prediction_is_shown_with_the_probability_of_every_class() -> None:
    (prediction,) = HEAD.predictions(np.array([[0.0, np.log(3.0)]], np.float32))
    assert prediction.columns() == ("positive", "0.7500")
    assert prediction.as_json() == {
        "label": "positive",
        "value": pytest.approx(0.75),
        "probabilities": {"negative": pytest.approx(0.25), "positive": pytest.approx(0.75)},
    }


def test_confusions_add_up_over_the_seeds() -> None:
    references = np.array([0.0, 0.0, 1.0])
    assert HEAD.confusion(references, np.array([[0.0, 1.0, 1.0], [0.0, 1.0, 0.0]])) == ((2, 2), (1, 1))


def test_the_hardest_rows_are_those_that_most_seeds_get_wrong() -> None:
    references = np.array([0.0, 1.0, 1.0])
    predictions = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]])
    assert HEAD.hardest(references, predictions, most=5) == [
        HardRow(1, "positive", "negative", "3 of 3 seeds"),
        HardRow(2, "positive", "negative", "2 of 3 seeds"),
    ]
    assert len(HEAD.hardest(references, predictions, most=1)) == 1


def test_tables_show_the_names_of_the_classes() -> None:
    assert (HEAD.output_names, HEAD.shown(1.0)) == (("output negative", "output positive"), "positive")
