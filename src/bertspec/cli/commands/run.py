"""Fine-tune an encoder on a task, once for each seed. Runs that the store has are not trained again."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING

from bertspec.arguments import positive_int
from bertspec.cli import console, options
from bertspec.printing import counted

if TYPE_CHECKING:
    from bertspec.api import StudyResult
    from bertspec.results import RunFacts

__all__ = ["EPILOG", "HELP", "NAME", "add_arguments", "execute", "seeds"]

NAME = "run"
HELP = "fine-tune an encoder on a task"
EPILOG = """\
examples:
  bertspec run --encoder bert-tiny --task bundled/sentiment
  bertspec run --encoder minilm --task reviews --optimizer sgd --learning-rate 0.05 --seeds 1-5
  bertspec run --encoder google-bert/bert-base-uncased --task glue/sst2 --epochs 3 --checkpoint-every 500
  bertspec run --encoder bert-tiny --task bundled/sentiment --set beta2=0.98 --set epochs=1 --json

Each run is logged to W&B, or offline without a key; WANDB_MODE=disabled logs nothing.

--json writes one object: study, recipe, trained (the number of runs trained now), problems (what fails every claim of
quality: contamination, collapsed seeds), contamination (the number of scored rows, and of those that were trained on:
exact, and normalized, which ignores case, spaces and punctuation), metrics (name: mean, interval) and runs
(fingerprint, seed, origin: trained or store, scores, steps, train_s, micro_batch, resumed_at, diverged, collapsed).
"""

_MOST_SEEDS = 1_000
"""More are a typing error."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add an option for each field of a recipe, among others."""
    parser.usage = "bertspec run --encoder NAME --task NAME [options]"
    what = parser.add_argument_group("what")
    for name, required in (("encoder", True), ("task", True), ("recipe", False), ("optimizer", False)):
        option = what.add_argument(f"--{name}", required=required, metavar="NAME", help=_MEANING[name])
        options.complete_names(option, name)
    what.add_argument(
        "--seeds", type=seeds, default=(1, 2, 3), metavar="1-3", help="one run each: 1-5, or 1,4,7 (default: 1-3)"
    )
    options.add_recipe(parser.add_argument_group("recipe", "these override the fields of the recipe"))
    how = parser.add_argument_group("how")
    options.add_device(how)
    options.add_store(how)
    how.add_argument("--fresh", action="store_true", help="train again what the store has")
    how.add_argument(
        "--checkpoint-every",
        type=positive_int,
        metavar="STEPS",
        help="save checkpoints: an interrupted run resumes from the last one",
    )
    how.add_argument("--keep-models", action="store_true", help="keep the fine-tuned encoders in the store")
    how.add_argument("--json", action="store_true", help="write the result as JSON")


def execute(arguments: argparse.Namespace) -> int:
    """Train what is missing, and show every run."""
    from bertspec import api

    fields = {
        "fresh": arguments.fresh,
        "checkpoint_every": arguments.checkpoint_every,
        "keep_models": arguments.keep_models,
    }
    with options.session(arguments, **fields) as work:
        study = api.fine_tune(
            arguments.encoder,
            arguments.task,
            seeds=arguments.seeds,
            recipe=arguments.recipe,
            optimizer=arguments.optimizer,
            session=work,
            **options.recipe_fields(arguments),
        )
    (_show_json if arguments.json else _show)(study)
    _refuse_divergence(study)
    return 0


def seeds(text: str) -> tuple[int, ...]:
    """``1-3``, ``1,4,7`` or ``1-3,7`` → the numbers."""
    numbers: list[int] = []
    for part in text.split(","):
        span = re.fullmatch(r"\s*(\d{1,10})(?:\s*(?:-|\.\.|to)\s*(\d{1,10}))?\s*", part)
        first, last = (int(span[1]), int(span[2] or span[1])) if span else (1, 0)
        if first > last:
            raise argparse.ArgumentTypeError(f"{text!r} is not a list of seeds, such as 1-3 or 1,4,7")
        if len(numbers) + last - first >= _MOST_SEEDS:
            raise argparse.ArgumentTypeError(f"{text!r} is more than {_MOST_SEEDS} seeds")
        numbers += range(first, last + 1)
    return tuple(numbers)


_MEANING = {
    "encoder": "a name (bertspec list encoders), a hub id, a folder, a YAML file",
    "task": "a name (bertspec list tasks), a YAML file",
    "recipe": "a name (bertspec list recipes), a YAML file (default: the encoder's own)",
    "optimizer": "a name (bertspec list optimizers) (default: the recipe's own)",
}


def _show(study: StudyResult) -> None:
    numbers = ("seed", *study.metrics, "steps", "seconds")
    table = console.table(*numbers, "origin", "run", numbers=numbers)
    for run, origin in zip(study.runs, study.origins, strict=True):
        facts = run.result.facts
        scores = [console.score(facts.scores[name]) for name in study.metrics]
        timing = f"{facts.timings.train_s:.1f}"
        table.add_row(str(facts.seed), *scores, str(facts.steps), timing, origin + _note(facts), run.fingerprint[:12])
    estimates = [study.estimate(name) for name in study.metrics]
    table.add_section()
    table.add_row("mean", *(console.score(mean) for mean, _ in estimates))
    intervals = [interval for _, interval in estimates]
    for name, end in (("from", 0), ("to", 1)) if any(intervals) else ():
        table.add_row(name, *("" if interval is None else f"{interval[end]:.4f}" for interval in intervals))
    console.show_lines(study.title, "")
    console.show_table(table)
    legend = "; from … to is the 95 % interval of the mean over the seeds" if any(intervals) else ""
    console.show_lines("", f"{counted(len(study.runs), 'run')}: {study.study.origin}{legend}")
    collapsed = [str(run.config.seed) for run in study.runs if run.result.outcomes.collapsed]
    if collapsed:
        rule = study.study.config.task.task_head.collapse
        console.show_lines(f"collapsed ({rule}): seed {', '.join(collapsed)}")
    console.show_lines(*(f"no claim of quality can pass: {problem}" for problem in study.problems()))


def _refuse_divergence(study: StudyResult) -> None:
    """A diverged run is stored and shown; the exit status says that training failed."""
    from bertspec.errors import Diverged

    diverged = [run.result.facts for run in study.runs if run.result.facts.diverged is not None]
    if diverged:
        raise Diverged(
            f"{len(diverged)} of {len(study.runs)} runs diverged",
            given=diverged[0].diverged,
            allowed="a lower learning rate, a longer warm-up, or gradient clipping",
            where=f"seed {diverged[0].seed} of {study.title}",
        )


def _note(facts: RunFacts) -> str:
    notes = []
    if facts.micro_batch is not None:
        notes.append(f"{facts.micro_batch} examples at a time: the memory was too small for a batch")
    if facts.diverged is not None:
        notes.append("diverged")
    if facts.resumed_at:
        notes.append("resumed after step " + ", ".join(str(step) for step in facts.resumed_at))
    return f" ({'; '.join(notes)})" if notes else ""


def _show_json(study: StudyResult) -> None:
    estimates = {name: study.estimate(name) for name in study.metrics}
    counts = study.contamination()
    console.show_json(
        {
            "study": study.title,
            "recipe": study.study.config.recipe.model_dump(mode="json"),
            "trained": len(study.study.trained),
            "problems": study.problems(),
            "contamination": {"exact": counts.exact, "normalized": counts.normalized, "rows": counts.rows},
            "metrics": {name: {"mean": mean, "interval": interval} for name, (mean, interval) in estimates.items()},
            "runs": [
                {
                    "fingerprint": run.fingerprint,
                    "seed": run.result.facts.seed,
                    "origin": origin,
                    "scores": run.result.facts.scores,
                    "steps": run.result.facts.steps,
                    "train_s": run.result.facts.timings.train_s,
                    "micro_batch": run.result.facts.micro_batch,
                    "resumed_at": run.result.facts.resumed_at,
                    "diverged": run.result.facts.diverged,
                    "collapsed": run.result.outcomes.collapsed,
                }
                for run, origin in zip(study.runs, study.origins, strict=True)
            ],
        }
    )
