"""How far a training is, and what it has seen: what a checkpoint keeps of it, and what its curve shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertspec.results import Curve, RunObserver

__all__ = ["Progress"]

_PER_STEP = ("loss", "rate")


@dataclass(slots=True)
class Progress:
    """How far a training is, and what it has seen."""

    loss: NDArray[np.float64]
    """Shape (steps,): filled up to ``step``."""
    rate: NDArray[np.float64]
    """The learning rate of each step; the same shape."""
    micro_batch: int
    """Examples per backward pass; fewer than the batch size where the recipe says so, or the memory is too small."""
    step: int = 0
    """Optimizer steps taken."""
    examples: int = 0
    tokens: int = 0
    held_out: int = 0
    """Batches of held-out rows that the optimizer has asked for."""
    seconds: float = 0.0
    """Wall-clock seconds of training, those before an interruption included."""
    evaluated: list[int] = field(default_factory=list)
    """The steps after which the main metric was record_evaluation at."""
    score: list[float] = field(default_factory=list)
    """What it was after each of them."""
    resumed_at: list[int] = field(default_factory=list)
    """The steps after which the training was interrupted and taken up again."""
    diverged: str | None = None
    """Where the loss stopped being a finite number, which ended the training."""
    stopped: str | None = None
    """Why an observer stopped the training; ``None`` where none did."""

    def state(self) -> dict[str, Any]:
        """The same as plain values."""
        own = {name: getattr(self, name) for name in self.__slots__}
        return {**own, **{name: own[name][: self.step].tolist() for name in _PER_STEP}}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state, with room for the steps to come."""
        for name, value in state.items():
            if name not in _PER_STEP:
                setattr(self, name, value)
        self.loss[: self.step], self.rate[: self.step] = state["loss"], state["rate"]
        self.resumed_at = [*self.resumed_at, self.step]

    def tell(self, observer: RunObserver, step: int) -> None:
        """Say how one of the steps went that were taken."""
        observer.stepped(step, float(self.loss[step - 1]), float(self.rate[step - 1]))
        if step in self.evaluated:
            stop = observer.evaluated(step, self.score[self.evaluated.index(step)])
            self.stopped = self.stopped or (stop.reason if stop is not None else None)

    def record_evaluation(self, score: float) -> None:
        """Note the main metric after the newest step."""
        self.evaluated.append(self.step)
        self.score.append(score)

    def curve(self) -> Curve:
        """What was seen so far."""
        return Curve(
            loss=self.loss[: self.step],
            learning_rate=self.rate[: self.step],
            evaluated=np.array(self.evaluated, np.int64),
            score=np.array(self.score, np.float64),
        )
