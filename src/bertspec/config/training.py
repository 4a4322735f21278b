"""Encoders, tasks, optimizers and recipes, and the runs and studies made of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from bertspec import heads
from bertspec.heads import TaskHead
from bertspec.records import FiniteRecord, Setting, refuse

__all__ = [
    "MOST_SEEDS",
    "MOST_STEPS",
    "REFUSED",
    "AveragingConfig",
    "EmaConfig",
    "EncoderConfig",
    "GeneratedConfig",
    "OptimizerConfig",
    "RecipeConfig",
    "RunConfig",
    "StudyConfig",
    "SwaConfig",
    "TaskConfig",
    "check_seeds",
]

Fraction = Annotated[float, Field(ge=0, lt=1)]

MOST_SEEDS = 1_000
"""The most seeds of a study; more are a typing error."""
MOST_STEPS = 10_000_000
"""The most optimizer steps of a run; their loss curve takes 160 MB."""
MOST_ROWS = 10_000_000
"""The most rows of a generated split."""
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Steps = Annotated[int, Field(gt=0, le=MOST_STEPS)]
Rows = Annotated[int, Field(gt=0, le=MOST_ROWS)]

REFUSED: Mapping[str, str] = MappingProxyType(
    {
        "lbfgs": "L-BFGS cannot train an encoder on batches: its curvature estimate and its line search compare losses "
        "and gradients of one and the same function, and here every batch and every dropout mask is another one; a "
        "step would also call for some twenty backward passes on one batch, where every other rule makes one"
    }
)
"""Update rules that cannot train an encoder here, and why."""


class SwaConfig(FiniteRecord):
    """Stochastic weight averaging: the arithmetic mean of the weights at regular steps of the last phase.

    Izmailov et al., 2018. The mean is what is scored and saved; training goes on from the weights themselves.
    """

    kind: Literal["swa"]
    start: Fraction = 0.75
    """The share of the steps before the averaging phase; the paper keeps the schedule for three quarters."""
    every: PositiveInt | Literal["epoch"] = "epoch"
    """Steps from one averaged set of weights to the next, or one for each pass over the training split."""
    learning_rate_share: PositiveFloat | None = 0.5
    """The learning rate of the averaging phase as a share of the peak; None keeps the recipe's schedule."""
    anneal_steps: NonNegativeInt = 10
    """Steps from the schedule's rate to that of the averaging phase."""
    anneal: Literal["cosine", "linear"] = "cosine"
    """How the rate moves over these steps."""


class EmaConfig(FiniteRecord):
    """An exponential moving average of the weights (Polyak and Juditsky, 1992), which is scored and saved."""

    kind: Literal["ema"]
    decay: Annotated[float, Field(gt=0, lt=1)] = 0.999
    """The share of the average that a step keeps; the rest is the new weights."""
    start: Fraction = 0.0
    """The share of the steps after which the average begins, with the weights of its first step."""


AveragingConfig = Annotated[SwaConfig | EmaConfig, Field(discriminator="kind")]


class OptimizerConfig(FiniteRecord):
    """An optimizer and its hyperparameters."""

    name: str | None = None
    """Its name in the catalog, which does not affect training."""
    algorithm: str
    """The name of the update rule; see ``bertspec.optimizers.ALGORITHMS``."""
    learning_rate: PositiveFloat
    """The peak learning rate, reached at the end of the warm-up."""
    weight_decay: NonNegativeFloat = 0.0
    """Weight decay; see ``decay_exempt``."""
    decay_exempt: Literal["biases-and-norms", "none"] = "biases-and-norms"
    """Which weights have no weight decay: biases and normalisation weights (all but matrices), or none."""
    layer_decay: Annotated[float, Field(gt=0, le=1)] = 1.0
    """The factor on the learning rate from a layer to the one below; the head has the full rate."""
    averaging: AveragingConfig | None = None
    """The average of the weights that is scored instead of the last ones; None scores the last ones."""
    settings: dict[str, Setting] = Field(default={})
    """The algorithm's own settings, such as SGD's momentum."""

    @property
    def word(self) -> str:
        """Its name in reports."""
        return self.name or self.algorithm

    @field_validator("algorithm")
    @classmethod
    def _can_work(cls, algorithm: str) -> str:
        if algorithm in REFUSED:
            raise ValueError(REFUSED[algorithm])
        return algorithm


Family = Literal["albert", "bert", "distilbert", "electra", "modernbert", "roberta"]
Sabotage = Literal["shuffled labels", "leaked labels", "scored on training rows"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class EncoderConfig(FiniteRecord):
    """An encoder: a pretrained checkpoint, or an architecture trained from scratch.

    Exactly one of ``checkpoint`` and ``family`` is set.
    """

    name: str
    """The word that feature lines use."""
    checkpoint: str | None = None
    """A hub id, or a folder that holds safetensors weights, a config and a tokenizer."""
    revision: str | None = None
    """The hub revision of the checkpoint; ignored for a folder, which ``sha256`` pins."""
    sha256: Sha256 | None = None
    """The hash that the weights file must have."""
    family: Family | None = None
    """The architecture to train from scratch, with the tokenizer of the generated tasks."""
    architecture: dict[str, Setting] = Field(default={})
    """Values for the family's transformers configuration, under its own names."""
    recipe: str = "fine-tuning"
    """The recipe that is used unless another one is named."""

    @property
    def from_scratch(self) -> bool:
        """Whether training starts from random weights."""
        return self.checkpoint is None

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.checkpoint is None) == (self.family is None):
            raise ValueError("an encoder has either a checkpoint or a family, and not both")
        if self.architecture and self.family is None:
            raise ValueError("a checkpoint brings its own architecture")
        return self


class GeneratedConfig(FiniteRecord):
    """How many rows a generated task has, and how noisy their labels are."""

    train_rows: Rows
    """Rows of the training split."""
    evaluation_rows: Rows
    """Rows of the evaluation split."""
    label_noise: Annotated[float, Field(ge=0, lt=0.5)]
    """The probability that a label is flipped; the best attainable accuracy is one minus this."""
    seed: Annotated[int, Field(ge=0)] = 0
    """The seed of the grammar, not of the training."""


class TaskConfig(FiniteRecord):
    """A data set with its columns, its head and its metrics."""

    name: str
    """The word that feature lines use."""
    dataset: str
    """A hub id, a folder, a file, or ``bundled/NAME`` for a generated task."""
    subset: str | None = None
    """The configuration of the data set, such as ``sst2`` of ``nyu-mll/glue``."""
    revision: str | None = None
    """The hub revision; what it resolved to is recorded with the result."""
    train_split: str = "train"
    """The split that is trained on."""
    evaluation_split: str = "validation"
    """The split that is scored, in the order of its rows."""
    text: str
    """The column that holds the text, or the first of a pair."""
    text_pair: str | None = None
    """The column that holds the second text of a pair."""
    label: str = "label"
    """The column that holds the label: a class number, a class name, or a number to regress."""
    head: str
    """What is predicted: ``classification`` (one of ``labels``) or ``regression`` (one number)."""
    labels: tuple[str, ...] = ()
    """The names of the classes, in the order of their numbers."""
    metrics: Annotated[tuple[str, ...], Field(min_length=1)]
    """The scores that every run reports, the main one first."""
    generated: GeneratedConfig | None = None
    """The sizes and the noise of a ``bundled/`` task."""
    contamination_allowed: Annotated[float, Field(ge=0, le=1)] = 0.01
    """The share of evaluation rows whose texts may also be trained on; more is a leak, and fails every claim."""
    sabotage: Sabotage | None = None
    """How the rows are spoilt on purpose, so that a claim about them must not pass."""
    tuning_share: Annotated[float, Field(gt=0, lt=1)] | None = None
    """The share of the training rows that is scored instead of the evaluation split, and not trained on: settings are
    chosen on it. None scores the evaluation split."""

    @property
    def task_head(self) -> TaskHead:
        """What ``head`` stands for, with this task's labels: targets, losses, metrics, predictions."""
        return heads.build(self.head, labels=self.labels)

    @field_validator("head")
    @classmethod
    def _known_head(cls, head: str) -> str:
        if head not in heads.HEADS:
            raise ValueError(f"a task head is one of {', '.join(sorted(heads.HEADS))}")
        return head

    @model_validator(mode="before")
    @classmethod
    def _former_names(cls, values: Any) -> Any:
        """Runs that bertspec 0.1 stored have ``overlap_allowed``."""
        if not isinstance(values, Mapping) or "contamination_allowed" in values:
            return values
        return {"contamination_allowed" if name == "overlap_allowed" else name: value for name, value in values.items()}

    @model_validator(mode="after")
    def _columns_and_head_fit(self) -> Self:
        heads.build(self.head, labels=self.labels)
        if self.text_pair == self.text:
            raise ValueError("a pair of texts needs two columns")
        if self.dataset.startswith("bundled/") != (self.generated is not None):
            raise ValueError("a bundled/ task, and no other, has a generated: block")
        return self


class RecipeConfig(FiniteRecord):
    """How an encoder is trained. Exactly one of ``epochs`` and ``steps`` is set."""

    optimizer: OptimizerConfig
    """The update rule with its learning rate."""
    epochs: Annotated[float, Field(gt=0, le=MOST_STEPS)] | None = None
    """Passes over the training split; a fraction stops inside a pass."""
    steps: Steps | None = None
    """Optimizer steps, whatever the size of the training split; up to 10,000,000."""
    batch_size: Annotated[int, Field(gt=0, le=MOST_ROWS)]
    """Examples per optimizer step."""
    micro_batch: PositiveInt | None = None
    """Examples per backward pass, whose gradients add up to those of the batch; None means all at once."""
    max_length: Annotated[int, Field(ge=4, le=1_000_000)]
    """Tokens per example, special tokens included; longer texts are truncated."""
    warmup_fraction: Annotated[float, Field(ge=0, lt=1)]
    """The share of the steps over which the learning rate rises linearly from zero."""
    schedule: Literal["linear", "constant", "cosine", "one-cycle", "inverse-square-root"]
    """What the learning rate does after the warm-up: fall to zero, stay, or fall as one over the root of the step.

    ``one-cycle`` (Smith and Topin, 2018) rises by itself, and goes with no other warm-up.
    """
    clip_norm: PositiveFloat | None
    """The largest global gradient norm; None does not clip."""
    precision: Literal["auto", "fp32", "bf16"]
    """The compute type; weights stay fp32. ``auto`` is bf16 where the hardware has it."""
    loss: Literal["auto", "cross_entropy", "mse"] = "auto"
    """What is minimised; ``auto`` is cross-entropy for classes and squared error for numbers."""
    frozen_encoder: bool = False
    """Whether only the head is trained: every other weight stays as it was loaded or drawn."""
    threads: Annotated[int, Field(gt=0, le=1024)] | None = None
    """CPU threads, at most 1,024. None means as many as ``OMP_NUM_THREADS`` asks for, or one per core that this process
    may use."""
    evaluate_every: PositiveInt | None = None
    """Optimizer steps between evaluations of the main metric on the evaluation split; None evaluates at the end only.
    They are recorded as a curve; no result is chosen by them."""

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("a recipe has either epochs or steps, and not both")
        return self

    @model_validator(mode="after")
    def _parts_of_a_batch(self) -> Self:
        if self.micro_batch is not None and self.micro_batch > self.batch_size:
            raise ValueError(
                f"micro_batch {self.micro_batch} is a part of a batch, and batch_size is {self.batch_size}"
            )
        return self

    @model_validator(mode="after")
    def _one_warm_up(self) -> Self:
        if self.schedule == "one-cycle" and self.warmup_fraction > 0:
            raise ValueError(
                f"the one-cycle schedule has its own warm-up, and warmup_fraction {self.warmup_fraction:g} is not 0"
            )
        averaging = self.optimizer.averaging
        anneals = isinstance(averaging, SwaConfig) and averaging.learning_rate_share is not None
        if anneals and averaging is not None and averaging.start < self.warmup_fraction:
            raise ValueError(
                f"averaging starts at {averaging.start:g} of the steps, inside the warm-up of {self.warmup_fraction:g}"
            )
        return self


class RunConfig(FiniteRecord):
    """One training with one seed."""

    encoder: EncoderConfig
    task: TaskConfig
    recipe: RecipeConfig
    seed: Seed
    """Decides the new weights, the order of the rows and the dropout."""


class StudyConfig(FiniteRecord):
    """The runs of one recipe over its seeds."""

    encoder: EncoderConfig
    task: TaskConfig
    recipe: RecipeConfig
    seeds: Annotated[tuple[Seed, ...], Field(min_length=1, max_length=MOST_SEEDS)]
    """The seeds, in the order in which they are run; up to 1,000."""

    @property
    def title(self) -> str:
        """The study in one line, as reports and trackers name it."""
        tuning = "tuning" if self.task.tuning_share is not None else None
        words = (self.encoder.name, self.task.name, self.recipe.optimizer.word, self.task.sabotage, tuning)
        return " · ".join(word for word in words if word is not None)

    def runs(self) -> tuple[RunConfig, ...]:
        """One run for each seed, in order."""
        return tuple(
            RunConfig(encoder=self.encoder, task=self.task, recipe=self.recipe, seed=seed) for seed in self.seeds
        )

    @model_validator(mode="after")
    def _seeds_once(self) -> Self:
        check_seeds("seeds", self.seeds)
        return self


def check_seeds(field: str, seeds: tuple[int, ...]) -> None:
    """Refuse, inside a validator, seeds of which one stands twice."""
    twice = sorted(seed for seed, times in Counter(seeds).items() if times > 1)
    if twice:
        refuse(f"{field} {twice} stand twice; a seed counts once", (field,), given=list(seeds))
