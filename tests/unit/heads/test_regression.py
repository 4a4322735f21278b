from __future__ import annotations

import numpy as np
import pytest

from bertspec.errors import DataError
from bertspec.heads import HardRow, Regression

HEAD = Regression()


def test_numbers_are_kept() -> None:
    values = [4.25, 3, np.float32(0.5), "4.25", " -3", "1e-3"]
    assert HEAD.targets(values, where="here").tolist() == [4.25, 3.0, 0.5, 4.25, -3.0, 0.001]


@pytest.mark.parametrize("label", ["4,5", "nan", "1_0", "five", float("inf"), True, 10**400])
def test_a_label_that_is_no_finite_number_is_refused(label: object) -> None:
    with pytest.raises(DataError, match="allowed: a finite number; where: row 1, here"):
        HEAD.targets([1.0, label], where="here")


@pytest.mark.parametrize("label", [None, float("nan"), "", " "])
def test_an_empty_cell_is_called_missing(label: object) -> None:
    with pytest.raises(DataError, match="a label is missing.*where: row 1, here"):
        HEAD.targets([1.0, label], where="here")


@pytest.mark.parametrize("scored", [True, False])
def test_a_single_number_in_every_row_is_refused(scored: bool) -> None:
    assert HEAD.check_targets(np.array([2.5, 3.0]), scored=scored, where="here") is None
    with pytest.raises(DataError, match="every label is the same; given: 2.5; .*where: here"):
        HEAD.check_targets(np.array([2.5, 2.5]), scored=scored, where="here")


def test_the_prediction_is_the_output() -> None:
    assert HEAD.decode(np.array([[0.5], [-1.0]], np.float32)).tolist() == [0.5, -1.0]


def test_the_loss_of_a_row_is_its_squared_error() -> None:
    assert HEAD.row_losses(np.array([[0.5], [3.0]], np.float32), np.array([0.0, 1.0])).tolist() == [0.25, 4.0]


def test_a_number_is_shown_without_a_label() -> None:
    (prediction,) = HEAD.predictions(np.array([[2.5]], np.float32))
    assert prediction.columns() == ("2.5000",)
    assert prediction.as_json() == {"label": None, "value": 2.5, "probabilities": {}}


def test_one_number_for_every_row_is_a_collapse() -> None:
    references = np.array([1.0, 2.0, 3.0])
    assert HEAD.collapsed(np.zeros(3), references)
    assert not HEAD.collapsed(np.array([0.0, 0.0, 1e-9]), references)


def test_a_regression_has_no_classes() -> None:
    constant, references = np.zeros(3), np.array([1.0, 2.0, 3.0])
    assert (HEAD.class_names, HEAD.confusion(references, constant[None])) == ((), ())
    assert (HEAD.output_names, HEAD.shown(1.5)) == (("output",), 1.5)


def test_the_hardest_rows_are_those_that_the_seeds_miss_by_most() -> None:
    references, predictions = np.array([1.0, 2.0, 3.0]), np.array([[1.0, 4.0, 3.5], [1.0, 6.0, 3.5]])
    assert HEAD.hardest(references, predictions, most=2) == [
        HardRow(1, "2.00", "5.00", "by 3.00"),
        HardRow(2, "3.00", "3.50", "by 0.50"),
    ]
