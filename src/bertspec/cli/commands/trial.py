"""Run one trial of a sweep over its tuning seeds, as W&B agents do. Runs in the store are not trained again."""

from __future__ import annotations

import argparse
import ast
import re
import signal
import sys
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

Agents run the command in the sweep file. ["${env}", bertspec, trial, "${args_json}"] keeps nested parameters and
types, and is what bertspec sweep FILE --wandb registers by default; "${args}" works as well.

Under an agent the trial is one W&B run, with every metric of the task under its plain name, each seed's score and
loss, tokens, seconds, and the number of seeds that diverged. A trial that the agent stops is a finished run with the
state "stopped". The exit status is 1 if the trial failed; finished runs are kept.
--json writes one object: parameters, state (finished, stopped, failed), reason, seeds, scores, score, diverged,
tokens, seconds, runs.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the parameters, in any form that agents write."""
    parser.usage = "bertspec trial JSON | --parameter=value … [options]"
    parser.add_argument("values", nargs="*", metavar="JSON", help="the parameters, as a JSON object")
    parser.add_argument("--metric", metavar="NAME", help="the metric to score (default: the task's main metric)")
    options.add_device(parser)
    options.add_store(parser)
    parser.add_argument("--json", action="store_true", help="write the result as JSON")
    parser.set_defaults(further=[])


def execute(arguments: argparse.Namespace) -> int:
    """Run the trial; under a W&B agent, as the W&B run that the agent created."""
    from bertspec.tracking import under_an_agent

    parameters = _parameters(arguments)
    session = options.session(arguments)
    run = _run_tracked if under_an_agent() else _run
    before = signal.signal(signal.SIGTERM, _stop)
    try:
        trial = run(parameters, session, arguments.metric)
    finally:
        signal.signal(signal.SIGTERM, before)
        session.tracker.close()
    if arguments.json:
        console.show_json(trial.model_dump(mode="json", exclude={"number", "finished"}))
    else:
        _show(trial, arguments.metric)
    return 1 if trial.state == "failed" else 0


class _StoppedByAgent(KeyboardInterrupt):
    """An agent stops a trial by SIGTERM; finished runs are kept, as after any interruption."""


def _stop(*_: object) -> None:
    raise _StoppedByAgent


def _parameters(arguments: argparse.Namespace) -> dict[str, Any]:
    """JSON objects, and ``--name=value`` with or without its hyphens: all the forms in which agents write parameters.

    A value is written as Python would write it.
    """
    from bertspec.errors import InvalidConfig

    parameters: dict[str, Any] = {}
    for word in (*arguments.values, *arguments.further):  # argparse takes no value with a space for an option
        parameter = re.fullmatch(r"(?:--)?([A-Za-z_][\w.-]*)=(.*)", word, re.DOTALL)
        more = {parameter[1]: _value(parameter[2])} if parameter else _object(word)
        twice = parameters.keys() & more.keys()
        if twice:
            raise InvalidConfig("a parameter is given twice", given=", ".join(sorted(twice)))
        parameters |= more
    if not parameters:
        raise InvalidConfig("the trial has no parameters", allowed="one JSON object, or --NAME=VALUE for each")
    return parameters


def _object(word: str) -> dict[str, Any]:
    from bertspec.documents import parse_json
    from bertspec.errors import InvalidConfig

    problem, allowed = "this is not a parameter of a trial", "one JSON object, or --NAME=VALUE"
    values = parse_json(word, what=f"{problem}: the text", allowed=allowed)
    if not isinstance(values, dict):
        raise InvalidConfig(problem, given=word, allowed=allowed)
    return values


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return text


def _run(
    parameters: Mapping[str, Any], session: Session, metric: str | None, tracker: TrialTracker | None = None
) -> TrialRecord:
    from bertspec.sweeps import trial

    def on_progress(point: Point) -> None:
        if tracker is not None:
            tracker.evaluated(point, session.catalog.task(str(parameters["task"])).metrics[0])

    compared = trial.tuning_of(parameters).compare or "optimizer"
    contender = trial.settings_of(parameters).get(compared)
    name = None if contender is None else str(contender)
    return trial.run(0, parameters, session, metric=metric, contender=name, on_progress=on_progress)


def _run_tracked(parameters: Mapping[str, Any], session: Session, metric: str | None) -> TrialRecord:
    """Run the trial as one W&B run: W&B's client would give the run of each seed the id of the agent's run."""
    from bertspec.tracking import ProgressTracker, TrialTracker, combine

    tracker = TrialTracker(session.store.tracking, parameters)
    try:
        session = replace(session, tracker=combine(tracker, ProgressTracker(sys.stderr)))
        trial = _run(parameters, session, metric, tracker)
        tracker.finished(trial, _means(trial, session))
    except _StoppedByAgent:
        tracker.stopped("stopped by its W&B agent")
        raise
    except KeyboardInterrupt:
        tracker.interrupted()
        raise
    except Exception as error:
        tracker.failed(error)
        raise
    return trial


def _means(record: TrialRecord, session: Session) -> dict[str, float]:
    """The mean of each metric of the task, and of the loss; the sweep's metric is among them."""
    from bertspec.sweeps import trial

    runs = [run for run in map(session.store.get, record.runs) if run is not None]
    if record.state == "failed" or not runs:
        return {}
    names = (*runs[0].config.task.metrics, trial.LOSS)
    return {name: sum(trial.score_of(run, name) for run in runs) / len(runs) for name in names}


def _show(trial: TrialRecord, metric: str | None) -> None:
    if trial.state == "failed":
        console.show_lines(f"failed: {trial.reason}")
        return
    table = console.table("seed", metric or "score", "run", numbers=("seed", metric or "score"))
    for seed, score, run in zip(trial.seeds, trial.scores, trial.runs, strict=True):
        table.add_row(str(seed), f"{score:.4f}", run[:12])
    table.add_section()
    table.add_row("mean", f"{trial.score:.4f}" if trial.score is not None else "–")
    console.show_table(table)
    state = trial.state if trial.reason is None else f"{trial.state}: {trial.reason}"
    console.show_lines("", f"{state}; {trial.tokens} tokens in {trial.seconds:.1f} s, {trial.diverged} diverged")
