from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from bertspec.errors import InvalidConfig
from bertspec.optimizers import Length
from tests.unit.optimizers.conftest import Small, Trained, Trainer

LENGTH = Length(steps=20, per_pass=4)


@pytest.fixture(autouse=True)
def exact(small: Small) -> None:
    """Twice the precision: what is left of a difference is one of the formula."""
    small.double()


def passed(training: Trainer, steps: int) -> list[list[Tensor]]:
    """The weights after each step."""
    return [[weight.detach().clone() for weight in training.model.parameters()] for _ in training.steps(steps)]


def scored(training: Trainer) -> list[Tensor]:
    with training.optimizer.scored():
        return [weight.detach().clone() for weight in training.model.parameters()]


def near(found: list[Tensor], wanted: list[Tensor]) -> bool:
    return all(torch.allclose(one, other, rtol=0, atol=1e-14) for one, other in zip(found, wanted, strict=True))


@pytest.mark.parametrize(
    ("values", "steps"),
    [
        ({"start": 0.5, "every": 3}, [13, 16, 19]),
        ({"start": 0.5, "every": 1}, range(11, 21)),
        ({"start": 0.0, "every": "epoch"}, [4, 8, 12, 16, 20]),
        ({"start": 0.75, "every": 2}, [17, 19]),
    ],
)
def test_swa_is_the_arithmetic_mean_of_its_snapshots(trainer: Trained, values: dict[str, Any], steps: Any) -> None:
    training = trainer("adamw", averaging={"kind": "swa", **values}, length=LENGTH)
    weights = passed(training, 20)
    mean = [torch.stack(each).mean(0) for each in zip(*(weights[step - 1] for step in steps), strict=True)]
    assert near(scored(training), mean)
    assert not near(weights[-1], mean)


@pytest.mark.parametrize(("start", "first"), [(0.0, 1), (0.5, 11)])
def test_ema_is_what_its_formula_says(trainer: Trained, start: float, first: int) -> None:
    training = trainer("adamw", averaging={"kind": "ema", "decay": 0.8, "start": start}, length=LENGTH)
    weights = passed(training, 20)
    average = weights[first - 1]
    for later in weights[first:]:
        average = [0.8 * old + 0.2 * new for old, new in zip(average, later, strict=True)]
    assert near(scored(training), average)
    assert not near(weights[-1], average)


def test_the_weights_come_back_bit_for_bit_and_training_is_not_disturbed(trainer: Trained, small: Small) -> None:
    training = trainer("adamw", averaging={"kind": "ema", "decay": 0.9}, length=LENGTH)
    before = passed(training, 10)[-1]
    with training.optimizer.scored():
        pass
    assert all(torch.equal(old, new) for old, new in zip(before, small.parameters(), strict=True))
    torch.manual_seed(0)
    plain = trainer("adamw", model=Small().double())
    assert passed(training, 3)[-1][0].equal(passed(plain, 13)[-1][0])


def test_an_exception_while_scoring_gives_the_weights_back(trainer: Trained, small: Small) -> None:
    training = trainer("adamw", averaging={"kind": "ema", "decay": 0.9}, length=LENGTH)
    before = passed(training, 5)[-1]
    with pytest.raises(KeyError), training.optimizer.scored():
        raise KeyError
    assert torch.equal(small.embedding.weight, before[0])


def test_before_the_average_begins_the_weights_themselves_are_scored(trainer: Trained) -> None:
    training = trainer("adamw", averaging={"kind": "swa", "start": 0.5, "every": 1}, length=LENGTH)
    assert near(scored(training), passed(training, 10)[-1]) is False
    assert near(scored(training), [weight.detach().clone() for weight in training.model.parameters()])


def test_frozen_weights_stay_out_of_the_average(trainer: Trained, small: Small) -> None:
    small.embedding.requires_grad_(requires_grad=False)
    training = trainer("adamw", averaging={"kind": "ema"}, length=LENGTH)
    list(training.steps(3))
    assert len(training.optimizer.state_dict()["average"]) == len(list(small.parameters())) - 1


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"kind": "swa", "start": 0.9, "every": 2}, "fewer than two.*one every 2 of the 2 steps after step 18"),
        ({"kind": "swa", "start": 0.75}, "fewer than two.*one every 4 of the 5 steps after step 15"),
    ],
)
def test_an_average_of_fewer_than_two_sets_of_weights_is_refused(
    trainer: Trained, values: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidConfig, match=message):
        trainer("adamw", averaging=values, length=LENGTH)
