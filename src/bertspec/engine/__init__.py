"""One run: the one training loop and the one evaluation loop.

The loop varies by config (recipe, loss, optimizer), by data (batches) and by device. It does not know where models and
data come from, or where results go.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bertspec import metrics
from bertspec.config import RunConfig
from bertspec.device import Device
from bertspec.engine.checkpoints import Checkpoints, UnfitCheckpoint
from bertspec.engine.evaluation import evaluate, outputs
from bertspec.engine.preparation import RunInputs, Split, prepare
from bertspec.engine.schedules import learning_rate_at, steps_of
from bertspec.engine.training import Progress, train
from bertspec.errors import DeviceError
from bertspec.printing import brief
from bertspec.records import utc_now
from bertspec.results import Outcomes, RunFacts, RunObserver, RunResult, Timings

__all__ = ["Checkpoints", "RunInputs", "UnfitCheckpoint", "learning_rate_at", "outputs", "run", "steps_of"]

_log = logging.getLogger(__name__)


def run(
    config: RunConfig,
    inputs: RunInputs,
    observer: RunObserver,
    *,
    device: Device,
    cache: Path | None = None,
    checkpoints: Checkpoints | None = None,
    save_to: Path | None = None,
) -> RunResult:
    """Train an encoder on a task and score it after the last step.

    A batch that does not fit into memory is split, with the same optimizer steps; the result records that. If the loss
    or an output is no longer a finite number, training ends, and the outputs are zeros.

    Args:
        config: encoder, task, recipe and seed.
        inputs: the encoder's files and the task's rows.
        observer: follows the start, every step and, where the recipe has ``evaluate_every``, every evaluation of the
            main metric, and may stop the run there; the result records why. Reporting the end is left to the caller,
            who knows when the result is stored.
        device: where it computes; the same seed gives the same bits on one CPU and thread count.
        cache: the folder that keeps token ids between runs; None keeps nothing.
        checkpoints: where the run's state is kept, and resumed from; an interrupted run gives the same bits as an
            uninterrupted one on a CPU, and the same numbers within noise on CUDA.
        save_to: the folder that the fine-tuned model is saved to, unless the run was stopped; None saves nothing.

    Raises:
        DataError: rows do not fit the task.
        InvalidConfig: the recipe does not fit the task.
        SourceError: the checkpoint cannot be loaded.
        DeviceError: the memory is too small, even for one example at a time; or the device fails.
        UnfitCheckpoint: the checkpoint is not one of this run.
    """
    with _device_errors_explained(config, device), device.session(config.seed):
        device.forget_peak()
        began = device.clock()
        context = prepare(config, inputs, device, cache)
        ready = device.clock()
        progress = train(config.recipe, context, observer, seed=config.seed, checkpoints=checkpoints)
        trained = device.clock()
        # A stopped run, too: its record holds every metric and every row's outputs, while the evaluation at the stop
        # kept the score of the main metric only.
        with context.optimizer.scored():
            outcomes = Outcomes(_finite(evaluate(context), progress), context.evaluation.labels, config.task.task_head)
            timings = Timings(prepare_s=ready - began, train_s=progress.seconds, evaluate_s=device.clock() - trained)
            if save_to is not None and progress.stopped is None:
                context.model.save(save_to, context.tokenizer)
    facts = _facts(config, inputs, device, progress, outcomes, timings, context.held_out)
    if config.recipe.evaluate_every is not None and progress.stopped is None:
        progress.record_evaluation(facts.counted(context.metric))
        observer.evaluated(progress.step, progress.score[-1])
    return RunResult(facts, outcomes, progress.curve())


def _finite(outputs: NDArray[np.float32], progress: Progress) -> NDArray[np.float32]:
    """The same outputs, or zeros where the run diverged."""
    if progress.diverged is None and np.isfinite(outputs).all():
        return outputs
    progress.diverged = progress.diverged or "outputs that are not finite numbers, after the last step"
    _log.warning("training diverged: %s; a lower learning rate or gradient clipping may help", progress.diverged)
    return np.zeros_like(outputs)


@contextlib.contextmanager
def _device_errors_explained(config: RunConfig, device: Device) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        where = f"encoder {config.encoder.name!r} on {device.kind}"
        if device.is_out_of_memory(error):
            raise DeviceError(
                f"the memory is too small: {brief(error)}",
                allowed="a smaller encoder, shorter texts, or a device with more memory",
                where=where,
            ) from error
        if device.has_failed(error):
            raise DeviceError(
                f"the device failed: {brief(error)}", allowed="another device, or device cpu", where=where
            ) from error
        raise


def _facts(
    config: RunConfig,
    inputs: RunInputs,
    device: Device,
    progress: Progress,
    outcomes: Outcomes,
    timings: Timings,
    held_out: Split | None,
) -> RunFacts:
    requested = config.recipe.micro_batch or config.recipe.batch_size
    return RunFacts(
        seed=config.seed,
        scores={name: metrics.score(name, outcomes.references, outcomes.predictions) for name in config.task.metrics},
        steps=progress.step,
        train_examples=progress.examples,
        train_tokens=progress.tokens,
        evaluation_examples=len(outcomes.references),
        held_out_examples=None if held_out is None else len(held_out.labels),
        micro_batch=progress.micro_batch if progress.micro_batch < requested else None,
        resumed_at=tuple(progress.resumed_at),
        diverged=progress.diverged,
        stopped=progress.stopped,
        timings=timings,
        peak_memory_bytes=device.peak_memory_bytes(),
        environment=device.environment(),
        provenance=inputs.provenance,
        finished=utc_now(),
    )
