"""Show everything that the store knows about a finished run."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bertspec.cli import console, options

if TYPE_CHECKING:
    from bertspec.store import Store, StoredRun

__all__ = ["EPILOG", "HELP", "NAME", "add_arguments", "execute", "sparkline"]

NAME = "show"
HELP = "show a finished run"
EPILOG = """\
examples:
  bertspec show latest
  bertspec show 3f9a
  bertspec show 3f9a --json

--json writes one object: fingerprint, folder, model, config, facts, recomputed (the scores that the stored outputs
give), loss and learning_rate (one number per step).
"""

_BARS = "▁▂▃▄▅▆▇█"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the run."""
    option = parser.add_argument("run", metavar="RUN", help="the beginning of its fingerprint, or: latest")
    options.complete_runs(option)
    options.add_store(parser)
    parser.add_argument("--json", action="store_true", help="write the run as JSON")


def execute(arguments: argparse.Namespace) -> int:
    """Write the run to standard output."""
    from bertspec.store import Store

    kept = Store.locate(arguments.store)
    run = kept.find(arguments.run)
    (_show_json if arguments.json else _show)(run, kept)
    return 0


def sparkline(values: Any, width: int = 60) -> str:
    """A curve as one line of block characters, each the mean of its part of the curve."""
    import numpy as np

    parts = [float(part.mean()) for part in np.array_split(np.asarray(values), min(width, len(values)))]
    low, span = min(parts), max(parts) - min(parts)
    return "".join(_BARS[int((part - low) / span * (len(_BARS) - 1)) if span else 0] for part in parts)


def _show(run: StoredRun, kept: Store) -> None:
    config, facts = run.config, run.result.facts
    recomputed = run.recomputed()
    table = console.table("", "")
    rows: dict[str, Any] = {
        "run": run.fingerprint,
        "encoder": f"{config.encoder.name} ({'from scratch' if config.encoder.from_scratch else 'pretrained'})",
        "task": config.task.name,
        "seed": config.seed,
        **{f"· {name}": _score(value, recomputed.get(name)) for name, value in facts.scores.items()},
        "loss": _curve(run),
        "optimizer": _fields(config.recipe.optimizer),
        "recipe": _fields(config.recipe, without="optimizer"),
        "seen": f"{facts.train_examples} examples, {facts.train_tokens} tokens; "
        f"scored on {facts.evaluation_examples} examples",
        "seconds": _fields(facts.timings),
        "memory": f"peak {facts.peak_memory_bytes / 2**20:.0f} MiB",
        "micro-batch": f"{facts.micro_batch} examples at a time: the memory was too small"
        if facts.micro_batch
        else None,
        "resumed": f"after step {', '.join(map(str, facts.resumed_at))}" if facts.resumed_at else None,
        "environment": _fields(facts.environment, without="versions"),
        "versions": ", ".join(f"{name} {version}" for name, version in facts.environment.versions.items()),
        **{f"{name} from": _origin(origin) for name, origin in facts.provenance},
        "finished": facts.finished,
        "folder": kept.folder(run.fingerprint),
        "model": kept.model(run.fingerprint) or "not kept (--keep-models keeps it)",
    }
    for name, value in rows.items():
        if value is not None:
            table.add_row(name, str(value))
    console.show_table(table, fold=True)


def _score(recorded: float, computed: float | None) -> str:
    """A recorded score, and beside it the one that the stored outputs give, if that is another."""
    from bertspec.store.runs import same_score

    shown = console.score(recorded)
    if computed is None or same_score(recorded, computed):
        return shown
    return f"{shown} is recorded, and the outputs give {console.score(computed)}"


def _curve(run: StoredRun) -> str:
    loss, steps = run.result.curve.loss, run.result.facts.steps
    if not len(loss):  # it diverged at its first step
        return f"none: {run.result.facts.diverged or 'no step was taken'}"
    return f"{sparkline(loss)}  {loss[0]:.3f} → {loss[-1]:.3f} in {steps} steps"


def _fields(record: Any, *, without: str = "") -> str:
    values: dict[str, Any] = {}
    for name, value in record:
        if name != without and value is not None:
            values |= value if isinstance(value, Mapping) else {name: value}
    return ", ".join(
        f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}" for name, value in values.items()
    )


def _origin(origin: Any) -> str:
    revision = f" at {origin.revision}" if origin.revision else ""
    return f"{origin.name} ({origin.source}{revision}), sha256 {origin.sha256[:12]}…"


def _show_json(run: StoredRun, kept: Store) -> None:
    model = kept.model(run.fingerprint)
    console.show_json(
        {
            "fingerprint": run.fingerprint,
            "folder": str(kept.folder(run.fingerprint)),
            "model": str(model) if model else None,
            "config": run.config.model_dump(mode="json"),
            "facts": run.result.facts.model_dump(mode="json") | {"scores": run.result.facts.scores},
            "recomputed": run.recomputed(),
            "loss": run.result.curve.loss.tolist(),
            "learning_rate": run.result.curve.learning_rate.tolist(),
        }
    )
