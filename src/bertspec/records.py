"""What every config is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["Record", "Setting"]

Setting = bool | int | float | str


class Record(BaseModel):
    """A frozen record that knows all its fields and accepts no other."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
