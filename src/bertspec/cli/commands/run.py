"""Fine-tune an encoder on a task, once for each seed. Finished runs come from the store."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, Any

from bertspec.arguments import positive_int
from bertspec.cli import console, options, recipe_flags

if TYPE_CHECKING:
    from bertspec.results import RunFacts
    from bertspec.study import Study

__all__ = ["EPILOG", "HELP", "NAME", "add_arguments", "execute", "seeds"]

NAME = "run"
HELP = "fine-tune an encoder on a task"
EPILOG = """\
examples:
  bertspec run --encoder bert-tiny --task bundled/sentiment
  bertspec run --encoder minilm --task reviews --optimizer sgd --learning-rate 0.05 --seeds 1-5
  bertspec run --encoder google-bert/bert-base-uncased --task glue/sst2 --epochs 3 --checkpoint-every 500
  bertspec run --encoder bert-tiny --task bundled/sentiment --set beta2=0.98 --set epochs=1 --json

Each run is logged to W&B, offline where there is no key; WANDB_MODE=disabled logs nothing.

--json writes one object: study, recipe, trained (how many runs were made now), metrics (name: mean, interval)
and runs (fingerprint, seed, origin: trained or store, scores, steps, train_s, micro_batch, resumed_at,
diverged, collapsed).
"""

_MOST_SEEDS = 1_000
"""More are a slip of the finger."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Every recipe field is an option."""
    parser.usage = "bertspec run --encoder NAME --task NAME [options]"
    what = parser.add_argument_group("what")
    for name, required in (("encoder", True), ("task", True), ("recipe", False), ("optimizer", False)):
        option = what.add_argument(f"--{name}", required=required, metavar="NAME", help=_MEANING[name])
        options.complete_names(option, name)
    what.add_argument(
        "--seeds", type=seeds, default=(1, 2, 3), metavar="1-3", help="one run for each: 1-5, or 1,4,7 (default: 1-3)"
    )
    recipe_flags.add(parser.add_argument_group("recipe", "fields that are set here, over those of the recipe"))
    how = parser.add_argument_group("how")
    options.add_device(how)
    options.add_store(how)
    how.add_argument("--fresh", action="store_true", help="train again what is stored")
    how.add_argument(
        "--checkpoint-every",
        type=positive_int,
        metavar="STEPS",
        help="an interrupted run goes on from its last checkpoint",
    )
    how.add_argument("--keep-models", action="store_true", help="keep the fine-tuned encoders, beside their runs")
    how.add_argument("--json", action="store_true", help="write the result for machines")


def execute(arguments: argparse.Namespace) -> int:
    """Plan everything, then train what is missing."""
    from bertspec import study

    work = options.session(
        arguments,
        fresh=arguments.fresh,
        checkpoint_every=arguments.checkpoint_every,
        keep_models=arguments.keep_models,
    )
    plan = work.catalog.plan(**_asked(arguments))
    made = study.run(plan, work)
    work.tracker.close()
    (_show_json if arguments.json else _show)(made, made.trained)
    _tell_divergence(made)
    return 0


def seeds(text: str) -> tuple[int, ...]:
    """``1-3``, ``1,4,7`` or ``1-3,7`` → the numbers."""
    found: list[int] = []
    for part in text.split(","):
        span = re.fullmatch(r"\s*(\d{1,10})(?:\s*(?:-|\.\.|to)\s*(\d{1,10}))?\s*", part)
        first, last = (int(span[1]), int(span[2] or span[1])) if span else (1, 0)
        if first > last:
            raise argparse.ArgumentTypeError(f"{text!r} is not a list of seeds, such as 1-3 or 1,4,7")
        if len(found) + last - first >= _MOST_SEEDS:
            raise argparse.ArgumentTypeError(f"{text!r} is more than {_MOST_SEEDS} seeds")
        found += range(first, last + 1)
    return tuple(found)


_MEANING = {
    "encoder": "a name (bertspec list encoders), a hub id, a folder, a YAML file",
    "task": "a name (bertspec list tasks), a YAML file",
    "recipe": "a name (bertspec list recipes), a YAML file (default: the encoder's own)",
    "optimizer": "a name (bertspec list optimizers) (default: the recipe's own)",
}


def _asked(arguments: argparse.Namespace) -> dict[str, Any]:
    words = {name: getattr(arguments, name) for name in ("encoder", "task", "recipe", "optimizer")}
    named = {name: word for name, word in words.items() if word is not None}
    return {**named, **recipe_flags.asked(arguments), "seeds": arguments.seeds}


def _show(made: Study, trained: set[str]) -> None:
    metrics = made.config.task.metrics
    numbers = ("seed", *metrics, "steps", "seconds")
    shown = console.table(*numbers, "origin", "run", numbers=numbers)
    for run in made.runs:
        facts = run.result.facts
        origin = ("trained" if run.fingerprint in trained else "store") + _note(facts)
        scores = [f"{facts.scores[name]:.4f}" for name in metrics]
        timing = f"{facts.timings.train_s:.1f}"
        shown.add_row(str(facts.seed), *scores, str(facts.steps), timing, origin, run.fingerprint[:12])
    means = _means(made)
    shown.add_section()
    shown.add_row("mean", *(f"{mean:.4f}" for mean, _ in means.values()))
    if len(made.runs) > 1:
        spans = [span for _, span in means.values() if span]
        for name, end in (("from", 0), ("to", 1)):
            shown.add_row(name, *(f"{span[end]:.4f}" for span in spans))
    console.show_lines(made.config.title, "")
    console.show_table(shown)
    span = "; from … to is the 95 % interval of the mean over training seeds" if len(made.runs) > 1 else ""
    console.show_lines("", f"{'1 run' if len(made.runs) == 1 else f'{len(made.runs)} runs'}: {made.origin}{span}")
    collapsed = [str(run.result.facts.seed) for run in made.runs if run.result.outcomes.collapsed]
    if collapsed:
        rule = made.config.task.task_head.collapse
        console.show_lines(f"collapsed ({rule}): seed {', '.join(collapsed)}")


def _tell_divergence(made: Study) -> None:
    """The runs are stored, and shown; the command ends as one that did not reach what was asked."""
    from bertspec.errors import Diverged

    diverged = [run.result.facts for run in made.runs if run.result.facts.diverged is not None]
    if diverged:
        raise Diverged(
            f"{len(diverged)} of {len(made.runs)} runs diverged",
            given=diverged[0].diverged,
            allowed="a lower learning rate, a longer warm-up, or gradient clipping",
            where=f"seed {diverged[0].seed} of {made.config.title}",
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


def _means(made: Study) -> dict[str, tuple[float, tuple[float, float] | None]]:
    """Metric → its mean over the seeds, and the interval."""
    from bertspec.statistics import mean_interval

    facts = [run.result.facts for run in made.runs]
    return {name: mean_interval([each.scores[name] for each in facts]) for name in made.config.task.metrics}


def _show_json(made: Study, trained: set[str]) -> None:
    console.show_json(
        {
            "study": made.config.title,
            "recipe": made.config.recipe.model_dump(mode="json"),
            "trained": len(made.trained),
            "metrics": {name: {"mean": mean, "interval": span} for name, (mean, span) in _means(made).items()},
            "runs": [
                {
                    "fingerprint": run.fingerprint,
                    "seed": run.result.facts.seed,
                    "origin": "trained" if run.fingerprint in trained else "store",
                    "scores": run.result.facts.scores,
                    "steps": run.result.facts.steps,
                    "train_s": run.result.facts.timings.train_s,
                    "micro_batch": run.result.facts.micro_batch,
                    "resumed_at": run.result.facts.resumed_at,
                    "diverged": run.result.facts.diverged,
                    "collapsed": run.result.outcomes.collapsed,
                }
                for run in made.runs
            ],
        }
    )
