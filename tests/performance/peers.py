"""The ways in which people fine-tune an encoder today, beside the engine.

All of them get the same model, rows, batch size, learning rate, schedule, clipping, epochs and seed; weights are fp32,
and the compute type is the recipe's.

    python tests/performance/peers.py trainer-tuned engine trainer-tuned engine --rows 1024

runs each in turn in one process and prints a line of JSON for each. One name alone gives its peak memory, and the time
from the start of the process.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from job import Job, Measured, job_of
from numpy.typing import NDArray

from bertspec.device import Device, choose


def trainer(job: Job, *, padded: bool = False, **settings: Any) -> Measured:
    """Hugging Face's Trainer, with any of its settings."""
    import torch
    from transformers import Trainer, TrainingArguments

    clock = job.device.clock
    recipe, longest = job.config.recipe, job.config.recipe.max_length
    train, evaluation = job.rows(pad_to=longest if padded else None)
    # The setting tf32 is one of the process: others must not inherit it.
    with tempfile.TemporaryDirectory() as folder, torch.backends.flags(fp32_precision=None):
        arguments = TrainingArguments(
            output_dir=folder,
            per_device_train_batch_size=recipe.batch_size,
            per_device_eval_batch_size=settings.pop("per_device_eval_batch_size", recipe.batch_size),
            learning_rate=recipe.optimizer.learning_rate,
            weight_decay=recipe.optimizer.weight_decay,
            num_train_epochs=job.epochs,
            warmup_steps=recipe.warmup_fraction,
            lr_scheduler_type=recipe.schedule,
            max_grad_norm=recipe.clip_norm or 0.0,
            seed=job.config.seed,
            use_cpu=not torch.cuda.is_available(),
            report_to="none",
            disable_tqdm=True,
            save_strategy="no",
            logging_strategy="no",
            remove_unused_columns=False,
            dataloader_pin_memory=torch.cuda.is_available(),
            **settings,
        )
        running = Trainer(
            model=job.model(),
            args=arguments,
            train_dataset=train,
            eval_dataset=evaluation,
            data_collator=job.collator(padded=padded),
            callbacks=[timed := _timed(job)],
        )
        timed.began = clock()
        running.train()
        trained = clock()
        predicted = running.predict(evaluation)
        done = clock()
    tokens = sum(sum(row["attention_mask"]) for row in train)
    # By its own labels: grouped by length, the Trainer evaluates in another order than that of the rows.
    correct = predicted.predictions.argmax(axis=1) == predicted.label_ids
    return job.measured(running.state.global_step, (trained - timed.began, done - trained), correct, tokens)


def _timed(job: Job) -> Any:
    """A callback of the Trainer that starts the clock again after the untimed steps."""
    from transformers import TrainerCallback

    class Timed(TrainerCallback):
        began = 0.0

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step == job.untimed_steps:
                self.began = job.device.clock()

    return Timed()


def trainer_padded(job: Job) -> Measured:
    """Hugging Face's Trainer as ``run_glue.py`` calls it: every row padded to ``max_length``, fp32."""
    return trainer(job, padded=True)


def trainer_dynamic(job: Job) -> Measured:
    """The same, each batch padded to its longest row."""
    return trainer(job)


def trainer_tuned(job: Job) -> Measured:
    """The fastest Trainer on a CPU that we know: grouped by length, bf16 where the hardware has it, no logging."""
    return trainer(
        job,
        train_sampling_strategy="group_by_length",
        length_column_name="length",
        bf16=job.device.precision == "bf16",
        optim="adamw_torch_fused",
        logging_nan_inf_filter=False,
        dataloader_num_workers=0,
        per_device_eval_batch_size=32,
    )


def plain_loop(job: Job) -> Measured:
    """What people write by hand: windows sorted by length, autocast where it pays, fused AdamW."""
    import torch

    recipe, device = job.config.recipe, job.device
    model = job.model().to(device.torch)
    train, evaluation = job.rows()
    collate = job.collator()
    optimizer = torch.optim.AdamW(
        model.parameters(), recipe.optimizer.learning_rate, weight_decay=recipe.optimizer.weight_decay, fused=True
    )
    steps = round(job.epochs * -(-len(train) // recipe.batch_size))
    warmup = round(recipe.warmup_fraction * steps)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / max(1, warmup), (steps - step) / max(1, steps - warmup))
    )
    rng = np.random.default_rng(job.config.seed)
    model.train()
    order = _sorted_windows([row["length"] for row in train], recipe.batch_size, rng)
    for step in range(steps):
        if step == job.untimed_steps:
            began = device.clock()
        batch = collate([train[row] for row in next(order)]).to(device.torch)
        with device.autocast():
            loss = model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm or float("inf"))
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    trained = device.clock()
    predictions = _predict(model, evaluation, collate, device)
    done = device.clock()
    tokens = sum(row["length"] for row in train)
    correct = predictions == [row["labels"] for row in evaluation]
    return job.measured(schedule.last_epoch, (trained - began, done - trained), correct, tokens)


def _sorted_windows(lengths: list[int], size: int, rng: np.random.Generator) -> Iterator[NDArray[np.int64]]:
    while True:
        order = rng.permutation(len(lengths))
        windows = [order[start : start + 50 * size] for start in range(0, len(order), 50 * size)]
        batches = [
            window[np.argsort(np.take(lengths, window))][start : start + size]
            for window in windows
            for start in range(0, len(window), size)
        ]
        yield from (batches[i] for i in rng.permutation(len(batches)))


def _predict(model: Any, rows: list[dict[str, Any]], collate: Callable[..., Any], device: Device) -> NDArray[np.int64]:
    import torch

    order = np.argsort([row["length"] for row in rows])
    predictions = np.empty(len(rows), np.int64)
    model.eval()
    with torch.no_grad(), device.autocast():
        for start in range(0, len(rows), 32):
            some = order[start : start + 32]
            batch = collate([rows[row] for row in some]).to(device.torch)
            predictions[some] = model(**batch).logits.argmax(-1).cpu().numpy()
    return predictions


def engine(job: Job) -> Measured:
    """Bertspec's own engine."""
    from bertspec import engine as ours
    from bertspec.tracking import SilentObserver

    class Untimed(SilentObserver):
        began = seconds = 0.0

        def started(self, total_steps: int) -> None:
            self.began = job.device.clock()

        def stepped(self, step: int, loss: float, learning_rate: float) -> None:
            if step == job.untimed_steps:
                self.seconds = job.device.clock() - self.began

    result = ours.run(job.config, job.inputs, untimed := Untimed(), device=job.device)
    facts = result.facts
    times_s = facts.timings.train_s - untimed.seconds, facts.timings.evaluate_s
    correct = result.outcomes.predictions == result.outcomes.references
    return job.measured(facts.steps, times_s, correct, round(facts.train_tokens / job.epochs))


PEERS: dict[str, Callable[[Job], Measured]] = {
    "trainer-padded": trainer_padded,
    "trainer-dynamic": trainer_dynamic,
    "trainer-tuned": trainer_tuned,
    "plain-loop": plain_loop,
    "engine": engine,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("peers", nargs="+", choices=PEERS)
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--task", default="sst2-sentences")
    parser.add_argument("--recipe", default="fine-tuning")
    parser.add_argument("--rows", type=int, help="of the training split; all without it")
    parser.add_argument("--evaluation-rows", type=int)
    parser.add_argument("--epochs", type=float, default=1.0)
    parser.add_argument("--learning-rate", type=float, default=5e-5)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    given = parser.parse_args()
    for seed in given.seeds:
        job = job_of(
            given.encoder,
            given.task,
            seed=seed,
            recipe=given.recipe,
            rows=given.rows,
            evaluation_rows=given.evaluation_rows,
            epochs=given.epochs,
            learning_rate=given.learning_rate,
        )
        for name in given.peers:
            measured = dataclasses.asdict(PEERS[name](job))
            line = {
                "peer": name,
                "seed": seed,
                **measured,
                "peak_bytes": choose("cpu", job.config.recipe).peak_memory_bytes(),
                "since_start_s": _age_s(),
            }
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()


def _age_s() -> float:
    """Since this process began, the interpreter's own start included (Linux)."""
    began = float(Path("/proc/self/stat").read_text("ascii").rsplit(")", 1)[1].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - began / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
