from __future__ import annotations

import pytest
import torch
from torch import nn

from bertspec.models import dropout

CPU = torch.device("cpu")


@pytest.mark.parametrize("probability", [0.1, 0.3, 0.5])
def test_so_many_are_dropped_and_the_mean_is_kept(probability: float) -> None:
    torch.manual_seed(0)
    mask = dropout.keep((1000, 1001), probability, device=CPU)
    dropped = float((mask == 0).float().mean())
    # Four standard errors of a million draws, and the rounding to 2⁻¹⁶.
    assert dropped == pytest.approx(probability, abs=4 * (probability * (1 - probability) / 1e6) ** 0.5 + 2**-17)
    assert float(mask.max()) == pytest.approx(1 / (1 - probability), rel=1e-4)
    assert float(mask.mean()) == pytest.approx(1.0, abs=5e-3)


def test_every_lane_of_a_draw_is_as_likely_to_drop() -> None:
    """The highest of the 64 bits is drawn, too: a lane that never drops would be a quarter of the mask."""
    torch.manual_seed(0)
    lanes = (dropout.keep((400_000,), 0.1, device=CPU).view(-1, 4) == 0).float().mean(dim=0)
    assert lanes.tolist() == pytest.approx([0.1] * 4, abs=4e-3)


def test_neighbours_are_independent() -> None:
    torch.manual_seed(0)
    dropped = (dropout.keep((400_000,), 0.1, device=CPU) == 0).float()
    assert float((dropped[1:] * dropped[:-1]).mean()) == pytest.approx(0.01, abs=1e-3)


def test_a_seed_decides_the_mask() -> None:
    torch.manual_seed(1)
    one = dropout.keep((5, 7), 0.2, device=CPU)
    torch.manual_seed(1)
    assert torch.equal(one, dropout.keep((5, 7), 0.2, device=CPU))


def test_all_or_nothing_may_be_dropped() -> None:
    assert dropout.keep((3,), 1.0, device=CPU).tolist() == [0.0] * 3
    assert dropout.keep((3,), 0.0, device=CPU).tolist() == [1.0] * 3


def test_in_evaluation_nothing_is_dropped() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.9))
    dropout.replace(model)
    assert isinstance(model[1], dropout.Dropout)
    assert torch.equal(model.eval()[1](torch.ones(9)), torch.ones(9))
    assert not torch.equal(model.train()[1](torch.ones(99)), torch.ones(99))


def test_the_default_type_of_the_process_does_not_round_the_factor() -> None:
    torch.set_default_dtype(torch.bfloat16)
    try:
        mask = dropout.keep((99,), 0.1, device=CPU)
    finally:
        torch.set_default_dtype(torch.float32)
    assert float(mask.max()) == pytest.approx(1 / 0.9, rel=1e-4)


def test_another_device_has_a_mask_of_its_own_and_torch_s_dropout() -> None:
    """The meta device refuses tensors of two devices in one operation."""
    meta = torch.device("meta")
    assert dropout.keep((5, 7), 0.2, device=meta).device == meta
    assert dropout.Dropout(0.5).train()(torch.ones(9, device=meta)).device == meta
