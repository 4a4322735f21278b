from __future__ import annotations

import evaluate
import numpy as np
import pytest

from bertspec import metrics
from bertspec.heads import Classification
from bertspec.metrics import modules
from bertspec.results import Outcomes


@pytest.mark.parametrize("name", sorted(metrics.METRICS))
def test_an_evaluate_module_gives_what_the_function_gives(name: str) -> None:
    rng = np.random.default_rng(0)
    references, predictions = rng.integers(0, 2, 50).astype(float), rng.integers(0, 2, 50).astype(float)
    found = modules.load(name).compute(predictions=predictions.tolist(), references=references.tolist())
    assert found == {name: pytest.approx(metrics.score(name, references, predictions))}


def test_batches_add_up_to_the_whole() -> None:
    module = modules.load("accuracy")
    module.add_batch(predictions=[1, 0], references=[1, 1])
    module.add_batch(predictions=[1, 1], references=[1, 1])
    assert module.compute() == {"accuracy": 0.75}


def test_modules_combine_as_those_of_the_hub_do() -> None:
    both = evaluate.combine([modules.load("accuracy"), modules.load("f1")])
    assert both.compute(predictions=[1, 0], references=[1, 1]) == {"accuracy": 0.5, "f1": pytest.approx(2 / 3)}


def test_the_outcomes_of_a_run_are_scored() -> None:
    outcomes = Outcomes(
        np.array([[0.0, 1.0], [0.0, 1.0]], dtype=np.float32),
        np.array([1.0, 0.0]),
        Classification(("negative", "positive")),
    )
    assert modules.load("accuracy").score(outcomes) == 0.5
