"""A process that has imported everything and forks children which train: a kill costs no start-up time.

Run by ``test_faults.py``. One JSON object per line comes in: what the child is to do. One goes out: how it ended.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import torch
import transformers.models.bert.modeling_bert  # noqa: F401 - so that no child spends its time on it
import wandb  # noqa: F401

from bertspec import engine, study
from bertspec.catalog import Catalog
from bertspec.config import EncoderConfig, GeneratedConfig, OptimizerConfig, RecipeConfig, StudyConfig, TaskConfig
from bertspec.errors import BertspecError
from bertspec.sources import Sources
from bertspec.store import Store
from bertspec.study import Session
from bertspec.tracking import SilentTracker, WandbTracker

MICRO = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 66,
}
PATIENCE_S = 60.0
WRITES = ((os, "fsync"), (Path, "rename"), (Path, "replace"), (Path, "write_text"), (Path, "mkdir"), (Path, "unlink"))


def plan(order: dict[str, Any]) -> StudyConfig:
    return StudyConfig(
        encoder=EncoderConfig(name="bert-micro", family="bert", architecture=MICRO, recipe="from-scratch"),
        task=TaskConfig(
            name="bundled/sentiment",
            dataset="bundled/sentiment",
            text="text",
            head="classification",
            labels=("negative", "positive"),
            metrics=("accuracy",),
            generated=GeneratedConfig(train_rows=order.get("train_rows", 96), evaluation_rows=40, label_noise=0.05),
        ),
        recipe=RecipeConfig(
            optimizer=OptimizerConfig(algorithm="adamw", learning_rate=1e-3),
            steps=order.get("steps", 90),
            batch_size=order.get("batch_size", 16),
            max_length=32,
            warmup_fraction=0.25,
            schedule="linear",
            clip_norm=1.0,
            precision="fp32",
            threads=1,
        ),
        seeds=tuple(order["seeds"]),
    )


def session(order: dict[str, Any]) -> Session:
    store = Store(Path(order["store"]))
    return Session(
        catalog=Catalog(()),
        sources=Sources(None, None),
        store=store,
        tracker=WandbTracker(store.tracking, mode="offline") if order.get("wandb") else SilentTracker(),
        device="cpu",
        fresh=order.get("fresh", False),
        checkpoint_every=order.get("checkpoint_every", 4),
        keep_models=order.get("keep_models", True),
    )


def die_at_write(number: int) -> None:
    """Let the process end without any tidying up just before its nth change to the disk."""
    left = [number]
    for owner, name in WRITES:
        honest = getattr(owner, name)

        def counted(*args: Any, honest: Any = honest, **options: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return honest(*args, **options)

        setattr(owner, name, counted)


def limit_memory(bytes_more: int) -> None:
    """Leave so much memory, and no more, once training begins."""

    def tight(self: Any) -> None:
        used = int(Path("/proc/self/statm").read_text("ascii").split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + bytes_more, resource.RLIM_INFINITY))
        honest(self)

    honest = engine.training._Training.resume
    engine.training._Training.resume = tight  # type: ignore[method-assign]


def trained(order: dict[str, Any]) -> dict[str, Any]:
    if "die_at_write" in order:
        die_at_write(order["die_at_write"])
    if "memory_bytes" in order:
        limit_memory(order["memory_bytes"])
    try:
        trained = study.run(plan(order), session(order))
    except BertspecError as error:
        return {"error": str(error)}
    except KeyboardInterrupt:
        return {"error": "interrupted"}
    facts = [run.result.facts for run in trained.runs]
    return {
        "trained": len(trained.trained),
        "resumed_at": [each.resumed_at for each in facts],
        "micro_batch": [each.micro_batch for each in facts],
    }


def wait_for_run(store: Store, number: int) -> None:
    """Wait until the nth run of an empty store has a checkpoint. An interrupt during an import may get lost."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        finished = set(store.fingerprints())
        begun = {file.parent.name for file in store.root.glob("unfinished/*/checkpoint.json")}
        if len(finished) == number - 1 and begun - finished:
            return
        time.sleep(0.005)


def tended(order: dict[str, Any]) -> dict[str, Any]:
    """Fork a child, send it the signal of its order at the given moment, and wait for its end."""
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job's children ignore it else
        try:
            os.write(writer, json.dumps(trained(order)).encode())
        except BaseException:  # noqa: BLE001 - a child must not come out of here
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.close(writer)
    if "after_s" in order:
        time.sleep(order["after_s"])
        os.kill(process, signal.SIGKILL)
    if "interrupted_in_run" in order:
        wait_for_run(Store(Path(order["store"])), order["interrupted_in_run"])
        os.kill(process, signal.SIGINT)
    _, status = os.waitpid(process, 0)
    with os.fdopen(reader) as stream:
        return {"status": os.waitstatus_to_exitcode(status), **json.loads(stream.read() or "{}")}


def main() -> None:
    torch.set_num_threads(1)
    gc.freeze()  # as in fork_server.py
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        sys.stdout.write(json.dumps(tended(json.loads(line))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
