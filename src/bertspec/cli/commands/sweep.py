"""Run the trials of a W&B sweep file on this machine, without a server.

Each trial is scored on a part of the training rows. Finished trials are kept: the same command resumes the sweep.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from bertspec.arguments import int_between, seed
from bertspec.cli import console, options
from bertspec.printing import printable

if TYPE_CHECKING:
    from rich.progress import TaskID

    from bertspec.config import RecipeConfig, SweepConfig
    from bertspec.results import ComparisonRecord, ContenderRecord, SweepRecord, TrialRecord
    from bertspec.study import Session

__all__ = ["EPILOG", "HELP", "NAME", "add_arguments", "execute"]

NAME = "sweep"
HELP = "run the trials of a W&B sweep file on this machine"
EPILOG = """\
examples:
  bertspec sweep optimizers --dry-run
  bertspec sweep optimizers --trials 8 --processes 2
  bertspec sweep my-sweep.yaml --seed 1 --json
  bertspec sweep optimizers --wandb

The file is W&B's (https://docs.wandb.ai/models/sweeps/sweep-config-keys): method, metric, parameters, early_terminate,
run_cap. Anything unsupported is refused with its line. Its program and command are for W&B agents: bertspec never
executes them. Parameters may be encoder, task, recipe, optimizer, every field of a recipe, and learning_rate_factor,
a multiple of each optimizer's own rate; and, each as a value, seeds, tuning_share, confirmation_seeds, compare and
target.

At the end, the contenders (the optimizers, unless the file compares something else) are ranked: the best trial of each
is run again on fresh seeds, and contenders whose difference may be chance share their ranks.

--wandb registers the file with W&B instead, and shows the command that starts an agent, on any number of machines.
Each needs bertspec on its PATH, the same configs, and a store (BERTSPEC_STORE; best a shared one). If the file has no
command, agents run bertspec trial. A grid has the same trials there as here: once its agents have finished, the
command without --wandb takes their runs from the store and only puts the table together.

The exit status is 1 if no trial finished.

--json writes the sweep and its trials as the store's sweeps/ folder has them; with --wandb, one object:
id, entity, project, url, command.
"""

_MOST = 10_000
"""A larger number is a typing error."""
_FEW_TIES = 6
"""Pairs that are listed; more are counted."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the file and its options."""
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
    instead.add_argument("--dry-run", action="store_true", help="show the plan without training")
    instead.add_argument("--wandb", action="store_true", help="register the sweep with W&B, for its agents to run")
    options.add_device(parser)
    options.add_store(parser)
    parser.add_argument("--fresh", action="store_true", help="ignore stored runs, and run everything again")
    parser.add_argument("--json", action="store_true", help="write the result as JSON")


def execute(arguments: argparse.Namespace) -> int:
    """Show the plan, register the sweep, or run its missing trials and the comparison."""
    from bertspec.sweeps import files

    with options.session(arguments, bars=False, fresh=arguments.fresh) as session:
        config = files.read(arguments.sweep, session)
        if arguments.dry_run:
            _show_plan(config, session, arguments)
            return 0
        if arguments.wandb:
            _register(config, arguments)
            return 0
        sweep = _run(config, session, arguments)
    if arguments.json:
        console.show_json(sweep.model_dump(mode="json"))
    else:
        _show(config, sweep)
        if sweep.comparison is not None:
            _show_ranking(sweep, sweep.comparison, target=config.tuning.target)
    return 0 if any(trial.state == "finished" for trial in sweep.trials) else 1


def _run(config: SweepConfig, session: Session, arguments: argparse.Namespace) -> SweepRecord:
    from bertspec import api

    with _progress() as progress:
        return api.sweep(
            config,
            trials=arguments.trials,
            processes=arguments.processes,
            seed=arguments.seed,
            session=session,
            on_trial=lambda sweep: progress(str(config.name), len(sweep.trials), sweep.planned, _best(sweep)),
            on_confirmation=lambda done, total: progress("confirmation on fresh seeds", done, total, ""),
        ).record


def _register(config: SweepConfig, arguments: argparse.Namespace) -> None:
    from bertspec.sweeps.plan import trial_count
    from bertspec.tracking import register

    values = config.model_dump(mode="json", exclude_unset=True)
    if arguments.trials is not None:
        values["run_cap"] = trial_count(config, arguments.trials)
    sweep = register(values)
    if arguments.json:
        console.show_json({name: getattr(sweep, name) for name in ("id", "entity", "project", "url", "command")})
        return
    console.show_lines(f"{config.name}: registered as {sweep.id}", sweep.url, "", "on each machine that takes part:")
    console.show_lines(f"  {sweep.command}")
    if config.contenders and config.method != "grid":
        console.show_lines(
            "", f"W&B's {config.method} search does not give all contenders the same number of trials; a grid does"
        )


def _show_plan(config: SweepConfig, session: Session, arguments: argparse.Namespace) -> None:
    from bertspec.sweeps.plan import Search, study_of, trial_count

    count, tuning, search = trial_count(config, arguments.trials), config.tuning, Search(config, arguments.seed)
    first = search.proposal(0)
    study = study_of(first, config, session)
    known = [search.proposal(number) for number in range(count)] if config.method != "bayes" else []
    for proposal in known:
        study_of(proposal, config, session)
    drawn = [proposal.parameters for proposal in known]
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
        lines.append("the file's program and command are for W&B agents; bertspec never executes them")
    console.show_lines(*lines, "")
    if config.method == "bayes":
        console.show_lines("each trial is chosen by those before it")
        return
    varied = _varied(config)
    table = console.table("trial", *varied, numbers=("trial", *varied))
    for number, parameters in enumerate(drawn):
        table.add_row(str(number), *(_word(parameters[name]) for name in varied))
    console.show_table(table)


def _length(config: SweepConfig, recipe: RecipeConfig) -> str:
    varied = [name for name in ("steps", "epochs") if name in _varied(config)]
    if varied:
        return f"{varied[0]} as listed below"
    return f"{recipe.steps} steps" if recipe.steps is not None else f"{recipe.epochs:g} epochs"


def _extent(config: SweepConfig, count: int) -> str:
    whole = config.grid_size if config.method == "grid" else None
    return f"{count} trials" if whole in (None, count) else f"{count} of its {whole} points"


def _show(config: SweepConfig, sweep: SweepRecord) -> None:
    """Show the trials, the best first and those that were stopped or failed last."""
    sign = -1 if sweep.goal == "maximize" else 1
    ordered = sorted(
        sweep.trials,
        key=lambda trial: (trial.state != "finished", trial.score is None, sign * (trial.score or 0.0), trial.number),
    )
    varied = _varied(config)
    numbers = ("trial", *varied, sweep.metric, "tokens", "seconds")
    table = console.table(*numbers, "outcome", numbers=numbers)
    for trial in ordered:
        score = "" if trial.score is None else f"{trial.score:.4f}"
        parameters = [_word(trial.parameters.get(name)) for name in varied]
        table.add_row(str(trial.number), *parameters, score, str(trial.tokens), f"{trial.seconds:.1f}", _outcome(trial))
    console.show_lines(f"{sweep.name}: {sweep.method}, {len(sweep.trials)} of {sweep.planned} trials", "")
    console.show_table(table)
    console.show_lines(
        "", f"{sweep.metric} is the mean over seeds {_listed(config.tuning.seeds)}, on rows that were not trained on"
    )


def _show_ranking(sweep: SweepRecord, comparison: ComparisonRecord, *, target: float | None) -> None:
    """Show the contenders, the best first, with their budgets, confirmation and ranks."""
    from bertspec.report.sweeps import ranks, steps

    counted = any(each.steps_to for each in comparison.contenders)
    columns = [
        "rank",
        comparison.parameter,
        "trials",
        "tokens",
        "tuned",
        "confirmed",
        "interval",
        "collapsed",
        "decades",
    ]
    columns += [f"steps to {target:g}"] if counted and target is not None else []
    table = console.table(
        *columns, numbers=[name for name in columns if name not in (comparison.parameter, "interval")]
    )
    for each in comparison.contenders:
        last = [steps(each)] if len(columns) > 9 else []
        table.add_row(ranks(each), each.name, str(each.trials), str(each.tokens), *_scores(each), *last)
    seeds = max((len(each.seeds) for each in comparison.contenders), default=0)
    console.show_lines("", f"{sweep.metric}, the best trial of each {comparison.parameter} on {seeds} fresh seeds", "")
    console.show_table(table)
    console.show_lines("", *_remarks(comparison))


def _scores(each: ContenderRecord) -> tuple[str, ...]:
    interval = f"{each.interval[0]:.4f} to {each.interval[1]:.4f}" if each.interval else ""
    tuned, mean = (f"{value:.4f}" if value is not None else "" for value in (each.tuned, each.mean))
    width = f"{each.sensitivity:.2f}" if each.sensitivity is not None else ""
    return tuned, mean, interval, str(each.collapsed), width


def _remarks(comparison: ComparisonRecord) -> list[str]:
    count = len(comparison.contenders)
    ties = ", ".join(f"{one} and {other}" for one, other in comparison.ties)
    if len(comparison.ties) > _FEW_TIES:
        ties = f"{len(comparison.ties)} of {count * (count - 1) // 2} pairs; the ranks of a row show with how many"
    about = (
        "interval: 95 %, of the mean over fresh seeds; rank: with Holm's correction over all pairs; decades: of the "
        f"learning rate, within {comparison.tolerance:g} of the best tuning score"
    )
    return [
        *(f"not fair: {reason}; no claim passes" for reason in comparison.unfair),
        *([f"tied: {ties}"] if ties else []),
        about,
    ]


def _outcome(trial: TrialRecord) -> str:
    reason = f": {trial.reason}" if trial.reason else ""
    diverged = f" ({trial.diverged} of {len(trial.seeds)} seeds diverged)" if trial.diverged else ""
    return f"{trial.state}{reason}{diverged if trial.state == 'finished' else ''}"


@contextlib.contextmanager
def _progress() -> Iterator[Callable[[str, int, int, str], None]]:
    """Progress bars on a terminal: the trials with the best so far, then the confirmation, with the time left.

    The function that it yields takes a bar's title, the number done, the total, and a remark.
    """
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    from rich.console import Console
    from rich.markup import escape
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
        TextColumn("{task.fields[remark]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bars: dict[str, TaskID] = {}

        def update(title: str, done: int, total: int, remark: str) -> None:
            if title not in bars:
                bars[title] = progress.add_task(escape(printable(title)), total=None, remark="")
            progress.update(bars[title], total=total, completed=done, remark=printable(remark))

        yield update


def _best(sweep: SweepRecord) -> str:
    scored = [trial for trial in sweep.trials if trial.state == "finished" and trial.score is not None]
    if not scored:
        return ""
    best = (max if sweep.goal == "maximize" else min)(scored, key=lambda trial: trial.score or 0.0)
    return f"best: {best.score:.4f}, trial {best.number}" + (f", {best.contender}" if best.contender else "")


def _varied(config: SweepConfig) -> list[str]:
    return [name for name, parameter in config.searched.items() if parameter.varies]


def _word(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _listed(seeds: tuple[int, ...]) -> str:
    return ", ".join(map(str, seeds))
