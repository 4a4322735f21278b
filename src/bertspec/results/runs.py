"""The results of a run: scores, per-example outcomes, curves, timings, provenance.

:class:`RunObserver` is the protocol of what follows a run while it trains.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from bertspec.heads import TaskHead
from bertspec.records import FrozenRecord

__all__ = [
    "Curve",
    "Environment",
    "Origin",
    "Outcomes",
    "Provenance",
    "RunFacts",
    "RunObserver",
    "RunResult",
    "Stop",
    "Timings",
]

Source = Literal["mirror", "installed", "hub", "folder"]


class Origin(FrozenRecord):
    """Where a model or a data set came from, and what it held."""

    name: str
    """The id under which it was asked for."""
    source: Source
    """Where it was: in the mirror, an installed package, on the hub, or in a folder that was named."""
    revision: str | None = None
    """The commit that the hub resolved, where it was asked."""
    sha256: str
    """The hash of the content that was used."""


class Provenance(FrozenRecord):
    """The origins of everything that a run read."""

    encoder: Origin
    tokenizer: Origin
    data: Origin


class Environment(FrozenRecord):
    """The machine and the software, as far as they can change a number."""

    device: Literal["cpu", "cuda"]
    device_name: str
    precision: Literal["fp32", "bf16"]
    threads: int
    """CPU threads of the computation."""
    python: str
    versions: dict[str, str]
    """Versions of bertspec, numpy, tokenizers, torch and transformers."""


class Timings(FrozenRecord):
    """Wall-clock seconds; never judged across machines."""

    prepare_s: float
    """Building the model and tokenizing."""
    train_s: float
    evaluate_s: float


class RunFacts(FrozenRecord):
    """The facts of a run, apart from its arrays."""

    seed: int
    scores: dict[str, float]
    """The task's metrics on the evaluation split, after the last step; NaN for one that is not defined."""
    steps: int
    train_examples: int
    """Examples seen in training, repeats included."""
    train_tokens: int
    """Tokens seen in training, without padding, including those of held-out rows that the optimizer evaluated."""
    evaluation_examples: int
    held_out_examples: int | None = None
    """Rows of the training split that were held out for the optimizer; None if it requires none."""
    micro_batch: int | None = None
    """Examples per backward pass, if memory was too small for the recipe's number; otherwise None."""
    resumed_at: tuple[int, ...] = ()
    """The steps after which the run was interrupted and resumed."""
    diverged: str | None = None
    """Where the loss or the outputs stopped being finite numbers; None if they did not."""
    stopped: str | None = None
    """Why an observer stopped the run before its last step; None if it was not stopped."""
    timings: Timings
    peak_memory_bytes: int
    """Peak resident memory of the process (CPU) or peak allocated memory (CUDA)."""
    environment: Environment
    provenance: Provenance
    finished: str
    """When the run ended, ISO 8601 in UTC."""

    def counted(self, metric: str) -> float:
        """A score as means and rules count it: 0 where it is not defined, as for the correlation of a constant."""
        score = self.scores[metric]
        return 0.0 if math.isnan(score) else score


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Outcomes for each example of the evaluation split, in its row order."""

    outputs: NDArray[np.float32]
    """The model's outputs, shape (examples, width): logits, or the predicted number; zeros where the run diverged."""
    references: NDArray[np.float64]
    """The targets, shape (examples,): class numbers, or the numbers to regress."""
    head: TaskHead
    """The head that gave the outputs."""

    @property
    def predictions(self) -> NDArray[np.float64]:
        """The decoded outputs, shape (examples,): the most likely class, or the predicted number."""
        return self.head.decode(self.outputs)

    @property
    def collapsed(self) -> bool:
        """Whether the model learned nothing; never where the head has no rule for that."""
        return self.head.collapsed(self.predictions, self.references)

    @property
    def losses(self) -> NDArray[np.float64]:
        """The head's default loss of each example, shape (examples,)."""
        return self.head.row_losses(self.outputs, self.references)


@dataclass(frozen=True, slots=True)
class Curve:
    """The training curve, over the steps that were taken: a diverged run stops early."""

    loss: NDArray[np.float64]
    """The mean loss over the batch, before the step; shape (steps,)."""
    learning_rate: NDArray[np.float64]
    """The learning rate of each step, shape (steps,)."""
    evaluated: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """The steps after which the main metric was evaluated, the last step included; empty without ``evaluate_every``."""
    score: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    """The main metric on the evaluation split after each of these."""


@dataclass(frozen=True, slots=True)
class RunResult:
    """A finished run."""

    facts: RunFacts
    outcomes: Outcomes
    curve: Curve


@dataclass(frozen=True, slots=True)
class Stop:
    """An observer's answer to an evaluation: end the run after this step."""

    reason: str
    """Why, in words; results and trackers show it."""


class RunObserver(Protocol):
    """Follows a run while it trains. It may stop the run, and changes nothing else."""

    def started(self, total_steps: int) -> None:
        """Training begins."""

    def stepped(self, step: int, loss: float, learning_rate: float) -> None:
        """Step ``step`` (from 1) was taken."""

    def evaluated(self, step: int, score: float) -> Stop | None:
        """The main metric was evaluated after step ``step``, as the recipe's ``evaluate_every`` asks.

        A :class:`Stop` ends the run there; after the last step it has no effect.
        """

    def finished(self, result: RunResult) -> None:
        """Training and evaluation are over."""

    def failed(self, error: BaseException) -> None:
        """An error ended the run; no result exists."""
