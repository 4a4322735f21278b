from __future__ import annotations

import pytest
import torch

from bertspec import losses
from bertspec.errors import InvalidConfig


def test_cross_entropy_is_the_mean_negative_log_probability() -> None:
    outputs = torch.tensor([[0.0, 0.0], [0.0, torch.log(torch.tensor(3.0))]])
    expected = -(torch.log(torch.tensor(0.5)) + torch.log(torch.tensor(0.75))) / 2
    assert losses.choose("auto", "classification")(outputs, torch.tensor([0.0, 1.0])) == pytest.approx(expected.item())


def test_mse_is_the_mean_squared_error() -> None:
    assert losses.choose("mse", "regression")(torch.tensor([[1.0], [3.0]]), torch.tensor([0.0, 1.0])) == 2.5


@pytest.mark.parametrize("name", losses.LOSSES)
def test_a_loss_is_computed_in_fp32_from_bf16_outputs(name: str) -> None:
    assert losses.LOSSES[name](torch.zeros(2, 2, dtype=torch.bfloat16), torch.zeros(2)).dtype == torch.float32


@pytest.mark.parametrize(
    ("name", "head"), [("mse", "classification"), ("cross_entropy", "regression"), ("hinge", "regression")]
)
def test_a_loss_that_does_not_fit_the_head_is_refused(name: str, head: str) -> None:
    with pytest.raises(InvalidConfig, match="does not fit"):
        losses.choose(name, head)  # type: ignore[arg-type]
