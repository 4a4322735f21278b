"""Whatever stops a run, nothing that was finished is lost, and the next run works."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bertspec.store import Store, StoredRun
from bertspec.store.runs import read
from tests.integration.interrupts import unmeasured

NURSERY = Path(__file__).parent / "nursery.py"
UNSHARE = shutil.which("unshare")


@dataclass(frozen=True)
class Nursery:
    """See ``nursery.py``; every run trains a micro encoder for 90 steps, with a checkpoint every 4."""

    process: subprocess.Popen[str]
    folder: Path

    @property
    def store(self) -> Store:
        return Store(self.folder / "store")

    def train(self, *seeds: int, **order: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        order = {"store": str(self.store.root), "seeds": seeds, **order}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.process.stdout.readline())
        return answer

    def finished(self) -> dict[int, StoredRun]:
        """The stored runs by their seeds; every one of them must be as it was written."""
        folders = [folder for folder in self.store.root.glob("runs/*") if not folder.name.startswith(".")]
        runs = [read(folder, folder.name) for folder in folders]
        return {run.config.seed: run for run in runs}


@pytest.fixture(scope="module")
def process() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, str(NURSERY)],
        env=unmeasured(os.environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.terminate()


@pytest.fixture
def nursery(process: subprocess.Popen[str], tmp_path: Path) -> Nursery:
    return Nursery(process, tmp_path)


@pytest.fixture(scope="module")
def undisturbed(process: subprocess.Popen[str], tmp_path_factory: pytest.TempPathFactory) -> dict[int, StoredRun]:
    """The runs of seeds 1 to 9, trained without a break and without checkpoints."""
    nursery = Nursery(process, tmp_path_factory.mktemp("undisturbed"))
    assert nursery.train(*range(1, 10), checkpoint_every=None)["trained"] == 9
    return nursery.finished()


def same_bits(one: dict[int, StoredRun], two: dict[int, StoredRun]) -> bool:
    return one.keys() == two.keys() and all(
        np.array_equal(one[seed].result.outcomes.outputs, two[seed].result.outcomes.outputs)
        and np.array_equal(one[seed].result.curve.loss, two[seed].result.curve.loss)
        for seed in one
    )


def damaged(store: Store) -> list[Path]:
    return list(store.root.glob("damaged-*"))


@pytest.mark.parametrize(
    ("kills", "wandb"),
    [
        pytest.param(25, False, id="25 kills"),
        pytest.param(10, True, id="10 kills with W&B"),
        pytest.param(25, True, id="25 kills with W&B", marks=pytest.mark.full),
    ],
)
def test_killed_at_random_moments_nothing_finished_is_lost_and_the_bits_are_the_same(
    nursery: Nursery, undisturbed: dict[int, StoredRun], kills: int, wandb: bool
) -> None:
    """Five sessions for each three runs; the last of the five is fresh, and replaces what is there."""
    chance, killed = random.Random(7), 0
    for number in itertools.count():
        before = nursery.finished()
        moment_s = chance.uniform(0.05, 2.0 if wandb else 0.8)
        first = 1 + 3 * (number // 5 % 3)
        ended = nursery.train(first, first + 1, first + 2, fresh=number % 5 == 4, after_s=moment_s, wandb=wandb)
        killed += ended["status"] == -signal.SIGKILL
        assert before.keys() <= nursery.finished().keys()
        if killed == kills:
            break
    resumed = nursery.train(*range(1, 10))
    assert same_bits(nursery.finished(), undisturbed)
    assert wandb or any(resumed["resumed_at"])  # W&B takes most of the time, and so most of the kills
    assert not damaged(nursery.store)


def test_killed_before_each_change_to_the_disk_in_turn(nursery: Nursery, tmp_path: Path) -> None:
    """Every moment at which a kill could leave something half written, one after the other."""
    undisturbed = Nursery(nursery.process, tmp_path / "undisturbed")
    assert undisturbed.train(1, steps=12, checkpoint_every=None)["trained"] == 1
    one = undisturbed.finished()
    nursery.train(1, steps=12)
    for number in range(1, 200):
        ended = nursery.train(1, fresh=True, die_at_write=number, steps=12, checkpoint_every=4)
        assert nursery.store.count() == 1 or nursery.store.get(one[1].fingerprint) is not None
        assert same_bits(nursery.finished(), one)
        if ended["status"] == 0:
            break
    assert number > 30
    assert ended["trained"] == 1
    assert not damaged(nursery.store)


def test_an_interrupt_keeps_what_is_finished_and_goes_on_later(nursery: Nursery) -> None:
    ended = nursery.train(1, 2, interrupted_in_run=2, steps=400)
    assert ended == {"status": 0, "error": "interrupted"}
    assert len(nursery.finished()) == 1
    again = nursery.train(1, 2, steps=400)
    assert again["trained"] == 1
    assert any(again["resumed_at"])


def test_a_batch_larger_than_the_memory_is_taken_in_parts(nursery: Nursery) -> None:
    """For real: the system refuses the memory."""
    ended = nursery.train(1, steps=2, train_rows=32768, batch_size=32768, memory_bytes=500 << 20)
    assert ended["status"] == 0, ended
    assert 256 <= ended["micro_batch"][0] < 32768


def test_the_lock_of_a_dead_process_is_free(nursery: Nursery) -> None:
    nursery.train(1, after_s=0.15)
    assert list((nursery.store.root / "locks").glob("*.lock"))
    assert nursery.train(1)["trained"] == 1


def test_a_damaged_token_cache_a_damaged_checkpoint_and_a_damaged_run_are_made_again(
    nursery: Nursery, undisturbed: dict[int, StoredRun]
) -> None:
    nursery.train(1, 2, 3, after_s=0.4)
    nursery.train(1)
    files = [file for file in nursery.store.root.rglob("*") if file.is_file() and file.suffix not in (".lock", "")]
    assert {".npy", ".npz", ".json", ".safetensors"} <= {file.suffix for file in files}
    for file in files:
        content = file.read_bytes()
        file.write_bytes(content[: len(content) // 2])
    nursery.train(1, 2, 3)
    assert same_bits(nursery.finished(), {seed: undisturbed[seed] for seed in (1, 2, 3)})
    assert len(damaged(nursery.store)) >= 1


FULL_DISK = """
import json, pathlib, subprocess, sys
sys.path.insert(0, {here!r})
import nursery
def mount(options): subprocess.run(["mount", "-o", "remount," + options, "none", {disk!r}], check=True)
def train(**order): return nursery.tended({{"store": {disk!r} + "/store", "keep_models": False, **order}})
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", {disk!r}], check=True)
nursery.torch.set_num_threads(1)
answers = {{"empty": train(seeds=[1])}}
ballast = pathlib.Path({disk!r}, "ballast")
with ballast.open("wb") as stream:
    try:
        while True: stream.write(bytes(65536)); stream.flush()
    except OSError: pass
answers["full"] = train(seeds=[1, 2])
ballast.unlink()
answers["again"] = train(seeds=[1, 2])
mount("ro")
answers["read only"] = train(seeds=[1, 2, 3])
answers["stored"] = train(seeds=[1, 2])
mount("rw")
answers["writable"] = train(seeds=[1, 2, 3])
print(json.dumps(answers))
"""


def mounts_are_possible() -> bool:
    probe = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"]
    return (
        shutil.which("unshare") is not None and subprocess.run(probe, check=False, capture_output=True).returncode == 0
    )


@pytest.mark.skipif("not mounts_are_possible()", reason="this user may not mount a small disk to fill")
def test_a_full_and_a_read_only_disk_are_reported_before_training_and_lose_nothing(tmp_path: Path) -> None:
    disk = tmp_path / "disk" / "small"
    disk.mkdir(parents=True)
    script = tmp_path / "script.py"
    script.write_text(FULL_DISK.format(here=str(NURSERY.parent), disk=str(disk)), "utf-8")
    done = subprocess.run(
        [str(UNSHARE), "-rm", sys.executable, str(script)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)
    assert answers["empty"]["trained"] == 1
    assert "the store cannot be written: No space left on device" in answers["full"]["error"]
    assert answers["again"]["trained"] == 1
    assert "the store cannot be written: Read-only file system" in answers["read only"]["error"]
    assert answers["stored"]["trained"] == 0
    assert answers["writable"]["trained"] == 1


def test_two_processes_train_each_run_once(nursery: Nursery) -> None:
    order = json.dumps({"store": str(nursery.store.root), "seeds": [1, 2, 3], "steps": 200}) + "\n"
    with subprocess.Popen(
        [sys.executable, str(NURSERY)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "ready\n"
        other.stdin.write(order)
        other.stdin.flush()
        answer = nursery.train(1, 2, 3, steps=200)
        others_answer = json.loads(other.communicate(timeout=60)[0])
    assert answer["trained"] + others_answer["trained"] == 3
