"""List encoders, tasks, recipes, optimizers or sweeps by name, or the finished runs, the newest last."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from bertspec.cli import console, options

if TYPE_CHECKING:
    from bertspec.catalog import Catalog
    from bertspec.store import StoredRun

__all__ = ["EPILOG", "HELP", "NAME", "add_arguments", "describe", "execute"]

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
    """Add the kind, and the filters for runs."""
    parser.add_argument("kind", choices=("encoders", "tasks", "recipes", "optimizers", "sweeps", "runs"))
    for name in ("encoder", "task"):
        option = parser.add_argument(f"--{name}", metavar="NAME", help=f"only runs of this {name}")
        options.complete_names(option, name)
    options.add_store(parser)
    parser.add_argument("--json", action="store_true", help="write the list as JSON")


def execute(arguments: argparse.Namespace) -> int:
    """Write the list to standard output."""
    filters = {name: getattr(arguments, name) for name in ("encoder", "task") if getattr(arguments, name) is not None}
    if arguments.kind == "runs":
        _list_runs(arguments, filters)
    else:
        _refuse_filters(arguments.kind, filters)
        _list_names(arguments.kind, as_json=arguments.json)
    return 0


def describe(kind: Any, name: str, catalog: Catalog) -> str:
    """A name of the catalog in one line; for a broken config, what is wrong with it."""
    from bertspec.errors import BertspecError

    try:
        return _DESCRIPTIONS[kind](name, catalog)
    except BertspecError as broken:
        return f"broken: {broken}"


def _refuse_filters(kind: str, filters: dict[str, str]) -> None:
    from bertspec.errors import InvalidConfig

    if filters:
        raise InvalidConfig(f"{kind} have no filter", given=f"--{next(iter(filters))}", allowed="bertspec list runs")


def _list_names(kind: Any, *, as_json: bool) -> None:
    catalog = options.catalog()
    described = {name: describe(kind, name, catalog) for name in catalog.names(kind)}
    if as_json:
        console.show_json([{"name": name, "what": what} for name, what in described.items()])
        return
    table = console.table("", "")
    for name, what in described.items():
        table.add_row(name, what)
    console.show_table(table)


def _list_runs(arguments: argparse.Namespace, filters: dict[str, str]) -> None:
    from bertspec.store import Store

    store = Store.locate(arguments.store)
    runs = store.select(**filters)
    if arguments.json:
        console.show_json([_facts(run) | {"model": store.model(run.fingerprint) is not None} for run in runs])
    elif runs:
        _show_runs(runs)
    else:
        console.show_lines(f"no runs in {store.root}" + (" match" if filters and store.count() else ""))


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
    table = console.table(
        "run", "encoder", "task", "optimizer", "seed", "score", "device", "finished", numbers=("seed",)
    )
    for run in runs:
        facts, metric = _facts(run), run.config.task.metrics[0]
        table.add_row(
            facts["fingerprint"][:12],
            *(facts[name] for name in ("encoder", "task", "optimizer")),
            str(facts["seed"]),
            f"{metric} {facts['scores'][metric]:.4f}",
            facts["device"],
            facts["finished"].replace("T", " ").removesuffix("+00:00"),
        )
    console.show_table(table)


def _encoder(name: str, catalog: Catalog) -> str:
    encoder = catalog.encoder(name)
    start = f"{encoder.family} from scratch" if encoder.from_scratch else f"pretrained: {encoder.checkpoint}"
    return f"{start}; recipe {encoder.recipe}"


def _task(name: str, catalog: Catalog) -> str:
    task = catalog.task(name)
    pair = " of pairs" if task.text_pair else ""
    data = " ".join(part for part in (task.dataset, task.subset) if part)
    origin = "" if data == name else f"; {data}"
    return f"{task.head}{pair}: {', '.join(task.metrics)}{origin}"


def _recipe(name: str, catalog: Catalog) -> str:
    from bertspec.config import EncoderConfig

    recipe = catalog.recipe(name, encoder=EncoderConfig(name="any", checkpoint="any"))
    length = f"{recipe.steps} steps" if recipe.steps is not None else f"{recipe.epochs:g} epochs"
    return (
        f"{recipe.optimizer.word}, {length}, {recipe.batch_size} examples a step, "
        f"{recipe.max_length} tokens, {recipe.schedule}, {recipe.precision}"
    )


def _optimizer(name: str, catalog: Catalog) -> str:
    from bertspec.config import EncoderConfig

    starts = EncoderConfig(name="any", checkpoint="any"), EncoderConfig(name="any", family="bert")
    pretrained, from_scratch = (catalog.optimizer(name, encoder).learning_rate for encoder in starts)
    return f"learning rate {pretrained:g} pretrained, {from_scratch:g} from scratch"


def _sweep(name: str, catalog: Catalog) -> str:
    from bertspec.sweeps import files

    config = files.load(catalog.sweep(name))
    count = config.run_cap or (config.grid_size if config.method == "grid" else None)
    varied = [
        f"{len(parameter.values)} {word}s" if parameter.several and parameter.values else word
        for word, parameter in config.searched.items()
        if parameter.choices is None or len(parameter.choices) > 1
    ]
    return f"{config.method}, {'any number of' if count is None else count} trials: {', '.join(varied)}"


_DESCRIPTIONS = {
    "encoders": _encoder,
    "tasks": _task,
    "recipes": _recipe,
    "optimizers": _optimizer,
    "sweeps": _sweep,
}
