from __future__ import annotations

import numpy as np
import pytest

from bertspec.heads import Classification, Regression
from bertspec.results import Outcomes

LOGITS, RIGHT = np.array([[0.1, 0.9], [2.0, 1.0]], dtype=np.float32), np.array([1.0, 0.0])


def test_the_prediction_of_a_classifier_is_its_largest_output() -> None:
    outcomes = Outcomes(LOGITS, RIGHT, Classification(("negative", "positive")))
    assert outcomes.predictions.tolist() == [1.0, 0.0]
    assert not outcomes.collapsed
    assert outcomes.losses == pytest.approx([0.371101, 0.313262], abs=1e-6)


def test_the_prediction_of_a_regressor_is_its_output() -> None:
    outcomes = Outcomes(np.array([[0.5], [-1.0]], dtype=np.float32), np.array([1.0, 0.0]), Regression())
    assert outcomes.predictions.tolist() == [0.5, -1.0]
    assert outcomes.losses.tolist() == [0.25, 1.0]


def test_a_run_whose_outputs_are_zeros_has_collapsed() -> None:
    assert Outcomes(np.zeros_like(LOGITS), RIGHT, Classification(("negative", "positive"))).collapsed
