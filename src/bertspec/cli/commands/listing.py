"""List encoders, tasks, recipes, optimizers or sweeps by name, or the finished runs, the newest last."""

from __future__ import annotations

import argparse
import logging
from typing import TYPE_CHECKING, Any

from bertspec.cli import console, options

if TYPE_CHECKING:
    from bertspec.catalog import Catalog
    from bertspec.store import RunSummary, Store

__all__ = ["EPILOG", "HELP", "NAME", "add_arguments", "describe", "execute"]

_log = logging.getLogger(__name__)

NAME = "list"
HELP = "list encoders, tasks, recipes, optimizers, sweeps or runs"
EPILOG = """\
examples:
  bertspec list encoders
  bertspec list runs --task reviews
  bertspec list runs --json | jq '.[].scores.accuracy'

The scores of up to 200 runs are compared with their stored outputs, those of more runs with --check; a problem is shown
beside its run.

--json writes a list of objects: for runs with fingerprint, encoder, task, optimizer, seed, scores, device, finished,
model (whether the fine-tuned model was kept) and problem; for everything else with name and what.
"""

_CHECKED = 200
"""Runs whose arrays are read without --check: that takes a millisecond for each run."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the kind, and the filters for runs."""
    parser.add_argument("kind", choices=("encoders", "tasks", "recipes", "optimizers", "sweeps", "runs"))
    for name in ("encoder", "task"):
        option = parser.add_argument(f"--{name}", metavar="NAME", help=f"only runs of this {name}")
        options.complete_names(option, name)
    parser.add_argument(
        "--check", action="store_true", help="compare every score with the stored outputs; exit status 1 if one differs"
    )
    options.add_store(parser)
    parser.add_argument("--json", action="store_true", help="write the list as JSON")


def execute(arguments: argparse.Namespace) -> int:
    """Write the list to standard output."""
    filters = {name: getattr(arguments, name) for name in ("encoder", "task") if getattr(arguments, name) is not None}
    if arguments.kind == "runs":
        return _list_runs(arguments, filters)
    _refuse_filters(arguments, filters)
    _list_names(arguments.kind, as_json=arguments.json)
    return 0


def describe(kind: Any, name: str, catalog: Catalog) -> str:
    """A name of the catalog in one line; for a broken config, what is wrong with it."""
    from bertspec.errors import BertspecError

    try:
        return _DESCRIPTIONS[kind](name, catalog)
    except BertspecError as broken:
        return f"broken: {broken}"


def _refuse_filters(arguments: argparse.Namespace, filters: dict[str, str]) -> None:
    from bertspec.errors import InvalidConfig

    words = [f"--{name}" for name in filters] + ["--check"] * arguments.check
    if words:
        raise InvalidConfig(f"{arguments.kind} have no filter", given=words[0], allowed="bertspec list runs")


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


def _list_runs(arguments: argparse.Namespace, filters: dict[str, str]) -> int:
    from bertspec.store import Store

    store = Store.locate(arguments.store)
    runs = store.summaries(**filters)
    problems = _problems(runs, store, arguments)
    if arguments.json:
        console.show_json(
            [
                _facts(run) | {"model": store.model(run.fingerprint) is not None, "problem": problem}
                for run, problem in zip(runs, problems, strict=True)
            ]
        )
    elif runs:
        _show_runs(runs, problems)
    else:
        console.show_lines(f"no runs in {store.root}" + (" match" if filters and store.count() else ""))
    return 1 if arguments.check and any(problems) else 0


def _problems(runs: list[RunSummary], store: Store, arguments: argparse.Namespace) -> list[str | None]:
    """What is wrong with the outputs of each run, or with its scores beside them."""
    if len(runs) > _CHECKED and not arguments.check:
        _log.warning("%d runs: their scores are not compared with their stored outputs; --check does it", len(runs))
        return [None] * len(runs)
    whole = arguments.json or arguments.check
    return [store.problem(run.fingerprint, None if whole else run.metrics[:1]) for run in runs]


def _facts(run: RunSummary) -> dict[str, Any]:
    return {name: value for name, value in run._asdict().items() if name != "metrics"}


def _show_runs(runs: list[RunSummary], problems: list[str | None]) -> None:
    names = ("run", "encoder", "task", "optimizer", "seed", "score", "device", "finished")
    table = console.table(*names, *["problem"] * any(problems), numbers=("seed",))
    for run, problem in zip(runs, problems, strict=True):
        metric = run.metrics[0]
        table.add_row(
            run.fingerprint[:12],
            run.encoder,
            run.task,
            run.optimizer,
            str(run.seed),
            f"{metric} {console.score(run.scores[metric])}",
            run.device,
            run.finished.replace("T", " ").removesuffix("+00:00"),
            *[problem or ""] * any(problems),
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
