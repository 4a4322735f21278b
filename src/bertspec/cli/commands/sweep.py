"""Run the trials of a W&B sweep file on this machine, without a server.

Each trial is tuned on a part of the training rows. What is finished is kept: the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from bertspec.arguments import int_between, seed
from bertspec.cli import console, options, ranking

if TYPE_CHECKING:
    from rich.progress import TaskID

    from bertspec.config import RecipeConfig, SweepConfig
    from bertspec.results import SweepRecord, TrialRecord
    from bertspec.study import Session

__all__ = ["EPILOG", "HELP", "NAME", "add_arguments", "execute"]

NAME = "sweep"
HELP = "run the trials of a W&B sweep file, here"
EPILOG = """\
examples:
  bertspec sweep optimizers --dry-run
  bertspec sweep optimizers --trials 8 --processes 2
  bertspec sweep my-sweep.yaml --seed 1 --json
  bertspec sweep optimizers --wandb

The file is W&B's (https://docs.wandb.ai/models/sweeps/sweep-config-keys): method, metric, parameters, early_terminate,
run_cap. What is not supported is refused with its line. Its program and command are for W&B agents: nothing here
executes them. Besides encoder, task, recipe, optimizer and every field of a recipe, the parameters may be
learning_rate_factor, a multiple of each optimizer's own rate; and, as a value, seeds, tuning_share,
confirmation_seeds, compare and target.

What is compared, the optimizers unless the file says otherwise, is ranked in the end: the best trial of each is run
again on fresh seeds, and those whose difference may be chance share their ranks.

--wandb registers the file with W&B instead, and says how its agents are started, on any number of machines: each
needs bertspec on its PATH, the same configs, and a store (BERTSPEC_STORE; one that they share is best). Where the file
has no command, agents run bertspec trial. A grid is the same trials there as here: once its agents have finished,
the command without --wandb finds their runs in the store, and only puts the table together.

The exit status is 1 where no trial could be finished.

--json writes the sweep with its trials, as they are kept in the store's sweeps/ folder; with --wandb, one object:
id, entity, project, url, command.
"""

_MOST = 10_000
"""More are a slip of the finger."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The file, and how much of it."""
    option = parser.add_argument("sweep", metavar="FILE|NAME", help="a YAML file, or one of configs/sweeps")
    options.complete_names(option, "sweep")
    parser.add_argument(
        "--trials",
        type=int_between(1, _MOST),
        metavar="N",
        help="trials of each contender (default: the file's run_cap in all)",
    )
    parser.add_argument(
        "--processes", type=int_between(1, _MOST), metavar="N", help="trials at a time (default: what the cores allow)"
    )
    parser.add_argument("--seed", type=seed, default=0, metavar="N", help="seed of the search (default: 0)")
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--dry-run", action="store_true", help="show the plan, and train nothing")
    instead.add_argument("--wandb", action="store_true", help="register it with W&B, for its agents to run")
    options.add_device(parser)
    options.add_store(parser)
    parser.add_argument("--fresh", action="store_true", help="run again what is stored")
    parser.add_argument("--json", action="store_true", help="write the result for machines")


def execute(arguments: argparse.Namespace) -> int:
    """Check everything, then run what is missing."""
    from bertspec.sweeps import files

    work = options.session(arguments, bars=False, fresh=arguments.fresh)
    config = files.read(arguments.sweep, work)
    if arguments.dry_run:
        _show_plan(config, work, arguments)
        return 0
    if arguments.wandb:
        _register(config, arguments)
        return 0
    from bertspec.sweeps import runner
    from bertspec.tracking import show_sweep

    with _progress() as progress:
        found = runner.run(
            config,
            work,
            processes=arguments.processes,
            trials_each=arguments.trials,
            seed=arguments.seed,
            on_progress=lambda swept: progress(str(config.name), len(swept.trials), swept.planned, _best(swept)),
        )
        found = _compared(
            config,
            found,
            work,
            processes=arguments.processes,
            on_progress=lambda done, total: progress("confirmation on fresh seeds", done, total, ""),
        )
    work.tracker.close()
    show_sweep(found, work.store.tracking)
    if arguments.json:
        console.show_json(found.model_dump(mode="json"))
    else:
        _show(config, found)
        if found.comparison is not None:
            ranking.show(found, found.comparison, target=config.tuning.target)
    return 0 if any(trial.state == "finished" for trial in found.trials) else 1


def _compared(config: SweepConfig, found: SweepRecord, work: Session, **how: Any) -> SweepRecord:
    """The same with its comparison, where it compares something and something came of it."""
    from bertspec.sweeps import comparison

    if config.tuning.compare is None or not any(trial.state == "finished" for trial in found.trials):
        return found
    return found.model_copy(update={"comparison": comparison.compare(config, found, work, **how)})


def _register(config: SweepConfig, arguments: argparse.Namespace) -> None:
    from bertspec.sweeps.plan import trial_count
    from bertspec.tracking import register

    values = config.model_dump(mode="json", exclude_unset=True)
    if arguments.trials is not None:
        values["run_cap"] = trial_count(config, arguments.trials)
    found = register(values)
    if arguments.json:
        console.show_json({name: getattr(found, name) for name in ("id", "entity", "project", "url", "command")})
        return
    console.show_lines(f"{config.name}: registered as {found.id}", found.url, "", "on every machine that takes part:")
    console.show_lines(f"  {found.command}")
    if config.contenders and config.method != "grid":
        console.show_lines(
            "", f"W&B's {config.method} search does not give every contender equally many trials; a grid does"
        )


def _show_plan(config: SweepConfig, work: Session, arguments: argparse.Namespace) -> None:
    from bertspec.sweeps.plan import trial_count
    from bertspec.sweeps.search import Search

    count, tuning, search = trial_count(config, arguments.trials), config.tuning, Search(config, arguments.seed)
    first = search.proposal(0)
    study = work.catalog.plan(**first.parameters, seeds=tuning.seeds, tuning_share=tuning.tuning_share)
    drawn = [search.proposal(number).parameters for number in range(count)] if config.method != "bayes" else []
    confirming = len(config.contenders) * len(tuning.confirmation_seeds)
    if arguments.json:
        runs = {"trials": count, "runs": count * len(tuning.seeds), "confirming_runs": confirming}
        console.show_json({"name": config.name, "method": config.method, **runs, "parameters": drawn})
        return
    share = tuning.tuning_share
    rows = f"{1 - share:.0%} of the training rows, scored on the other {share:.0%}"
    lines = [
        f"{config.name}: {config.method}, {_extent(config, count)}",
        f"each: seeds {_listed(tuning.seeds)}, {_length(config, study.recipe)} on {rows}",
        f"in all: {count * len(tuning.seeds)} runs",
    ]
    if config.contenders:
        lines[-1] += f", and at most {confirming} that confirm the best trials"
        names = ", ".join(str(each) for each in config.contenders)
        lines.append(f"compared: {names}; {count // len(config.contenders)} trials each, confirmed on seeds ")
        lines[-1] += _listed(tuning.confirmation_seeds)
    if config.program is not None or config.command is not None:
        lines.append("the file's program and command are for W&B agents; nothing here executes them")
    console.show_lines(*lines, "")
    if config.method == "bayes":
        console.show_lines("each trial is chosen by those before it")
        return
    varied = _varied(config)
    shown = console.table("trial", *varied, numbers=("trial", *varied))
    for number, parameters in enumerate(drawn):
        shown.add_row(str(number), *(_word(parameters[name]) for name in varied))
    console.show_table(shown)


def _length(config: SweepConfig, recipe: RecipeConfig) -> str:
    varied = [name for name in ("steps", "epochs") if name in _varied(config)]
    if varied:
        return f"{varied[0]} as listed below"
    return f"{recipe.steps} steps" if recipe.steps is not None else f"{recipe.epochs:g} epochs"


def _extent(config: SweepConfig, count: int) -> str:
    whole = config.grid_size if config.method == "grid" else None
    return f"{count} trials" if whole in (None, count) else f"{count} of its {whole} points"


def _show(config: SweepConfig, found: SweepRecord) -> None:
    """The trials, the best first; what was stopped or failed comes last."""
    sign = -1 if found.goal == "maximize" else 1
    ordered = sorted(
        found.trials,
        key=lambda trial: (trial.state != "finished", trial.score is None, sign * (trial.score or 0.0), trial.number),
    )
    varied = _varied(config)
    numbers = ("trial", *varied, found.metric, "tokens", "seconds")
    shown = console.table(*numbers, "outcome", numbers=numbers)
    for trial in ordered:
        score = "" if trial.score is None else f"{trial.score:.4f}"
        parameters = [_word(trial.parameters.get(name)) for name in varied]
        shown.add_row(str(trial.number), *parameters, score, str(trial.tokens), f"{trial.seconds:.1f}", _outcome(trial))
    console.show_lines(f"{found.name}: {found.method}, {len(found.trials)} of {found.planned} trials", "")
    console.show_table(shown)
    console.show_lines(
        "", f"{found.metric} is the mean over seeds {_listed(config.tuning.seeds)}, on rows that were not trained on"
    )


def _outcome(trial: TrialRecord) -> str:
    reason = f": {trial.reason}" if trial.reason else ""
    diverged = f" ({trial.diverged} of {len(trial.seeds)} seeds diverged)" if trial.diverged else ""
    return f"{trial.state}{reason}{diverged if trial.state == 'finished' else ''}"


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str, int, int, str], None]]:
    """Bars on a terminal, the trials with the best so far, then the confirmation, each with the time that is left.

    What it yields is told what a bar is of, how many are done, of how many, and a word more. In a log nothing is shown.
    """
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[word]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bars: dict[str, TaskID] = {}

        def told(what: str, done: int, total: int, word: str) -> None:
            if what not in bars:
                bars[what] = progress.add_task(what, total=None, word="")
            progress.update(bars[what], total=total, completed=done, word=word)

        yield told


def _best(evidence: SweepRecord) -> str:
    scored = [trial for trial in evidence.trials if trial.state == "finished" and trial.score is not None]
    if not scored:
        return ""
    best = (max if evidence.goal == "maximize" else min)(scored, key=lambda trial: trial.score or 0.0)
    return f"best: {best.score:.4f}, trial {best.number}" + (f", {best.contender}" if best.contender else "")


def _varied(config: SweepConfig) -> list[str]:
    return [
        name for name, parameter in config.searched.items() if parameter.choices is None or len(parameter.choices) > 1
    ]


def _word(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _listed(seeds: tuple[int, ...]) -> str:
    return ", ".join(map(str, seeds))
