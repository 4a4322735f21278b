"""The engine beside the Trainer on one GPU, BERT-base with random weights: two calls, for the longest first.

    python tests/performance/h200.py peers --record docs/h200.json     # which Trainer is the fastest
    python tests/performance/h200.py table --record docs/h200.json     # the engine beside that one

It needs torch, transformers, accelerate and the folder src on PYTHONPATH, and neither a data set nor a download: texts
are random words, as many as the sentences of SST-2 (25 tokens on average) or a passage of SQuAD (384) have. ``--tiny``
tries the script itself, on any machine. It has not run on a GPU yet, see docs/performance.md.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import peers
import torch
import transformers
from job import Job, Measured

from bertspec.config import EncoderConfig, OptimizerConfig, RecipeConfig, RunConfig, TaskConfig
from bertspec.engine import RunInputs
from bertspec.results import Origin
from bertspec.sources import Sources, pretrained
from bertspec.sources.tables import Splits

BASE = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
LAYERS, WIDTH, WEIGHTS = 12, 768, 84_934_656
WORDS = 30_522
ROUNDS = 5
BATCH = 32
UNTIMED = 20
"""Steps in which workers start and shapes are compiled; they are no part of the speed."""
ADAMW_BYTES = 28 * 109.5e6
"""What AdamW reads and writes in a step, 28 bytes a parameter."""

BYTES_PER_S = {
    "H200": 4.8e12,
    "H100 PCIe": 2.0e12,
    "H100 NVL": 3.9e12,
    "H100": 3.35e12,
    "A100": 2.0e12,
    "cpu": 1e11,  # only to try the script
}
"""Memory bandwidth by a part of the device's name, from NVIDIA's data sheets; the first that fits counts."""

ON_GPU: dict[str, Any] = {
    "bf16": True,
    "tf32": True,
    "optim": "adamw_torch_fused",
    "logging_nan_inf_filter": False,
    "dataloader_num_workers": 4,
    "dataloader_persistent_workers": True,
    "accelerator_config": {"non_blocking": True},
}
GROUPED: dict[str, Any] = {"train_sampling_strategy": "group_by_length", "length_column_name": "length"}
COMPILED: dict[str, Any] = {"torch_compile": True}
VARIANTS: dict[str, dict[str, Any]] = {
    "padded": {"padded": True},
    "grouped": GROUPED,
    "grouped, compiled": GROUPED | COMPILED,
    "padded, reduce-overhead": {"padded": True, **COMPILED, "torch_compile_mode": "reduce-overhead"},
}
"""The Trainers that may be the fastest; attention is torch's sdpa in all of them."""


def trainer(job: Job, variant: str) -> Measured:
    """One of the variants; a CPU, which only tries the script, gets what it has."""
    return peers.trainer(job, **VARIANTS[variant], **(ON_GPU if torch.cuda.is_available() else {}))


def job_of(folder: Path, *, tokens: int, spread: float, rows: int, seed: int) -> Job:
    """Random texts of ``tokens`` tokens on average (log-normal), for a model that lies in a folder."""
    rng = np.random.default_rng(seed)
    lengths = np.exp(rng.normal(np.log(tokens) - spread**2 / 2, spread, rows)).round().clip(4, 384).astype(int)
    texts = [" ".join(f"w{word}" for word in rng.integers(0, WORDS - 5, length - 2)) for length in lengths]
    table = {"text": texts, "label": rng.integers(0, 2, rows).tolist()}
    origin = Origin(name="random", source="folder", sha256="0" * 64)
    task = TaskConfig(
        name="random", dataset="random", text="text", head="classification", labels=("a", "b"), metrics=("accuracy",)
    )
    recipe = RecipeConfig(
        optimizer=OptimizerConfig(algorithm="adamw", learning_rate=2e-5),
        epochs=1.0,
        batch_size=BATCH,
        max_length=384 if spread == 0 else 128,
        warmup_fraction=0.1,
        schedule="linear",
        clip_norm=1.0,
        precision="auto",
    )
    encoder = EncoderConfig(name="bert-base", checkpoint=str(folder))
    held_out = {column: values[: rows // 4] for column, values in table.items()}
    inputs = RunInputs(pretrained.find(encoder, Sources(None, None)), Splits(table, held_out, origin))
    untimed = min(UNTIMED, rows // BATCH // 2)
    return Job(RunConfig(encoder=encoder, task=task, recipe=recipe, seed=seed), inputs, untimed_steps=untimed)


def write_model(folder: Path, shape: dict[str, int]) -> None:
    """A BERT with random weights, and a tokenizer that knows as many words as BERT's."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = {word: number for number, word in enumerate([*special, *(f"w{i}" for i in range(WORDS - 5))])}
    plain = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    plain.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    plain.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    transformers.PreTrainedTokenizerFast(tokenizer_object=plain, **names).save_pretrained(folder)
    torch.manual_seed(0)
    config = transformers.BertConfig(vocab_size=WORDS, pad_token_id=0, num_labels=2, **shape)
    transformers.BertForSequenceClassification(config).save_pretrained(folder)


def find_fastest(jobs: dict[str, Job], *, limit_s: float) -> dict[str, Any]:
    """Every variant twice, after one warm-up that compiles; the fastest for each kind of text.

    Those that compile come last, and a variant that takes longer than ``limit_s`` is left out.
    """
    speeds: dict[str, dict[str, float]] = {kind: {} for kind in jobs}
    for variant in sorted(VARIANTS, key=lambda name: "torch_compile" in VARIANTS[name]):
        for kind, job in jobs.items():
            with contextlib.suppress(OutOfTimeError), time_box(limit_s):
                trainer(job, variant)
                speeds[kind][variant] = statistics.median(trainer(job, variant).examples_per_s for _ in range(2))
        torch.compiler.reset()  # it may have been stopped in the middle of its work
    return {kind: {"examples_per_s": some, "fastest": max(some, key=some.__getitem__)} for kind, some in speeds.items()}


class OutOfTimeError(BaseException):
    """A variant took too long. The compiler wraps every Exception in one of its own, and this one it leaves alone."""


@contextlib.contextmanager
def time_box(limit_s: float) -> Iterator[None]:
    """Raise an OutOfTimeError in what runs longer."""

    def end(*_: object) -> None:
        raise OutOfTimeError(f"not done after {limit_s:g} s")

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def beside(jobs: dict[str, Job], fastest: dict[str, str], *, bytes_per_s: float) -> dict[str, Any]:
    """Engine and fastest Trainer in turns, the engine's share of the floor and of the measured matrix product."""
    peak = matmul_flops_per_s()
    rows: dict[str, Any] = {"matmul_tflop_per_s": peak / 1e12}
    for kind, job in jobs.items():
        sides: tuple[Callable[[], Measured], ...] = (
            lambda job=job: peers.engine(job),
            lambda job=job, kind=kind: trainer(job, fastest[kind]),
        )
        for side in sides:
            side()
        pairs = [tuple(side().examples_per_s for side in sides) for _ in range(ROUNDS)]
        ours = statistics.median(pair[0] for pair in pairs)
        lengths = np.array([len(text.split()) + 2 for text in job.inputs.splits.train["text"]])
        flops = float(np.mean(lengths * (6 * WEIGHTS + 12 * LAYERS * WIDTH * lengths)))
        floor_s = BATCH * flops / peak + ADAMW_BYTES / bytes_per_s
        rows[kind] = {
            "engine_examples_per_s": ours,
            "ratios": [pair[0] / pair[1] for pair in pairs],
            "share_of_matmul": ours * flops / peak,
            "share_of_step_floor": ours * floor_s / BATCH,
        }
    return rows


def bandwidth(name: str) -> float | None:
    """Return the bytes per second that the memory of a device moves; None if the device is not known."""
    return next((rate for part, rate in BYTES_PER_S.items() if part in name), None)


def matmul_flops_per_s() -> float:
    """What one large bf16 matrix product reaches here."""
    size, times = (8192, 20) if torch.cuda.is_available() else (256, 3)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    one = torch.randn(size, size, device=device, dtype=torch.bfloat16)
    for _ in range(3):
        one @ one
    seconds = []
    for _ in range(times):
        _wait()
        began = time.perf_counter()
        one @ one
        _wait()
        seconds.append(time.perf_counter() - began)
    return 2 * size**3 / statistics.median(seconds)


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("act", choices=["peers", "table"])
    parser.add_argument("--record", type=Path, required=True)
    parser.add_argument("--bytes-per-s", type=float, help="memory bandwidth (default: by the name of the device)")
    parser.add_argument(
        "--limit-s", type=float, default=90.0, help="time of a variant for a kind of text (%(default)g)"
    )
    parser.add_argument("--tiny", action="store_true", help="a tiny model and few rows: does the script work?")
    given = parser.parse_args()
    name = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    bytes_per_s = given.bytes_per_s or bandwidth(name)
    if bytes_per_s is None and given.act == "table":
        parser.error(f"the memory bandwidth of {name!r} is not known: give --bytes-per-s")
    record = json.loads(given.record.read_text("utf-8")) if given.record.exists() else {}
    rows = 64 if given.tiny else 4096
    with tempfile.TemporaryDirectory() as folder:
        write_model(Path(folder), TINY if given.tiny else BASE)
        jobs = {
            "sst2": job_of(Path(folder), tokens=25, spread=0.45, rows=rows, seed=1),
            "squad": job_of(Path(folder), tokens=384, spread=0.0, rows=rows // 4, seed=1),
        }
        if given.act == "peers":
            record["peers"] = find_fastest(jobs, limit_s=given.limit_s)
        else:
            if "peers" not in record:
                parser.error(f"{given.record} does not say yet which Trainer is the fastest: call peers first")
            fastest = {kind: record["peers"][kind]["fastest"] for kind in jobs}
            record["table"] = beside(jobs, fastest, bytes_per_s=bytes_per_s)
    record["machine"] = {
        "device": name,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "tiny": given.tiny,
    }
    given.record.write_text(json.dumps(record, indent=1), "utf-8")
    sys.stdout.write(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
