"""Fine-tune an encoder on a task, once for each seed. Finished runs come from the store."""

from __future__ import annotations

import argparse
import re
from typing import TYPE_CHECKING, Any, get_args

from bertspec.cli import bench, complete, console
from bertspec.spec import OptimizerSpec, RecipeSpec

if TYPE_CHECKING:
    from bertspec.study import Study

__all__ = ["EPILOG", "HELP", "NAME", "add_arguments", "execute", "seeds", "steps"]

NAME = "run"
HELP = "fine-tune an encoder on a task"
EPILOG = """\
examples:
  bertspec run --encoder bert-tiny --task bundled/sentiment
  bertspec run --encoder minilm --task reviews --optimizer sgd --learning-rate 0.05 --seeds 1-5
  bertspec run --encoder google-bert/bert-base-uncased --task glue/sst2 --epochs 3 --checkpoint-every 500
  bertspec run --encoder bert-tiny --task bundled/sentiment --setting beta2=0.98 --json

--json writes one object: study, trained, runs (fingerprint, seed, origin, scores, steps, train_s) and
metrics (name -> mean, interval).
"""

_FIELDS = {
    **{name: RecipeSpec.model_fields[name] for name in RecipeSpec.model_fields if name != "optimizer"},
    **{name: OptimizerSpec.model_fields[name] for name in ("learning_rate", "weight_decay")},
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Every recipe field is an option."""
    what = parser.add_argument_group("what")
    for name, required in (("encoder", True), ("task", True), ("recipe", False), ("optimizer", False)):
        option = what.add_argument(f"--{name}", required=required, metavar="NAME", help=_MEANING[name])
        complete.names(option, name)
    what.add_argument(
        "--seeds", type=seeds, default=(1, 2, 3), metavar="1-3", help="one run for each: 1-5, or 1,4,7 (default: 1-3)"
    )
    recipe = parser.add_argument_group("recipe fields, over those of the recipe")
    for name, field in _FIELDS.items():
        choices = [value for value in get_args(field.annotation) if isinstance(value, str)]
        recipe.add_argument(
            f"--{name.replace('_', '-')}",
            metavar="|".join(choices) if choices else "VALUE",
            help=_summary(name),
            dest=f"field_{name}",
        )
    recipe.add_argument(
        "--setting",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of the optimizer alone, such as momentum=0.9; may be repeated",
    )
    how = parser.add_argument_group("how")
    bench.add_device(how)  # type: ignore[arg-type]
    bench.add_store(how)  # type: ignore[arg-type]
    how.add_argument("--fresh", action="store_true", help="train again what is stored")
    how.add_argument(
        "--checkpoint-every", type=steps, metavar="STEPS", help="an interrupted run goes on from its last checkpoint"
    )
    how.add_argument("--keep-models", action="store_true", help="keep the fine-tuned encoders, beside their runs")
    how.add_argument("--json", action="store_true", help="write the result for machines")


def execute(arguments: argparse.Namespace) -> int:
    """Plan everything, then train what is missing."""
    from bertspec import study

    work = bench.workbench(
        arguments,
        fresh=arguments.fresh,
        checkpoint_every=arguments.checkpoint_every,
        keep_models=arguments.keep_models,
    )
    made = study.run(work.plan(_asked(arguments)), work)
    work.tracker.close()
    (_show_json if arguments.json else _show)(made)
    return 0


def seeds(text: str) -> tuple[int, ...]:
    """``1-3`` or ``1,4,7`` → the numbers."""
    span = re.fullmatch(r"(\d+)(?:-|\.\.| to )(\d+)", text)
    if span and int(span[1]) <= int(span[2]):
        return tuple(range(int(span[1]), int(span[2]) + 1))
    if re.fullmatch(r"\d+(,\d+)*", text):
        return tuple(int(number) for number in text.split(","))
    raise argparse.ArgumentTypeError(f"{text!r} is not a list of seeds, such as 1-3 or 1,4,7")


def steps(text: str) -> int:
    """A positive number of steps."""
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of steps, such as 500")
    return int(text)


_MEANING = {
    "encoder": "a name (bertspec list encoders), a hub id, a folder, a YAML file",
    "task": "a name (bertspec list tasks), a YAML file",
    "recipe": "a name (bertspec list recipes), a YAML file (default: the encoder's own)",
    "optimizer": "a name (bertspec list optimizers) (default: the recipe's own)",
}

_SUMMARIES = {
    "epochs": "passes over the training split",
    "steps": "optimizer steps, instead of epochs",
    "batch_size": "examples per optimizer step",
    "max_length": "tokens per example",
    "warmup_fraction": "share of the steps in which the learning rate rises",
    "schedule": "what the learning rate does after that",
    "clip_norm": "the largest gradient norm, or none",
    "precision": "the compute type",
    "loss": "what is minimised",
    "threads": "CPU threads",
    "learning_rate": "the peak learning rate",
    "weight_decay": "weight decay",
}


def _summary(name: str) -> str:
    return _SUMMARIES.get(name, name.replace("_", " "))


def _asked(arguments: argparse.Namespace) -> dict[str, Any]:
    words = {name: getattr(arguments, name) for name in ("encoder", "task", "recipe", "optimizer")}
    fields = {name: getattr(arguments, f"field_{name}") for name in _FIELDS}
    asked: dict[str, Any] = {name: value for name, value in {**words, **fields}.items() if value is not None}
    asked = {name: None if value == "none" else value for name, value in asked.items()}
    if arguments.setting:
        asked["settings"] = dict(_setting(text) for text in arguments.setting)
    return {**asked, "seeds": arguments.seeds}


def _setting(text: str) -> tuple[str, Any]:
    import yaml

    from bertspec.errors import InvalidSpec

    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise InvalidSpec("a setting is not understood", given=text, allowed="NAME=VALUE", where="--setting")
    return name, yaml.safe_load(value)


def _show(made: Study) -> None:
    from bertspec.metrics import METRICS

    metrics = made.spec.task.metrics
    titles = [METRICS[name].title for name in metrics]
    shown = console.table("seed", *titles, "steps", "seconds", "run", numbers=("seed", *titles, "steps", "seconds"))
    for run in made.runs:
        facts = run.result.facts
        scores = [f"{facts.scores[name]:.4f}" for name in metrics]
        notes = f"{run.fingerprint[:12]}{_note(run.result.facts)}"
        shown.add_row(str(facts.seed), *scores, str(facts.steps), f"{facts.timings.train_s:.1f}", notes)
    console.show_lines(made.spec.title, "")
    console.show_table(shown)
    console.show_lines("", *(_mean(made, name, title) for name, title in zip(metrics, titles, strict=True)))
    console.show_lines(f"{len(made.runs)} runs: {made.origin}")


def _note(facts: Any) -> str:
    notes = []
    if facts.micro_batch is not None:
        notes.append(f"{facts.micro_batch} examples at a time: the memory was too small for a batch")
    if facts.resumed_at:
        notes.append("resumed after step " + ", ".join(str(step) for step in facts.resumed_at))
    return f" ({'; '.join(notes)})" if notes else ""


def _mean(made: Study, name: str, title: str) -> str:
    from bertspec.verdict import mean_interval

    mean, interval = mean_interval(made.scores(name))
    reach = f"  [{interval[0]:.4f}, {interval[1]:.4f}] 95 % over seeds" if interval else ""
    return f"{title}: mean {mean:.4f}{reach}"


def _show_json(made: Study) -> None:
    from bertspec.verdict import mean_interval

    means = {name: mean_interval(made.scores(name)) for name in made.spec.task.metrics}
    console.show_json(
        {
            "study": made.spec.title,
            "trained": made.trained,
            "metrics": {name: {"mean": mean, "interval": interval} for name, (mean, interval) in means.items()},
            "runs": [
                {
                    "fingerprint": run.fingerprint,
                    "seed": run.result.facts.seed,
                    "scores": run.result.facts.scores,
                    "steps": run.result.facts.steps,
                    "train_s": run.result.facts.timings.train_s,
                    "micro_batch": run.result.facts.micro_batch,
                    "resumed_at": run.result.facts.resumed_at,
                }
                for run in made.runs
            ],
        }
    )
