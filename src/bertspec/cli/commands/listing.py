"""List what can be named: encoders, tasks, recipes, optimizers, sweeps; or the finished runs, the newest last."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from bertspec.cli import console, options

if TYPE_CHECKING:
    from bertspec.store import Store, StoredRun

__all__ = ["EPILOG", "HELP", "NAME", "add_arguments", "execute"]

NAME = "list"
HELP = "list encoders, tasks, recipes, optimizers, sweeps or runs"
EPILOG = """\
examples:
  bertspec list encoders
  bertspec list runs --task reviews
  bertspec list runs --json | jq '.[].scores.accuracy'

--json writes a list of objects: for runs with fingerprint, encoder, task, optimizer, seed, scores, device, finished
and model (whether the fine-tuned model was kept); for everything else with name and what.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The kind, and filters for runs."""
    parser.add_argument("kind", choices=("encoders", "tasks", "recipes", "optimizers", "sweeps", "runs"))
    for name in ("encoder", "task"):
        option = parser.add_argument(f"--{name}", metavar="NAME", help=f"only runs of this {name}")
        options.complete_names(option, name)
    options.add_store(parser)
    parser.add_argument("--json", action="store_true", help="write the list for machines")


def execute(arguments: argparse.Namespace) -> int:
    """Write the list to standard output."""
    wanted = {name: getattr(arguments, name) for name in ("encoder", "task") if getattr(arguments, name) is not None}
    from bertspec.store import Store

    if arguments.kind == "runs":
        _list_runs(Store.locate(arguments.store), wanted, machine=arguments.json)
    else:
        _refuse_filters(arguments.kind, wanted)
        _list_names(arguments.kind, machine=arguments.json)
    return 0


def _refuse_filters(kind: str, wanted: dict[str, str]) -> None:
    from bertspec.errors import InvalidConfig

    if wanted:
        raise InvalidConfig(f"{kind} are not filtered", given=f"--{next(iter(wanted))}", allowed="bertspec list runs")


def _list_names(kind: Any, *, machine: bool) -> None:
    from bertspec.cli.descriptions import describe

    catalog = options.catalog()
    found = {name: describe(kind, name, catalog) for name in catalog.names(kind)}
    if machine:
        console.show_json([{"name": name, "what": what} for name, what in found.items()])
        return
    shown = console.table("", "")
    for name, what in found.items():
        shown.add_row(name, what)
    console.show_table(shown)


def _list_runs(kept: Store, wanted: dict[str, str], *, machine: bool) -> None:
    runs = sorted(
        (run for run in kept.runs() if all(getattr(run.config, name).name == word for name, word in wanted.items())),
        key=lambda run: (run.result.facts.finished, run.config.encoder.name, run.config.seed),
    )
    if machine:
        console.show_json([_facts(run) | {"model": kept.model(run.fingerprint) is not None} for run in runs])
    elif runs:
        _show_runs(runs)
    else:
        console.show_lines(f"no runs in {kept.root}" + (" that fit" if wanted and kept.count() else ""))


def _facts(run: StoredRun) -> dict[str, Any]:
    config, facts = run.config, run.result.facts
    return {
        "fingerprint": run.fingerprint,
        "encoder": config.encoder.name,
        "task": config.task.name,
        "optimizer": config.recipe.optimizer.word,
        "seed": config.seed,
        "scores": facts.scores,
        "device": facts.environment.device,
        "finished": facts.finished,
    }


def _show_runs(runs: list[StoredRun]) -> None:
    shown = console.table(
        "run", "encoder", "task", "optimizer", "seed", "score", "device", "finished", numbers=("seed",)
    )
    for run in runs:
        facts, main = _facts(run), run.config.task.metrics[0]
        shown.add_row(
            facts["fingerprint"][:12],
            *(facts[name] for name in ("encoder", "task", "optimizer")),
            str(facts["seed"]),
            f"{main} {facts['scores'][main]:.4f}",
            facts["device"],
            facts["finished"].replace("T", " ").removesuffix("+00:00"),
        )
    console.show_table(shown)
