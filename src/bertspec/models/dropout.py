"""Dropout that costs no more than its random bits.

On a CPU torch draws one number per element, one after the other, which takes an eighth of a training step. Sixteen bits
per element are enough. On other devices torch's own fused dropout is used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["Dropout", "keep", "replace"]

_LEVELS = 1 << 16


def keep(shape: Sequence[int], probability: float, *, device: torch.device) -> Tensor:
    """Draw a random fp32 mask on a device: 0 with the given probability, otherwise the factor that keeps the mean.

    The probability is rounded to a multiple of 2⁻¹⁶, and the factor belongs to the rounded one. The bits come from
    torch's generator.
    """
    dropped = round(probability * _LEVELS)
    size = math.prod(shape)
    bits = torch.empty((size + 3) // 4, dtype=torch.int64, device=device).random_(-(2**63), None).view(torch.int16)
    mask = torch.ge(bits[:size], dropped - _LEVELS // 2, out=torch.empty(size, dtype=torch.float32, device=device))
    return mask.mul_(_LEVELS / (_LEVELS - dropped) if dropped < _LEVELS else 0.0).view(tuple(shape))


class Dropout(nn.Dropout):
    """``nn.Dropout`` with :func:`keep` on a CPU."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the parent's word
        """Shape as given; in fp32 under autocast, too, as the residual that it is added to."""
        if input.device.type != "cpu" or not self.training or self.p == 0.0:
            return super().forward(input)
        return input * keep(input.shape, self.p, device=input.device)


def replace(model: nn.Module) -> None:
    """Replace every ``nn.Dropout`` of a model by ours."""
    for module in list(model.modules()):
        for name, child in list(module.named_children()):
            if type(child) is nn.Dropout:
                setattr(module, name, Dropout(child.p))
