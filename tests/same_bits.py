"""Record the numbers of twelve small runs, and compare them later: a refactoring must not change one bit.

Bits belong to a machine, so the record is not committed. The runs go through the command line, which stays::

    python tests/same_bits.py record before.json     # at the old commit
    python tests/same_bits.py compare before.json    # at the new one; exit status 1 where a bit differs

The runs are the six families, a pair task, MiniLM on 200 rows, SWA, Muon, a hypergradient and micro-batches.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

_SHORT = ("--steps", "40", "--seeds", "7", "--threads", "1")
_TINY = ("--task", "bundled/sentiment", *_SHORT)
RUNS: dict[str, tuple[str, ...]] = {
    **{
        family: ("--encoder", f"{family}-tiny", *_TINY)
        for family in ("albert", "bert", "distilbert", "electra", "modernbert", "roberta")
    },
    "pair": ("--encoder", "bert-tiny", "--task", "bundled/paraphrase", *_SHORT),
    "minilm": ("--encoder", "minilm", "--task", "few.yaml", "--epochs", "1", "--seeds", "7", "--threads", "1"),
    "swa": ("--encoder", "bert-tiny", "--optimizer", "swa", *_TINY),
    "muon": ("--encoder", "bert-tiny", "--optimizer", "muon", *_TINY),
    "hypergradient": ("--encoder", "bert-tiny", "--optimizer", "hd-adam", *_TINY),
    "micro-batches": ("--encoder", "bert-tiny", "--micro-batch", "5", *_TINY),
}
_FEW = """\
dataset: bundled/sentiment
text: text
head: classification
labels: [negative, positive]
metrics: [accuracy]
generated: {train_rows: 200, evaluation_rows: 100, label_noise: 0.05}
"""


def numbers(arguments: tuple[str, ...]) -> dict[str, object]:
    """Train once in an empty store; hashes of loss, learning rate and outputs, and the loss for people to read."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "few.yaml").write_text(_FEW, "utf-8")
        command = [sys.executable, "-m", "bertspec", "run", *arguments, "--store", f"{folder}/store"]
        environment = {**os.environ, "WANDB_MODE": "disabled", "HF_HUB_OFFLINE": "1"}
        done = subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(command)}\n{done.stderr}")
        (file,) = Path(folder, "store", "runs").glob("*/arrays.npz")
        with np.load(file, allow_pickle=False) as arrays:  # noqa: TID251 - plain arrays only
            kept = {name: arrays[name] for name in ("outputs", "loss", "learning_rate")}
    hashes = {name: hashlib.sha256(array.tobytes()).hexdigest()[:16] for name, array in kept.items()}
    return {**hashes, "first and last loss": [float(kept["loss"][0]), float(kept["loss"][-1])]}


def main() -> int:
    """Record, or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("act", choices=("record", "compare"))
    parser.add_argument("file", type=Path)
    arguments = parser.parse_args()
    measured = {name: numbers(command) for name, command in RUNS.items()}
    if arguments.act == "record":
        arguments.file.write_text(json.dumps(measured, indent=1), "utf-8")
        print(f"{arguments.file}: {len(measured)} runs")
        return 0
    before = json.loads(arguments.file.read_text("utf-8"))
    for name, now in measured.items():
        print(f"{'same bits' if now == before[name] else 'DIFFERENT':9}  {name}  {now['first and last loss']}")
    return int(measured != before)


if __name__ == "__main__":
    sys.exit(main())
