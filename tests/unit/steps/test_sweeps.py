from __future__ import annotations

from dataclasses import dataclass

import bertspec.steps.then  # noqa: F401 - it defines the Then steps
import pytest
from bertspec.steps.arguments import parameters
from bertspec.steps.scene import Recipe, expectations
from bertspec.steps.sweeps import compared, of_table

from bertspec.config import EncoderConfig, SweepConfig, TaskConfig
from bertspec.errors import InvalidConfig, UnknownName
from bertspec.study import Session
from bertspec.sweeps import files

HEAD = ["parameter", "values"]
OPTIMIZERS = ["optimizer", "adamw, sgd"]


@dataclass(frozen=True)
class Scene:
    """The Given lines of a scenario."""

    encoder: EncoderConfig
    task: TaskConfig
    recipe: Recipe

    def sweep(self, over: str, table: list[list[str]], session: Session) -> SweepConfig:
        return of_table(over, table, session, encoder=self.encoder, task=self.task, recipe=self.recipe)


@pytest.fixture
def scene(session: Session) -> Scene:
    catalog = session.catalog
    recipe = Recipe(name="from-scratch", changes={"steps": 20})
    return Scene(catalog.encoder("bert-tiny"), catalog.task("bundled/sentiment"), recipe)


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("adam, adamw", {"values": ["adam", "adamw"]}),
        ("0.3, 1, 3.0", {"values": [0.3, 1, 3.0]}),
        ("1e-4, 1e-3", {"values": [1e-4, 1e-3]}),
        ("0.1 to 10", {"min": 0.1, "max": 10}),
        ("1e-5 to 1e-3 on a log scale", {"min": 1e-5, "max": 1e-3, "distribution": "log_uniform_values"}),
        ("linear", {"value": "linear"}),
        ("32", {"value": 32}),
        ("true, false", {"values": [True, False]}),
    ],
)
def test_a_cell_lists_values_or_gives_a_range(cell: str, found: dict[str, object]) -> None:
    assert parameters([HEAD, ["x", cell]]) == {"x": found}


def test_seeds_are_seeds() -> None:
    assert parameters([["seeds", "201"], ["confirmation_seeds", "1 to 5"]]) == {
        "seeds": {"value": [201]},
        "confirmation_seeds": {"value": [1, 2, 3, 4, 5]},
    }


def test_a_table_of_parameters_has_two_columns() -> None:
    with pytest.raises(InvalidConfig, match="two columns"):
        parameters([["optimizer", "adam", "adamw"]])


def test_listed_values_make_a_grid_on_what_the_given_lines_hold_fixed(scene: Scene, session: Session) -> None:
    config = scene.sweep("optimizer", [HEAD, OPTIMIZERS, ["learning_rate_factor", "0.3, 1, 3"]], session)
    assert (config.method, config.contenders, config.planned(2)) == ("grid", ("adamw", "sgd"), 4)
    assert {name: config.parameters[name].value for name in ("encoder", "task", "recipe", "steps")} == {
        "encoder": "bert-tiny",
        "task": "bundled/sentiment",
        "recipe": "from-scratch",
        "steps": 20,
    }


def test_a_range_is_drawn_at_random(scene: Scene, session: Session) -> None:
    config = scene.sweep("optimizer", [OPTIMIZERS, ["learning_rate_factor", "0.1 to 10 on a log scale"]], session)
    assert (config.method, config.planned(8)) == ("random", 16)


def test_anything_listed_may_be_compared(scene: Scene, session: Session) -> None:
    config = scene.sweep("schedule", [["schedule", "linear, constant"], ["learning_rate_factor", "0.3, 1"]], session)
    assert config.contenders == ("linear", "constant")


def test_what_the_sweep_is_over_stands_in_its_table(scene: Scene, session: Session) -> None:
    with pytest.raises(InvalidConfig, match="does not list what the sweep is over"):
        scene.sweep("schedule", [OPTIMIZERS], session)


def test_a_sweep_over_a_range_compares_nothing_and_is_refused(scene: Scene, session: Session) -> None:
    with pytest.raises(InvalidConfig, match=r"over learning_rate, and the table does not list several values of it"):
        scene.sweep("learning_rate", [OPTIMIZERS, ["learning_rate", "1e-4 to 1e-2 on a log scale"]], session)


def test_more_trials_than_the_grid_has_are_refused_before_training(scene: Scene, session: Session) -> None:
    config = scene.sweep("optimizer", [OPTIMIZERS, ["learning_rate_factor", "0.3, 1, 3"]], session)
    with pytest.raises(InvalidConfig, match=r"fewer trials for each contender; given: 4; allowed: at most 3"):
        compared(config, Recipe(), session, 4)


def test_a_file_that_compares_nothing_is_refused_before_training(session: Session) -> None:
    given = {"encoder": {"value": "bert-tiny"}, "task": {"value": "bundled/sentiment"}, "steps": {"values": [4, 8]}}
    config = files.parse({"method": "grid", "parameters": given}, session, name="mine", where="this test")
    with pytest.raises(InvalidConfig, match="the sweep compares nothing"):
        compared(config, Recipe(), session, 2)


def test_a_task_that_a_given_line_changed_cannot_be_swept(scene: Scene, session: Session) -> None:
    changed = scene.task.model_copy(update={"sabotage": "shuffled labels"})
    with pytest.raises(InvalidConfig, match="changed by a Given line"):
        Scene(scene.encoder, changed, scene.recipe).sweep("optimizer", [OPTIMIZERS], session)


def test_a_learning_rate_that_a_given_line_multiplied_cannot_be_swept(scene: Scene, session: Session) -> None:
    with pytest.raises(InvalidConfig, match="its own learning rates"):
        Scene(scene.encoder, scene.task, Recipe(changes={"learning_rate_factor": 10.0})).sweep(
            "optimizer", [OPTIMIZERS], session
        )


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('"adamv" is among the best', "did you mean adamw"),
        ('"adamw" is within 5 of the best', "the tolerance"),
        ('a claim that "sgd" is within 5 of the best does not pass', "the tolerance"),
        (
            '"adamw" needs at most 0 times the steps of "sgd" to reach 0.8',
            "the factor of steps is not a positive number",
        ),
        ('"adamw" needs at most 1 times the steps of "sgd" to reach 85', "accuracy can never be 85"),
        ('"adamw" needs at most 1 times the steps of "sgd" to reach 0.8', "needs evaluations during training"),
        ('"adamw" stays within 0.02 of its best over at least 0 decades of the learning rate', "0 decades"),
    ],
)
def test_a_line_that_no_sweep_could_answer_is_refused_before_it_is_run(
    line: str, message: str, scene: Scene, session: Session
) -> None:
    config = scene.sweep("optimizer", [HEAD, OPTIMIZERS, ["learning_rate_factor", "0.3, 1, 3"]], session)
    with pytest.raises((InvalidConfig, UnknownName), match=message):
        compared(config, Recipe(expected=expectations(["the run took some time", line])), session, 2)
    assert session.store.count() == 0


def test_a_sweep_that_compares_nothing_says_so_before_its_claims_are_checked(session: Session) -> None:
    config = files.parse(
        {
            "method": "grid",
            "parameters": {
                "encoder": {"value": "bert-tiny"},
                "task": {"value": "bundled/sentiment"},
                "steps": {"values": [10, 20]},
            },
        },
        session,
        name="lone",
        where="this test",
    )
    recipe = Recipe(expected=expectations(['"adamw" is among the best']))
    with pytest.raises(InvalidConfig, match="compares nothing"):
        compared(config, recipe, session, 2)


@pytest.mark.parametrize("trials", [0, -1])
def test_a_contender_has_at_least_one_trial(trials: int, scene: Scene, session: Session) -> None:
    config = scene.sweep("optimizer", [HEAD, OPTIMIZERS], session)
    with pytest.raises(InvalidConfig, match="at least one trial"):
        compared(config, Recipe(), session, trials)
