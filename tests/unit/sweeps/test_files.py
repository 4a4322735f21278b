from __future__ import annotations

import re
from pathlib import Path

import pytest

from bertspec.config import SweepConfig
from bertspec.errors import InvalidConfig, UnknownName
from bertspec.study import Session
from bertspec.sweeps import files

from .conftest import GOOD, Read

ROOT = Path(__file__).parent.parent.parent.parent

COMPARED = "  optimizer:\n    values: [adam, adamw, sgd]\n"
FACTOR = "    distribution: log_uniform_values\n    min: 0.1\n    max: 10\n"


def test_a_sweep_is_called_like_its_file_and_compares_its_optimizers(read: Read) -> None:
    config = read()
    assert config.name == "mine"
    assert config.contenders == ("adam", "adamw", "sgd")
    assert config.planned() == 6
    assert config.planned(5) == 15
    assert (config.tuning.seeds, config.tuning.confirmation_seeds) == ((201, 202), (1, 2, 3, 4, 5))


def test_a_sweep_without_a_metric_takes_the_main_one_of_its_task(read: Read) -> None:
    metric = read(old="metric:\n  name: accuracy\n  goal: maximize\n", new="").metric
    assert metric is not None
    assert (metric.name, metric.goal) == ("accuracy", "maximize")


def test_a_nested_parameter_is_named_with_a_dot(read: Read) -> None:
    config = read(
        old=COMPARED, new="  optimizer: {value: sgd}\n  settings: {parameters: {momentum: {values: [0, 0.9]}}}\n"
    )
    assert config.searched["settings.momentum"].values == (0, 0.9)
    assert config.contenders == ()


def test_a_number_may_be_written_with_an_exponent_alone(read: Read) -> None:
    config = read(old="min: 0.1", new="min: 1e-1")
    assert config.parameters["learning_rate_factor"].min == 0.1


def test_what_stands_in_the_file_can_be_given_to_wandb_again(read: Read) -> None:
    config = read(old="method: random", new="method: random\nprogram: train.py\ncommand: [rm, -rf, x]")
    document = config.model_dump(mode="json", exclude_unset=True)
    assert document["command"] == ["rm", "-rf", "x"]
    assert document["parameters"]["learning_rate_factor"] == {
        "distribution": "log_uniform_values",
        "min": 0.1,
        "max": 10,
    }
    assert SweepConfig.model_validate(document).model_dump() == config.model_dump()


@pytest.mark.parametrize("sweep", sorted((ROOT / "configs" / "sweeps").glob("*.yaml")), ids=lambda file: file.stem)
def test_every_sweep_that_travels_with_bertspec_can_be_read(sweep: Path, session: Session) -> None:
    config = files.read(sweep.stem, session)
    assert config.name == sweep.stem
    assert config.planned() > 0


def test_a_sweep_of_no_file_is_checked_the_same_way(session: Session) -> None:
    values = {"method": "grid", "parameters": {"encoder": {"value": "bert-tiny"}, "task": {"value": "nothing"}}}
    with pytest.raises(
        InvalidConfig, match=r"unknown task; given: 'nothing'; .*where: the table, parameters.task.value"
    ):
        files.parse(values, session, name="inline", where="the table")


def test_an_unknown_sweep_is_reported_with_the_known_ones(session: Session) -> None:
    with pytest.raises(UnknownName, match=r"unknown sweep; given: 'optimisers'; allowed: did you mean optimizers"):
        files.read("optimisers", session)


REFUSED = {
    "an unknown method": ("method: random", "method: genetic", 1, "'genetic'", "grid"),
    "a custom method": ("method: random", "method: custom", 1, "not supported", ""),
    "an unknown key": ("run_cap: 6", "runcap: 6", 5, "did you mean run_cap?", "early_terminate"),
    "a launch job": ("run_cap: 6", "job: x", 5, "job is not supported: W&B Launch", ""),
    "a scheduler": ("run_cap: 6", "scheduler: {engine: ax}", 5, "no code of a sweep file", ""),
    "a local controller": ("run_cap: 6", "run_cap: 6\ncontroller:\n  type: local", 7, "local controller", ""),
    "imputing": ("  goal: maximize", "  goal: maximize\n  impute: best", 5, "impute is not supported", ""),
    "no budget": ("run_cap: 6", "run_cap: 0", 5, "run_cap: input should be greater than 0", ""),
    "unequal budgets": ("run_cap: 6", "run_cap: 7", 5, "cannot share", "a multiple of 3"),
    "probabilities of contenders": (
        "values: [adam, adamw, sgd]",
        "values: [adam, adamw, sgd]\n    probabilities: [0.5, 0.25, 0.25]",
        12,
        "contenders take turns and are not drawn",
        "values alone",
    ),
    "several tasks": (
        "{value: bundled/sentiment}",
        "{values: [bundled/sentiment, bundled/majority]}",
        8,
        "a sweep has one task",
        "one value",
    ),
    "a target without evaluations": (
        "  steps: {value: 4}",
        "  steps: {value: 4}\n  target: {value: 0.9}",
        10,
        "the target needs evaluations during training",
        "evaluate_every",
    ),
    "a target that no score can be": (
        "  steps: {value: 4}",
        "  steps: {value: 4}\n  evaluate_every: {value: 2}\n  target: {value: 85}",
        11,
        "accuracy can never be 85",
        "0 to 1",
    ),
    "nothing searched": (
        f"{COMPARED}  learning_rate_factor:\n{FACTOR}",
        "  optimizer: {value: adam}\n",
        6,
        "nothing is searched",
        "at least one parameter",
    ),
    "no seeds of confirmation": (
        "  steps: {value: 4}",
        "  steps: {value: 4}\n  confirmation_seeds: {value: []}",
        10,
        "at least 1 item",
        "",
    ),
    "an unknown distribution": (
        "log_uniform_values",
        "log_unifrom_values",
        13,
        "did you mean log_uniform_values?",
        "beta",
    ),
    "an unknown field": ("    max: 10", "    maximum: 10", 15, "no such field", "max"),
    "min above max": ("min: 0.1", "min: 100", 14, "min is not below max; given: 'min 100, max 10'", ""),
    "a logarithm of zero": ("min: 0.1", "min: 0", 14, "min must be above zero", ""),
    "ends that are no exponents": (
        FACTOR,
        "    distribution: log_uniform\n    min: 1\n    max: 1000\n",
        15,
        "exponents",
        "log_uniform_values",
    ),
    "half a range": ("    max: 10\n", "", 12, "lacks max", "max, min"),
    "nothing to choose": (FACTOR, "    values: []\n", 13, "values: tuple should have at least 1 item", ""),
    "a value twice": ("[adam, adamw, sgd]", "[adam, adam, sgd]", 11, "a value is listed twice", ""),
    "a stray field": (
        "[adam, adamw, sgd]",
        "[adam, adamw, sgd]\n    min: 1",
        12,
        "categorical does not go with min",
        "values",
    ),
    "an unknown parameter": ("  steps:", "  step:", 9, "unknown parameter: did you mean steps?", "weight_decay"),
    "a parameter nested too deep": (
        "steps: {value: 4}",
        "steps: {parameters: {x: {value: 4}}}",
        9,
        "only settings",
        "",
    ),
    "an unknown optimizer": (
        "[adam, adamw, sgd]",
        "[adam, adamw, sgdd]",
        11,
        "unknown optimizer; given: 'sgdd'",
        "did you mean sgd",
    ),
    "an unknown encoder": ("value: bert-tiny", "value: bert-tny", 7, "unknown encoder; given: 'bert-tny'", "bert-tiny"),
    "an unknown task": ("bundled/sentiment", "bundled/sentimint", 8, "unknown task", "bundled/sentiment"),
    "a number for a name": ("value: bert-tiny", "value: 7", 7, "encoder is a name; given: 7", ""),
    "negative steps": ("value: 4", "value: -4", 9, "steps: input should be greater than 0; given: -4", ""),
    "a word for a number": ("value: 4", "value: many", 9, "steps: input should be a valid integer", ""),
    "a negative rate": (
        "learning_rate_factor:\n" + FACTOR,
        "learning_rate:\n    min: -0.5\n    max: 0.5\n",
        13,
        "learning_rate: input should be greater than 0; given: -0.5",
        "",
    ),
    "a negative factor": (FACTOR, "    min: -0.5\n    max: 0.5\n", 13, "a number above zero; given: -0.5", ""),
    "two rates": ("  steps: {value: 4}", "  learning_rate: {value: 0.1}", 9, "both given", "one of the two"),
    "a metric that the task does not measure": (
        "name: accuracy",
        "name: acuracy",
        3,
        "bundled/sentiment does not measure this metric: did you mean accuracy?",
        "loss",
    ),
    "the wrong goal": ("goal: maximize", "goal: minimize", 4, "the worst accuracy", "goal: maximize"),
    "the default goal": ("\n  goal: maximize", "", 3, "minimize is the default of W&B", "goal: maximize"),
    "a target beside a comparison": (
        "goal: maximize",
        "goal: maximize\n  target: 0.9",
        5,
        "unequal budgets",
        "the parameter target",
    ),
    "a grid over a range": (
        "method: random",
        "method: grid",
        12,
        "a grid over the range of learning_rate_factor would never end",
        "values: a list",
    ),
    "seeds in common": (
        "steps: {value: 4}",
        "seeds: {value: [3, 7]}",
        9,
        "must be fresh; given: [3]",
        "no seed in common",
    ),
    "a seed twice": ("steps: {value: 4}", "seeds: {value: [7, 7]}", 9, "seeds [7] stand twice", ""),
    "searched seeds": (
        "steps: {value: 4}",
        "seeds: {values: [7, 8]}",
        9,
        "seeds configures the sweep",
        "value: VALUE",
    ),
    "a share of everything": ("steps: {value: 4}", "tuning_share: {value: 1}", 9, "less than 1", ""),
    "a comparison of nothing": (
        "steps: {value: 4}",
        "compare: {value: task}",
        9,
        "no parameter that has several values; given: 'task'",
        "optimizer",
    ),
    "a bracket of nothing": (
        "run_cap: 6",
        "run_cap: 6\nearly_terminate:\n  type: hyperband\n  max_iter: 2\n  s: 2",
        8,
        "no bracket",
        "",
    ),
    "half of hyperband": (
        "run_cap: 6",
        "run_cap: 6\nearly_terminate:\n  type: hyperband",
        6,
        "needs either min_iter, or max_iter",
        "",
    ),
    "another way to stop": ("run_cap: 6", "run_cap: 6\nearly_terminate:\n  type: median", 7, "hyperband", ""),
    "hyperband without evaluations": (
        "run_cap: 6",
        "run_cap: 6\nearly_terminate: {type: hyperband, min_iter: 1}",
        6,
        "hyperband needs evaluations during training",
        "evaluate_every",
    ),
    "hyperband and another metric": (
        "name: accuracy\n  goal: maximize\nrun_cap: 6\nparameters:\n",
        (
            "name: f1\n  goal: maximize\nearly_terminate: {type: hyperband, min_iter: 1}\nrun_cap: 6\nparameters:\n"
            "  evaluate_every: {value: 2}\n"
        ),
        3,
        "needs the task's main metric",
        "accuracy",
    ),
    "a key twice": ("run_cap: 6", "run_cap: 6\nrun_cap: 9", 6, "repeats a key", ""),
    "exponents meant as values": (
        "learning_rate_factor:\n" + FACTOR,
        "learning_rate: {distribution: log_uniform, min: 0.0001, max: 0.1}\n",
        12,
        "the ends of log_uniform are exponents of e",
        "log_uniform_values",
    ),
    "exponents of a rate above 1": (
        "learning_rate_factor:\n" + FACTOR,
        "learning_rate: {distribution: q_log_uniform, min: 0.5, max: 2.5}\n",
        12,
        "no learning_rate can be drawn: the ends of q_log_uniform are exponents of e",
        "q_log_uniform_values",
    ),
    "exponents of a share": (
        "learning_rate_factor:\n" + FACTOR,
        "warmup_fraction: {distribution: log_uniform, min: 0, max: 0.2}\n",
        12,
        "no warmup_fraction can be drawn: the ends of log_uniform are exponents of e",
        "log_uniform_values",
    ),
    "ends of which one is not whole": (
        FACTOR,
        FACTOR + "  batch_size: {min: 8, max: 32.0}\n",
        16,
        "a fractional part, between the ends of batch_size",
        "whole numbers for both ends",
    ),
    "a range too wide": (
        "steps: {value: 4}",
        "steps: {min: 1, max: 5000000000000000000}",
        9,
        "the range is too wide",
        "4611686018427387904",
    ),
    "steps without end": (
        "steps: {value: 4}",
        "steps: {min: 1, max: 1000000000}",
        9,
        "steps: input should be less than or equal to 10000000; given: 1000000000",
        "",
    ),
    "trials without end": (
        "run_cap: 6",
        "run_cap: 1000000000000",
        5,
        "run_cap: input should be less than or equal to 10000; given: 1000000000000",
        "",
    ),
    "brackets without end": (
        "run_cap: 6",
        "run_cap: 6\nearly_terminate: {type: hyperband, min_iter: 1, eta: 1.0000001}",
        6,
        "eta: input should be greater than or equal to 1.01",
        "",
    ),
    "seeds without end": (
        "steps: {value: 4}",
        f"seeds: {{value: [{', '.join(map(str, range(1001, 2102)))}]}}",
        9,
        "seeds: tuple should have at most 1000 items",
        "",
    ),
    "a date for a number": ("value: 4", "value: 2024-13-45", 9, "has a date", ""),
    "a number in base 8": ("value: 4", "value: 010", 9, "read differently", ""),
    "no YAML": ("run_cap: 6", "run_cap: [6", 6, "not YAML", ""),
    "code": ("run_cap: 6", "run_cap: !!python/object/apply:os.system [ls]", 5, "no text, number, true, false", ""),
}


@pytest.mark.parametrize("wrong", REFUSED)
def test_it_is_refused_with_its_line(read: Read, wrong: str) -> None:
    old, new, line, said, allowed = REFUSED[wrong]
    with pytest.raises(InvalidConfig) as refusal:
        read(old=old, new=new)
    message = str(refusal.value)
    assert said in message
    assert allowed in message
    assert re.search(rf"where: .*mine\.yaml, line {line}\b", message), message


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_an_empty_file_is_refused(read: Read, text: str) -> None:
    with pytest.raises(InvalidConfig, match="the sweep file is empty"):
        read(text)


@pytest.mark.parametrize("text", ["- one\n- two\n", "method\n"])
def test_a_file_of_something_else_is_refused(read: Read, text: str) -> None:
    with pytest.raises(InvalidConfig, match="a sweep must be a mapping of keys"):
        read(text)


def test_a_sweep_without_its_task_is_refused(read: Read) -> None:
    with pytest.raises(InvalidConfig, match=r"lacks its task; allowed: task: \{value: NAME\}"):
        read(old="  task: {value: bundled/sentiment}\n", new="")


def test_random_search_without_a_number_of_trials_has_no_plan(read: Read) -> None:
    config = read(old="run_cap: 6\n", new="")
    assert config.planned(2) == 6
    with pytest.raises(ValueError, match="never ends"):
        config.planned()


def test_a_grid_is_as_large_as_its_values_allow(read: Read) -> None:
    config = read(old=FACTOR, new="    values: [0.5, 1, 2]\n").model_copy(update={"method": "grid", "run_cap": None})
    assert config.planned() == 9
    assert config.planned(2) == 6
    assert config.planned(50) == 9


def test_a_grid_that_the_contenders_cannot_share_is_refused(read: Read) -> None:
    grid = GOOD.replace("method: random", "method: grid").replace(FACTOR, "    values: [0.5, 1, 2]\n")
    assert read(grid).planned() == 6
    with pytest.raises(InvalidConfig, match=r"3 contenders cannot share .* given: 7; allowed: a multiple of 3"):
        read(grid, old="run_cap: 6", new="run_cap: 7")


def test_brackets_lie_at_powers_of_eta(read: Read) -> None:
    stopped = "run_cap: 6\nearly_terminate: {type: hyperband, %s}"
    looking = GOOD.replace("steps: {value: 4}", "evaluate_every: {value: 2}")
    rising = read(looking, old="run_cap: 6", new=stopped % "min_iter: 2, eta: 2").early_terminate
    falling = read(looking, old="run_cap: 6", new=stopped % "max_iter: 27, s: 2").early_terminate
    assert rising is not None
    assert falling is not None
    assert rising.brackets(20) == (2, 4, 8, 16)
    assert falling.brackets(20) == (3, 9)


@pytest.mark.parametrize("text", ["method: &a [*a, *a]\n", "\x00", "parameters: &a {x: *a}\nmethod: grid\n"])
def test_yaml_that_is_valid_and_meaningless_is_refused(read: Read, text: str) -> None:
    with pytest.raises(InvalidConfig):
        read(text)


def test_aliases_of_aliases_take_no_time(read: Read) -> None:
    laughs = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30))
    with pytest.raises(InvalidConfig, match="more than 1,000,000 characters once its aliases"):
        read(f"a0: &a0 [1, 2]\n{laughs}")
