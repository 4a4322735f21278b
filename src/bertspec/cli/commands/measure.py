"""Measure how fast an encoder answers: single texts and batches, over a grid of lengths.

Latency is the time of one text, from token ids to the answer: 95 of 100 calls stayed within the p95. Throughput is
texts per second in batches. The texts have exactly the lengths of the grid. Nothing is trained; an encoder from scratch
is measured as well as a trained one, because speed does not depend on the weights.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from bertspec.arguments import int_between
from bertspec.cli import console, options
from bertspec.printing import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from bertspec.api import Measurement
    from bertspec.inference import records

__all__ = ["EPILOG", "HELP", "NAME", "add_arguments", "execute"]

NAME = "measure"
HELP = "measure latency and throughput of an encoder"
EPILOG = """\
examples:
  bertspec measure --encoder distilbert-tiny
  bertspec measure --encoder distilbert-tiny --against bert-mini --lengths 16 64
  bertspec measure --encoder minilm --lengths 32 128 512 --batch-size 64 --threads 1
  bertspec measure --encoder minilm --text "the film was good ." --json

--against measures two encoders in turns and shows ratios, the first by the second: median, lowest and highest of the
rounds. Seconds alone depend on this machine and this hour.

On a CPU, peak memory is that of the whole process, with Python, torch and the loading of weights. Energy is that of
the processor over the batches, with everything else that runs on it, if Linux lets its counters be read (RAPL: mostly
root only, and not in a virtual machine); otherwise the reason is shown.

--json writes one object: environment, rounds, calls, batches and batch_size, encoders (a list: encoder, lengths, text),
ratios (empty without --against), peak_memory_bytes and energy_not_run (a reason, or null). Each length has length,
latency_s (p50, p95, p99), examples_per_second, tokens_per_second and joules_per_1000_examples.
"""

_LENGTHS = (8, 32, 64)
_count = int_between(1, 1_000_000)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the encoders and the grid."""
    first = parser.add_argument(
        "--encoder", required=True, metavar="NAME", help="a name (bertspec list encoders), a hub id, a folder"
    )
    second = parser.add_argument("--against", metavar="NAME", help="a second encoder, measured in turns with the first")
    for option in (first, second):
        options.complete_names(option, "encoder")
    parser.add_argument(
        "--lengths", nargs="+", type=_count, default=_LENGTHS, metavar="N", help="tokens per text (default: 8 32 64)"
    )
    parser.add_argument("--text", metavar="TEXT", help="a text to tokenize and answer, in addition to the grid")
    for option_name, default, meaning in _COUNTS:
        parser.add_argument(
            option_name, type=_count, default=default, metavar="N", help=f"{meaning} (default: {default})"
        )
    recipe = parser.add_argument(
        "--recipe", metavar="NAME", help="the recipe that sets precision and threads (default: the encoder's own)"
    )
    options.complete_names(recipe, "recipe")
    parser.add_argument("--precision", choices=("auto", "fp32", "bf16"), help="compute type, instead of the recipe's")
    parser.add_argument("--threads", type=_count, metavar="N", help="CPU threads, instead of the recipe's")
    options.add_device(parser)
    parser.add_argument("--json", action="store_true", help="write the measurement as JSON")


def execute(arguments: argparse.Namespace) -> int:
    """Check everything, then measure."""
    from bertspec import api

    words = ("lengths", "batch_size", "rounds", "calls", "text", "recipe", "precision", "threads")
    with options.session(arguments, bars=False) as work:
        measured = api.measure(
            [name for name in (arguments.encoder, arguments.against) if name is not None],
            session=work,
            **{word: getattr(arguments, word) for word in words},
        )
    (_show_json if arguments.json else _show)(measured)
    return 0


_COUNTS = (
    ("--batch-size", 32, "texts per batch, for the throughput"),
    ("--rounds", 7, "how often the whole grid is measured"),
    ("--calls", 100, "single texts at each length of each round"),
)


def _show(measured: Measurement) -> None:
    turns = measured.turns
    environment, grid = turns.environment, turns.grid
    console.show_lines(
        f"{environment.device} · {environment.precision} · {counted(environment.threads, 'thread')} · "
        f"{grid.rounds} rounds of {grid.calls} single texts and {grid.batches} batches of {grid.batch_size}",
        "",
    )
    numbers = ["tokens", "p50 ms", "p95 ms", "p99 ms", "texts/s", "tokens/s"]
    numbers += [] if turns.no_energy else ["J/1000 texts"]
    table = console.table("encoder", *numbers, numbers=numbers)
    for each in turns.measurements:
        for row in _rows(each):
            table.add_row(each.encoder, *row)
    console.show_table(table)
    if len(turns.measurements) > 1:
        _show_ratios(measured)
    whose = "the process" if environment.device == "cpu" else "the device"
    console.show_lines("", f"peak memory of {whose}: {turns.peak_memory_bytes / 2**20:.0f} MiB")
    if turns.no_energy:
        console.show_lines(f"energy: not run: {turns.no_energy}")


def _rows(measured: records.Measurement) -> list[list[str]]:
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


def _show_ratios(measured: Measurement) -> None:
    numbers = ("tokens", "p50", "p95", "p99", "texts/s")
    table = console.table(*numbers, numbers=numbers)
    for length, ratios in measured.round_ratios().items():
        table.add_row(str(length), *(_span(values) for values in ratios.values()))
    names = " by ".join(each.encoder for each in measured.turns.measurements)
    console.show_lines("", f"{names}, in turns: the median of the rounds, and their lowest and highest", "")
    console.show_table(table)


def _span(ratios: tuple[float, ...]) -> str:
    from statistics import median

    return f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def _show_json(measured: Measurement) -> None:
    turns = measured.turns
    console.show_json(
        {
            "environment": turns.environment.model_dump(mode="json"),
            "rounds": turns.grid.rounds,
            "calls": turns.grid.calls,
            "batches": turns.grid.batches,
            "batch_size": turns.grid.batch_size,
            "encoders": [_facts(each) for each in turns.measurements],
            "ratios": [{"length": length, **ratios} for length, ratios in measured.round_ratios().items()],
            "peak_memory_bytes": turns.peak_memory_bytes,
            "energy_not_run": turns.no_energy,
        }
    )


def _facts(measured: records.Measurement) -> dict[str, Any]:
    from bertspec.inference.records import PERCENTILES

    def percentiles(at: Callable[[Any], float]) -> dict[str, float]:
        return {f"p{percentile}": at(percentile) for percentile in PERCENTILES}

    lengths = [
        {
            "length": at.length,
            "latency_s": percentiles(at.latencies.at),
            "examples_per_second": at.examples_per_second,
            "tokens_per_second": at.tokens_per_second,
            "joules_per_1000_examples": at.joules_per_1000,
        }
        for at in measured.lengths
    ]
    own = measured.text
    text = None if own is None else {"length": own.length, "latency_s": percentiles(own.latencies.at)}
    return {"encoder": measured.encoder, "lengths": lengths, "text": text}
