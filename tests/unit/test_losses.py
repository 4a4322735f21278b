from __future__ import annotations

import pytest
import torch

from bertspec import losses
from bertspec.errors import InvalidConfig
from bertspec.heads import Classification, Regression, TaskHead

CLASSES = Classification(("negative", "positive"))


def test_cross_entropy_is_the_mean_negative_log_probability() -> None:
    outputs = torch.tensor([[0.0, 0.0], [0.0, torch.log(torch.tensor(3.0))]])
    expected = -(torch.log(torch.tensor(0.5)) + torch.log(torch.tensor(0.75))) / 2
    assert losses.choose("auto", CLASSES)(outputs, torch.tensor([0.0, 1.0])) == pytest.approx(expected.item())


def test_mse_is_the_mean_squared_error() -> None:
    assert losses.choose("mse", Regression())(torch.tensor([[1.0], [3.0]]), torch.tensor([0.0, 1.0])) == 2.5


@pytest.mark.parametrize("name", losses.LOSSES)
def test_a_loss_is_computed_in_fp32_from_bf16_outputs(name: str) -> None:
    assert losses.LOSSES[name](torch.zeros(2, 2, dtype=torch.bfloat16), torch.zeros(2)).dtype == torch.float32


@pytest.mark.parametrize(
    ("name", "head", "allowed"),
    [
        ("mse", CLASSES, "auto, cross_entropy"),
        ("cross_entropy", Regression(), "auto, mse"),
        ("hinge", Regression(), "auto, mse"),
    ],
)
def test_a_loss_that_does_not_fit_the_head_is_refused(name: str, head: TaskHead, allowed: str) -> None:
    with pytest.raises(InvalidConfig, match=f"does not fit a {head.name} head; given: '{name}'; allowed: {allowed}"):
        losses.choose(name, head)


def test_a_name_is_registered_for_one_loss_only() -> None:
    losses.register("mse", losses.mse)
    with pytest.raises(ValueError, match="'mse' exists already"):
        losses.register("mse", losses.cross_entropy)
