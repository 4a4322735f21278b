"""What every way of fine-tuning gets, and what is measured of it."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bertspec.config import RunConfig
from bertspec.device import Device, choose
from bertspec.engine import RunInputs

__all__ = ["Job", "Measured", "job_of"]


@dataclass(frozen=True, slots=True)
class Measured:
    """What one way of fine-tuning took, and what came of it."""

    steps: int
    """Optimizer steps, as each way counted them itself."""
    train_examples: int
    train_tokens: int
    """Padding excluded."""
    train_s: float
    evaluation_examples: int
    evaluate_s: float
    accuracy: float

    @property
    def examples_per_s(self) -> float:
        return self.train_examples / self.train_s

    @property
    def evaluated_per_s(self) -> float:
        return self.evaluation_examples / self.evaluate_s


@dataclass(frozen=True, slots=True)
class Job:
    """One fine-tuning, as every way of doing it gets it."""

    config: RunConfig
    inputs: RunInputs
    untimed_steps: int = 0
    """Steps before the clock of training starts: the start of workers and compilation are no speed of training."""

    @property
    def device(self) -> Device:
        """Where every way of fine-tuning computes; its clock waits for submitted work."""
        return choose("auto", self.config.recipe)

    @property
    def epochs(self) -> float:
        return self.config.recipe.epochs or 1.0

    def model(self) -> Any:
        """The plain transformers model, with fp32 weights."""
        import torch
        from transformers import AutoModelForSequenceClassification

        from bertspec import models

        torch.manual_seed(self.config.seed)
        files = self.inputs.files
        config = models.build_config(
            self.config.encoder, files, self.config.task.task_head, models.load_tokenizer(files)
        )
        if files.folder is None:
            return AutoModelForSequenceClassification.from_config(config, dtype=torch.float32)
        return AutoModelForSequenceClassification.from_pretrained(files.folder, config=config, dtype=torch.float32)

    def rows(self, *, pad_to: int | None = None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Token ids and labels of the training rows and of the evaluation rows, padded to a length or not at all."""
        from bertspec import models

        tokenizer, task = models.load_tokenizer(self.inputs.files), self.config.task
        splits = self.inputs.splits

        def encoded(table: Any) -> list[dict[str, Any]]:
            encoded = tokenizer(
                list(table[task.text]),
                None if task.text_pair is None else list(table[task.text_pair]),
                truncation=True,
                max_length=self.config.recipe.max_length,
                padding=False if pad_to is None else "max_length",
            )
            names = {name: number for number, name in enumerate(task.labels)}
            labels = [names.get(label, label) for label in table[task.label]]
            return [
                {"labels": label, "length": len(ids), **{column: encoded[column][row] for column in encoded}}
                for row, (ids, label) in enumerate(zip(encoded["input_ids"], labels, strict=True))
            ]

        return encoded(splits.train), encoded(splits.evaluation)

    def collator(self, *, padded: bool = False) -> Callable[[list[dict[str, Any]]], Any]:
        """A collator of transformers, with its tokenizer loaded once; the length that a sampler needs is dropped.

        Args:
            padded: whether the rows have one length already; otherwise a batch is padded to its longest row.
        """
        from transformers import DataCollatorWithPadding, default_data_collator

        from bertspec import models

        collate = default_data_collator if padded else DataCollatorWithPadding(models.load_tokenizer(self.inputs.files))
        return functools.partial(_without_length, collate)

    def measured(self, steps: int, times_s: tuple[float, float], correct: NDArray[np.bool_], tokens: int) -> Measured:
        """Of a peer: times of training and of evaluation, which evaluated rows it got right, and one epoch's tokens."""
        train_s, evaluate_s = times_s
        examples = round(self.epochs * len(self.inputs.splits.train[self.config.task.text]))
        timed = examples - self.untimed_steps * self.config.recipe.batch_size
        return Measured(
            steps=steps,
            train_examples=timed,
            train_tokens=round(self.epochs * tokens * timed / examples),
            train_s=train_s,
            evaluation_examples=len(correct),
            evaluate_s=evaluate_s,
            accuracy=float(correct.mean()),
        )


def job_of(
    encoder: str,
    task: str,
    *,
    seed: int,
    recipe: str = "fine-tuning",
    rows: int | None = None,
    evaluation_rows: int | None = None,
    **changes: Any,
) -> Job:
    """A job by names, with the first rows of its splits."""
    from bertspec import study  # late: h200.py asks for none of what they need
    from bertspec.catalog import Catalog
    from bertspec.sources import Sources

    catalog = Catalog.beside(Path.cwd())
    asked = catalog.task(task)
    plan = catalog.plan(encoder=encoder, task=asked, seeds=(seed,), recipe=recipe, **changes)
    inputs = study.gather(plan, Sources.from_environment(Path.cwd()))
    splits = inputs.splits
    fewer = dataclasses.replace(
        splits, train=_first(splits.train, rows), evaluation=_first(splits.evaluation, evaluation_rows)
    )
    return Job(plan.runs()[0], dataclasses.replace(inputs, splits=fewer))


def _first(table: Any, rows: int | None) -> Any:
    return table if rows is None else {column: table[column][:rows] for column in table}


def _without_length(collate: Callable[[list[dict[str, Any]]], Any], rows: list[dict[str, Any]]) -> Any:
    return collate([{key: value for key, value in row.items() if key != "length"} for row in rows])
