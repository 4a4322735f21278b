"""Measure how fast an encoder answers: one text at a time, and many at once, over a grid of lengths.

Latency is that of one text, from token ids to the answer: of 100 calls, 95 took at most the p95. Throughput is texts a
second in batches. The texts have exactly the lengths of the grid. Nothing is trained, and an encoder from scratch is
as good as any: speed does not depend on what the weights have learned.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from bertspec.arguments import int_between
from bertspec.cli import console, options

if TYPE_CHECKING:
    from collections.abc import Callable

    from bertspec.inference.records import Measurement, Pair, Turns

__all__ = ["EPILOG", "HELP", "NAME", "add_arguments", "execute"]

NAME = "measure"
HELP = "measure latency and throughput of an encoder"
EPILOG = """\
examples:
  bertspec measure --encoder distilbert-tiny
  bertspec measure --encoder distilbert-tiny --against bert-mini --lengths 16 64
  bertspec measure --encoder minilm --lengths 32 128 512 --batch-size 64 --threads 1
  bertspec measure --encoder minilm --text "the film was good ." --json

--against lets two encoders answer in turns and shows ratios, the first by the second: the median of the rounds, and
the lowest and highest of them. Seconds alone are of this machine and this hour.

Peak memory is that of the whole process on a CPU: Python, torch and the loading of weights are in it. Energy is that
of the processor over the batches, whoever else computes, where Linux lets its counters be read (RAPL, mostly by root
alone and not in a virtual machine); else it is told why it is not run.

--json writes one object: environment, rounds, calls, batches and batch_size, encoders (a list: encoder, lengths, text),
ratios (empty without --against), peak_memory_bytes and energy_not_run (a reason, or null). Each length has length,
latency_s (p50, p95, p99), examples_per_second, tokens_per_second and joules_per_1000_examples.
"""

_LENGTHS = (8, 32, 64)
_MOST = 1_000_000
"""More is a slip of the finger."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which encoders, and over which grid."""
    first = parser.add_argument(
        "--encoder", required=True, metavar="NAME", help="a name (bertspec list encoders), a hub id, a folder"
    )
    second = parser.add_argument("--against", metavar="NAME", help="another one, to answer in turns with it")
    for option in (first, second):
        options.complete_names(option, "encoder")
    parser.add_argument(
        "--lengths",
        nargs="+",
        type=int_between(1, _MOST),
        default=_LENGTHS,
        metavar="N",
        help="tokens per text (default: 8 32 64)",
    )
    parser.add_argument("--text", metavar="TEXT", help="a text to tokenise and answer, beside those of the grid")
    for count, default, meaning in _COUNTS:
        parser.add_argument(
            count, type=int_between(1, _MOST), default=default, metavar="N", help=f"{meaning} (default: {default})"
        )
    recipe = parser.add_argument(
        "--recipe", metavar="NAME", help="whose precision and threads are used (default: the encoder's own)"
    )
    options.complete_names(recipe, "recipe")
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), help="the compute type, over the recipe's")
    parser.add_argument("--threads", type=int_between(1, _MOST), metavar="N", help="CPU threads, over the recipe's")
    options.add_device(parser)
    parser.add_argument("--json", action="store_true", help="write the measurement for machines")


def execute(arguments: argparse.Namespace) -> int:
    """Find everything out that may be wrong, then measure."""
    from bertspec.inference import measuring
    from bertspec.inference.records import Grid
    from bertspec.sources import Sources
    from bertspec.store import project_root

    catalog = options.catalog()
    names = [name for name in (arguments.encoder, arguments.against) if name is not None]
    encoders = [catalog.encoder(name) for name in names]
    grid = Grid(
        lengths=tuple(dict.fromkeys(arguments.lengths)),
        batch_size=arguments.batch_size,
        rounds=arguments.rounds,
        calls=arguments.calls,
        text=arguments.text,
    )
    asked = {name: getattr(arguments, name) for name in ("precision", "threads")}
    changes = {name: value for name, value in asked.items() if value is not None}
    recipes = [catalog.recipe(arguments.recipe or each.recipe, encoder=each, changes=changes) for each in encoders]
    device = measuring.common_device(recipes, arguments.device)
    sources = Sources.from_environment(project_root())
    found = measuring.measure(encoders, grid, sources=sources, device=device, benchmark=measuring.Repetition())
    (_show_json if arguments.json else _show)(found)
    return 0


_COUNTS = (
    ("--batch-size", 32, "texts per batch, for throughput"),
    ("--rounds", 7, "how often the whole grid is measured"),
    ("--calls", 100, "single texts at each length of each round"),
)


def _show(found: Turns) -> None:
    environment, grid = found.environment, found.grid
    threads = "1 thread" if environment.threads == 1 else f"{environment.threads} threads"
    console.show_lines(
        f"{environment.device} · {environment.precision} · {threads} · {grid.rounds} rounds of "
        f"{grid.calls} single texts and {grid.batches} batches of {grid.batch_size}",
        "",
    )
    numbers = ["tokens", "p50 ms", "p95 ms", "p99 ms", "texts/s", "tokens/s"]
    numbers += [] if found.no_energy else ["J/1000 texts"]
    shown = console.table("encoder", *numbers, numbers=numbers)
    for measured in found.measurements:
        for row in _rows(measured):
            shown.add_row(measured.encoder, *row)
    console.show_table(shown)
    if pairs := _pairs(found):
        _show_ratios(found, pairs)
    whose = "the process" if environment.device == "cpu" else "the device"
    console.show_lines("", f"peak memory of {whose}: {found.peak_memory_bytes / 2**20:.0f} MiB")
    if found.no_energy:
        console.show_lines(f"energy: not run: {found.no_energy}")


def _rows(measured: Measurement) -> list[list[str]]:
    from bertspec.inference.records import PERCENTILES

    rows = []
    for at in measured.lengths:
        latencies = [f"{1000 * at.latencies.at(percentile):.2f}" for percentile in PERCENTILES]
        rows.append([str(at.length), *latencies, f"{at.examples_per_second:,.0f}", f"{at.tokens_per_second:,.0f}"])
        rows[-1] += [] if at.joules_per_1000 is None else [f"{at.joules_per_1000:.1f}"]
    if measured.text is not None:
        own = measured.text.latencies
        rows.append([f"text, {measured.text.length}", *(f"{1000 * own.at(each):.2f}" for each in PERCENTILES)])
    return rows


def _show_ratios(found: Turns, pairs: list[Pair]) -> None:
    numbers = ("tokens", "p50", "p95", "p99", "texts/s")
    shown = console.table(*numbers, numbers=numbers)
    for pair in pairs:
        shown.add_row(str(pair.first.length), *(_span(ratios) for ratios in _ratios(pair).values()))
    names = " by that of ".join(measured.encoder for measured in found.measurements)
    console.show_lines("", f"{names}, in turns: the median of the rounds, and their lowest and highest", "")
    console.show_table(shown)


def _span(ratios: tuple[float, ...]) -> str:
    from statistics import median

    return f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def _pairs(found: Turns) -> list[Pair]:
    if len(found.measurements) == 1:
        return []
    first, second = (measured.encoder for measured in found.measurements)
    return [found.pair(first, second, length) for length in found.grid.lengths]


def _ratios(pair: Pair) -> dict[str, tuple[float, ...]]:
    from bertspec.inference.records import PERCENTILES

    latencies = {f"p{percentile}": pair.latency_ratios(percentile) for percentile in PERCENTILES}
    return {**latencies, "examples_per_second": pair.rate_ratios()}


def _show_json(found: Turns) -> None:
    console.show_json(
        {
            "environment": found.environment.model_dump(mode="json"),
            "rounds": found.grid.rounds,
            "calls": found.grid.calls,
            "batches": found.grid.batches,
            "batch_size": found.grid.batch_size,
            "encoders": [_facts(measured) for measured in found.measurements],
            "ratios": [{"length": pair.first.length, **_ratios(pair)} for pair in _pairs(found)],
            "peak_memory_bytes": found.peak_memory_bytes,
            "energy_not_run": found.no_energy,
        }
    )


def _facts(measured: Measurement) -> dict[str, Any]:
    from bertspec.inference.records import PERCENTILES

    def told(at: Callable[[Any], float]) -> dict[str, float]:
        return {f"p{percentile}": at(percentile) for percentile in PERCENTILES}

    lengths = [
        {
            "length": at.length,
            "latency_s": told(at.latencies.at),
            "examples_per_second": at.examples_per_second,
            "tokens_per_second": at.tokens_per_second,
            "joules_per_1000_examples": at.joules_per_1000,
        }
        for at in measured.lengths
    ]
    own = measured.text
    text = None if own is None else {"length": own.length, "latency_s": told(own.latencies.at)}
    return {"encoder": measured.encoder, "lengths": lengths, "text": text}
