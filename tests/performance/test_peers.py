"""The engine beside its peers, in turns: A B C A B C …, five rounds, every way of fine-tuning once a round.

Nothing here is a timed test: the table is printed, and ``--benchmark-json`` and ``--benchmark-compare-fail`` go by the
engine's own time of training. tests/performance/peers.py says what the peers are.
"""

from __future__ import annotations

import dataclasses
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bertspec.statistics import Claim, judge_ratio

if TYPE_CHECKING:
    from job import Job, Measured

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # the peers are a script, too

MIRROR = pytest.mark.skipif(not os.environ.get("BERTSPEC_MIRROR"), reason="SST-2 comes from a mirror: BERTSPEC_MIRROR")
ROUNDS = 5
OURS = "engine"


class EngineClock:
    """A timer that stands still while others run."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@dataclass(frozen=True)
class Scale:
    """What is trained in every round, and by whom."""

    encoder: str
    task: str
    recipe: str
    rows: int
    evaluation_rows: int
    peers: tuple[str, ...]


TINY = Scale(
    "bert-tiny",
    "bundled/sentiment",
    "from-scratch",
    rows=960,
    evaluation_rows=500,
    peers=("trainer-padded", "trainer-dynamic", "trainer-tuned", "plain-loop", OURS),
)
MINILM = Scale(
    "minilm",
    "sst2-sentences",
    "fine-tuning",
    rows=1024,
    evaluation_rows=872,
    peers=("trainer-tuned", "plain-loop", OURS),
)
PADDED = Scale("minilm", "sst2-sentences", "fine-tuning", rows=320, evaluation_rows=96, peers=("trainer-padded", OURS))


@pytest.mark.parametrize(
    "scale",
    [
        pytest.param(TINY, id="bert-tiny"),
        pytest.param(MINILM, id="minilm", marks=[pytest.mark.full, MIRROR]),
        pytest.param(PADDED, id="minilm-padded", marks=[pytest.mark.full, MIRROR]),
    ],
)
def test_training_and_evaluation_beside_the_peers(
    scale: Scale, benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    import job
    import peers

    clock, measured = EngineClock(), {name: [] for name in scale.peers}
    benchmark._timer = clock

    def one_round(seed: int) -> None:
        given = job.job_of(
            scale.encoder,
            scale.task,
            seed=seed,
            recipe=scale.recipe,
            rows=scale.rows,
            evaluation_rows=scale.evaluation_rows,
            epochs=1.0,
        )
        for name in scale.peers:
            measured[name].append(peers.PEERS[name](given))
        clock.seconds += measured[OURS][-1].train_s

    seeds = iter(range(1, ROUNDS + 2))
    benchmark.pedantic(one_round, setup=lambda: ((next(seeds),), {}), rounds=ROUNDS, warmup_rounds=1)
    rounds = {name: each[-ROUNDS:] for name, each in measured.items()}
    lines = table(rounds)
    benchmark.extra_info["table"] = lines
    with capsys.disabled():
        sys.stdout.write("\n" + "\n".join(lines) + "\n")
    # The same work was done by all: as many steps as each counted, and every row scored.
    assert len({(m.steps, m.evaluation_examples) for each in rounds.values() for m in each}) == 1


def table(rounds: dict[str, list[Measured]]) -> list[str]:
    """One line for each way: medians, and how often the engine does as much in the same time."""
    head = f"{'':16}{'examples/s':>12}{'tokens/s':>10}{'engine, times':>26}{'evaluated/s':>13}{'engine, times':>26}"
    return [head, *(_line(name, measured, rounds[OURS]) for name, measured in rounds.items())]


def _line(name: str, measured: list[Measured], ours: list[Measured]) -> str:
    train = statistics.median(each.examples_per_s for each in measured)
    tokens = statistics.median(each.train_tokens / each.train_s for each in measured)
    evaluated = statistics.median(each.evaluated_per_s for each in measured)
    ratios = [one.examples_per_s / two.examples_per_s for one, two in zip(ours, measured, strict=True)]
    others = [one.evaluated_per_s / two.evaluated_per_s for one, two in zip(ours, measured, strict=True)]
    return f"{name:16}{train:12.1f}{tokens:10.0f}{_ratio(ratios):>26}{evaluated:13.1f}{_ratio(others):>26}"


def _ratio(ratios: list[float]) -> str:
    judged = judge_ratio(Claim("training speed ratio", "at least", 1.0), ratios)
    assert judged.interval is not None
    return f"{judged.value:.2f} [{judged.interval[0]:.2f}, {judged.interval[1]:.2f}]"


@pytest.mark.parametrize("name", TINY.peers)
def test_every_way_learns_what_it_is_given_and_is_scored_on_its_own_rows(name: str) -> None:
    import job
    import peers

    given = job.job_of("bert-tiny", "bundled/majority", seed=1, recipe="from-scratch", evaluation_rows=500, epochs=1.0)
    assert peers.PEERS[name](given).accuracy > 0.85


def few(rows: int) -> Job:
    """One epoch of a tiny encoder on a number of rows, evaluated on as many."""
    import job

    task, recipe = "bundled/majority", "from-scratch"
    return job.job_of("bert-tiny", task, seed=1, recipe=recipe, epochs=1.0, rows=rows, evaluation_rows=rows)


@pytest.mark.parametrize("name", TINY.peers)
def test_every_way_loads_its_tokenizer_once_for_all_batches(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import peers

    from bertspec import models

    load, loads = models.load_tokenizer, []
    monkeypatch.setattr(models, "load_tokenizer", lambda files: loads.append(files) or load(files))
    given = few(96)
    loads.clear()
    peers.PEERS[name](given)
    assert 1 <= len(loads) <= 3  # for the model's size, the rows and the collator, not for each of six batches


@pytest.mark.parametrize("name", [name for name in TINY.peers if name != OURS])
def test_the_clock_of_every_peer_is_the_device_s_which_waits_for_submitted_work(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import peers

    from bertspec.device import Device

    ticks = iter([10.0, 14.0, 16.0])
    monkeypatch.setattr(Device, "clock", lambda _: next(ticks))
    given = few(32)
    measured = peers.PEERS[name](given)
    assert (measured.train_s, measured.evaluate_s) == (4.0, 2.0)


@pytest.mark.parametrize("name", TINY.peers)
def test_steps_before_the_clock_are_no_part_of_the_speed(name: str) -> None:
    import peers

    given = few(96)
    whole, late = (peers.PEERS[name](dataclasses.replace(given, untimed_steps=steps)) for steps in (0, 2))
    assert (whole.steps, late.steps) == (3, 3)
    assert (whole.train_examples, late.train_examples) == (96, 32)
    assert late.train_tokens == pytest.approx(whole.train_tokens / 3, rel=0.01)
    assert 0 < late.train_s < whole.train_s


def test_the_script_tells_a_line_for_each_run() -> None:
    tiny = ["--encoder", "bert-tiny", "--task", "bundled/majority", "--recipe", "from-scratch"]
    lines = ran(OURS, ["1", "2"], *tiny)
    assert [(line["peer"], line["seed"], line["train_examples"]) for line in lines] == [(OURS, 1, 128), (OURS, 2, 128)]
    assert 0 < lines[0]["since_start_s"] < lines[1]["since_start_s"]


@MIRROR
@pytest.mark.full
def test_many_short_runs_and_peak_memory(benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str]) -> None:
    """Twelve fine-tunings of MiniLM, from the start of a process to the last result: one of ours, twelve Trainers."""
    seeds = [str(seed) for seed in range(1, 13)]

    def ours() -> list[dict[str, float]]:
        return ran(OURS, seeds)

    def theirs() -> list[dict[str, float]]:
        return [line for seed in seeds for line in ran("trainer-tuned", [seed])]

    one, many = _timed(benchmark, ours, theirs)
    assert len(one) == len(many) == len(seeds)
    took, took_many = one[-1]["since_start_s"], sum(line["since_start_s"] for line in many)
    first, peak = one[0]["peak_bytes"], statistics.median(line["peak_bytes"] for line in many)
    with capsys.disabled():
        sys.stdout.write(
            f"\ntwelve short runs: engine {took:.1f} s, Trainer {took_many:.1f} s, {took_many / took:.2f} times"
            f"\npeak memory: engine {first / 2**20:.0f} MiB, Trainer {peak / 2**20:.0f} MiB, {first / peak:.2f} times\n"
        )


def _timed(benchmark: BenchmarkFixture, *acts: Callable[[], list[dict[str, float]]]) -> list[list[dict[str, float]]]:
    results: list[list[dict[str, float]]] = []
    benchmark.pedantic(lambda: results.extend(act() for act in acts), rounds=1)
    return results


def ran(peer: str, seeds: Iterable[str], *options: str) -> list[dict[str, float]]:
    """One process of the script, and its lines."""
    command = [sys.executable, str(HERE / "peers.py"), peer, "--rows", "128", "--evaluation-rows", "128", *options]
    done = subprocess.run([*command, "--seeds", *seeds], capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"peer"')]
