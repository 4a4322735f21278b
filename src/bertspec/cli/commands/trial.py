"""Run one trial of a sweep over its tuning seeds, as W&B agents do. Finished runs come from the store."""

from __future__ import annotations

import argparse
import ast
import json
import re
import signal
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from bertspec.cli import console, options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bertspec.results import Point, TrialRecord
    from bertspec.study import Session
    from bertspec.tracking import TrialTracker

__all__ = ["EPILOG", "HELP", "NAME", "add_arguments", "execute"]

NAME = "trial"
HELP = "run one trial of a sweep, as W&B agents do"
EPILOG = """\
examples:
  bertspec trial '{"encoder": "bert-tiny", "task": "bundled/sentiment", "learning_rate": 0.001, "seeds": [201, 202]}'
  bertspec trial --encoder=bert-tiny --task=bundled/sentiment --optimizer=sgd --settings.momentum=0.9

What agents run is the command in the sweep file: command: ["${env}", bertspec, trial, "${args_json}"] keeps nested
parameters and types; "${args}" does as well. bertspec sweep FILE --wandb registers the first where there is none.

Under an agent the trial is one W&B run: every metric of the task under its plain name, each seed's score and loss,
tokens, seconds, how many seeds diverged. Exit status 1 where the trial failed; finished runs are kept.
--json writes one object: parameters, state (finished, stopped, failed), reason, seeds, scores, score, diverged,
tokens, seconds, runs.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The parameters, in one of the forms in which agents give them."""
    parser.usage = "bertspec trial JSON | --parameter=value … [options]"
    parser.add_argument("values", nargs="*", metavar="JSON", help="the parameters, as a JSON object")
    parser.add_argument("--metric", metavar="NAME", help="what is scored (default: the task's main metric)")
    options.add_device(parser)
    options.add_store(parser)
    parser.add_argument("--json", action="store_true", help="write the result for machines")
    parser.set_defaults(further=[])


def execute(arguments: argparse.Namespace) -> int:
    """Train what is missing; tell W&B, where an agent asked."""
    from bertspec.tracking import under_an_agent

    parameters = _parameters(arguments)
    work = options.session(arguments)
    run = _shown if under_an_agent() else _made
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        made = run(parameters, work, arguments.metric)
    finally:
        signal.signal(signal.SIGTERM, before)
        work.tracker.close()
    (_tell_json if arguments.json else _tell)(made, arguments.metric)
    return 1 if made.state == "failed" else 0


def _interrupt(*_: object) -> None:
    """An agent stops a trial by this signal; what is done is kept, as at any interruption."""
    raise KeyboardInterrupt


def _parameters(arguments: argparse.Namespace) -> dict[str, Any]:
    """JSON objects, and ``--name=value`` with or without its hyphens: all that an agent can make of parameters.

    A value is written as Python would, which is what agents do.
    """
    from bertspec.errors import InvalidConfig

    found: dict[str, Any] = {}
    for word in (*arguments.values, *arguments.further):  # a value with a space in it is no option to argparse
        parameter = re.fullmatch(r"(?:--)?([A-Za-z_][\w.-]*)=(.*)", word, re.DOTALL)
        found |= {parameter[1]: _value(parameter[2])} if parameter else _object(word)
    if not found:
        raise InvalidConfig("the trial has no parameters", allowed="one JSON object, or --NAME=VALUE for each")
    return found


def _object(word: str) -> dict[str, Any]:
    from bertspec.errors import InvalidConfig

    try:
        found = json.loads(word)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidConfig("this is no parameter of a trial", given=word, allowed="one JSON object, or --NAME=VALUE")
    return found


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return text


def _made(
    parameters: Mapping[str, Any], work: Session, metric: str | None, shown: TrialTracker | None = None
) -> TrialRecord:
    from bertspec.sweeps import trial

    def on_progress(point: Point) -> None:
        if shown is not None:
            shown.reached(point, work.catalog.task(str(parameters["task"])).metrics[0])

    compared = trial.tuning_of(parameters).compare or "optimizer"
    contender = trial.settings_of(parameters).get(compared)
    named = None if contender is None else str(contender)
    return trial.run(0, parameters, work, metric=metric, contender=named, on_progress=on_progress)


def _shown(parameters: Mapping[str, Any], work: Session, metric: str | None) -> TrialRecord:
    """The same, in the W&B run of the agent: its client would give every run of a seed that run's name."""
    import sys

    from bertspec.tracking import ProgressTracker, TrialTracker, combine

    shown = TrialTracker(work.store.tracking, parameters)
    try:
        work = replace(work, tracker=combine(shown, ProgressTracker(sys.stderr)))
        made = _made(parameters, work, metric, shown)
        shown.finished(made, _means(made, work))
    except KeyboardInterrupt:
        shown.stopped()
        raise
    except Exception as error:
        shown.failed(error)
        raise
    return made


def _means(made: TrialRecord, work: Session) -> dict[str, float]:
    """Every metric of the task, and the loss: whatever the sweep looks for is among them."""
    from bertspec.sweeps import trial

    runs = [run for run in map(work.store.get, made.runs) if run is not None]
    if made.state == "failed" or not runs:
        return {}
    names = (*runs[0].config.task.metrics, trial.LOSS)
    return {name: sum(trial.score_of(run, name) for run in runs) / len(runs) for name in names}


def _tell(made: TrialRecord, metric: str | None) -> None:
    if made.state == "failed":
        console.show_lines(f"failed: {made.reason}")
        return
    shown = console.table("seed", metric or "score", "run", numbers=("seed", metric or "score"))
    for seed, score, run in zip(made.seeds, made.scores, made.runs, strict=True):
        shown.add_row(str(seed), f"{score:.4f}", run[:12])
    shown.add_section()
    shown.add_row("mean", f"{made.score:.4f}" if made.score is not None else "–")
    console.show_table(shown)
    state = made.state if made.reason is None else f"{made.state}: {made.reason}"
    console.show_lines("", f"{state}; {made.tokens} tokens in {made.seconds:.1f} s, {made.diverged} diverged")


def _tell_json(made: TrialRecord, metric: str | None) -> None:
    del metric
    console.show_json(made.model_dump(mode="json", exclude={"number", "finished"}))
