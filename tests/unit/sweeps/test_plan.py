from __future__ import annotations

import builtins
import re
from typing import Any

import pytest

from bertspec.config import ParameterConfig, SweepConfig
from bertspec.device import Device
from bertspec.errors import InvalidConfig
from bertspec.results import Environment, TrialRecord
from bertspec.study import Session
from bertspec.sweeps import trial
from bertspec.sweeps.plan import Search, build_plan, trial_count

from .conftest import Read
from .test_files import COMPARED, FACTOR


def over(number: int, search: Search, done: list[TrialRecord], **facts: Any) -> TrialRecord:
    proposal = search.proposal(number, done)
    return TrialRecord(
        number=number,
        parameters=dict(proposal.parameters),
        contender=proposal.contender,
        finished="2026-01-01T00:00:00+00:00",
        **facts,
    )


@pytest.fixture
def config(read: Read) -> SweepConfig:
    return read()


def test_contenders_take_turns_and_are_drawn_alike(config: SweepConfig) -> None:
    proposals = [Search(config).proposal(number) for number in range(6)]
    assert [each.contender for each in proposals] == ["adam", "adamw", "sgd"] * 2
    factors = [each.parameters["learning_rate_factor"] for each in proposals]
    assert factors[0] == factors[1] == factors[2] != factors[3] == factors[4] == factors[5]
    assert all(0.1 <= factor <= 10 for factor in factors)


def test_random_trials_are_a_function_of_seed_and_number(config: SweepConfig) -> None:
    backwards = [Search(config, 7).proposal(number) for number in reversed(range(6))]
    assert backwards[::-1] == [Search(config, 7).proposal(number) for number in range(6)]
    assert Search(config, 8).proposal(0) != Search(config, 7).proposal(0)


def test_a_parameter_more_leaves_the_others_as_they_were(read: Read, config: SweepConfig) -> None:
    more = read(old="  steps: {value: 4}", new="  weight_decay: {min: 0.0, max: 0.1}\n  steps: {value: 4}")
    for number in range(4):
        one, two = Search(config).proposal(number).parameters, Search(more).proposal(number).parameters
        assert one["learning_rate_factor"] == two["learning_rate_factor"]
        assert 0 <= two["weight_decay"] <= 0.1


def test_constants_are_part_of_a_trial_and_the_sweeps_own_are_not(read: Read) -> None:
    parameters = Search(read(old="  steps: {value: 4}", new="  seeds: {value: [9]}")).proposal(0).parameters
    assert list(parameters) == ["encoder", "task", "optimizer", "learning_rate_factor"]


def test_a_grid_has_every_combination_once(read: Read) -> None:
    grid = read(old=FACTOR, new="    values: [0.5, 1]\n").model_copy(update={"method": "grid"})
    proposals = [Search(grid).proposal(number) for number in range(grid.grid_size or 0)]
    assert [(each.contender, each.parameters["learning_rate_factor"]) for each in proposals] == [
        ("adam", 0.5), ("adamw", 0.5), ("sgd", 0.5), ("adam", 1), ("adamw", 1), ("sgd", 1),
    ]  # fmt: skip


def test_whole_numbers_are_a_grid(read: Read) -> None:
    grid = read(old=COMPARED, new="  batch_size: {min: 7, max: 9}\n").model_copy(update={"method": "random"})
    assert grid.parameters["batch_size"].choices == (7, 8, 9)


@pytest.fixture
def bayes(config: SweepConfig) -> Search:
    pytest.importorskip("optuna")
    return Search(config.model_copy(update={"method": "bayes"}), seed=3)


def score(trial_factor: Any) -> float:
    """The best factor is 2."""
    return 1 - abs(float(trial_factor) - 2) / 10


def swept(search: Search, trials: int) -> list[TrialRecord]:
    done: list[TrialRecord] = []
    for number in range(trials):
        factor = search.proposal(number, done).parameters["learning_rate_factor"]
        done.append(over(number, search, done, state="finished", score=score(factor)))
    return done


def test_bayes_goes_on_after_an_interruption_as_if_there_had_been_none(bayes: Search) -> None:
    done = swept(bayes, 24)
    again = Search(bayes.config, seed=3)
    assert again.proposal(20, done[:20][::-1]).parameters == done[20].parameters


def test_bayes_looks_where_it_was_good(bayes: Search) -> None:
    late = [float(each.parameters["learning_rate_factor"] or 0) for each in swept(bayes, 60)[30:]]
    assert sum(1 < factor < 4 for factor in late) > 15  # of 30; at random it would be 9


def test_bayes_keeps_away_from_what_failed(bayes: Search) -> None:
    done: list[TrialRecord] = []
    for number in range(60):
        factor = float(bayes.proposal(number, done).parameters["learning_rate_factor"])
        facts = {"state": "failed"} if factor > 1 else {"state": "finished", "score": 0.5}
        done.append(over(number, bayes, done, **facts))
    assert sum(each.state == "failed" for each in done[30:]) < 10  # of 30; at random it would be 15


def test_a_contender_learns_nothing_from_the_others(bayes: Search) -> None:
    done = swept(bayes, 18)
    own = [each for each in done if each.contender == "adam"]
    assert bayes.proposal(18, own) == bayes.proposal(18, done)


def test_bayes_knows_lists_whole_numbers_and_constants(read: Read) -> None:
    pytest.importorskip("optuna")
    mixed = "  weight_decay: {values: [0, 0.1]}\n  batch_size: {min: 4, max: 6}\n"
    search = Search(read(old=COMPARED, new=mixed).model_copy(update={"method": "bayes"}))
    done: list[TrialRecord] = []
    for number in range(8):
        done.append(over(number, search, done, state="finished", score=0.5))
        assert done[-1].parameters["weight_decay"] in (0, 0.1)
        assert done[-1].parameters["batch_size"] in (4, 5, 6)
        assert done[-1].parameters["steps"] == 4


def test_without_optuna_bayes_says_what_to_install(config: SweepConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "optuna":
            raise ImportError(name)
        return honest(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(InvalidConfig, match=r"needs Optuna.*pip install 'bertspec\[bayes\]'"):
        Search(config.model_copy(update={"method": "bayes"})).proposal(0)


def test_another_gpu_makes_another_sweep_and_another_host_does_not(
    config: SweepConfig, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def planned_on(gpu: str, threads: int) -> str:
        facts = {"device": "cuda", "device_name": gpu, "precision": "bf16", "threads": threads}
        environment = Environment.model_validate({**facts, "python": "3.11", "versions": {"cuda": "13.0"}})
        monkeypatch.setattr(Device, "environment", lambda _: environment)
        return build_plan(config, session).sha256

    assert planned_on("NVIDIA H100", 4) == planned_on("NVIDIA H100", 64)
    assert planned_on("NVIDIA H100", 4) != planned_on("NVIDIA H200", 4)


def test_a_grid_without_end_is_enumerated_without_listing_it(read: Read) -> None:
    grid = read(old=COMPARED, new="  batch_size: {min: 1, max: 10000000}\n").model_copy(update={"method": "grid"})
    parameters = {**grid.parameters, "learning_rate_factor": ParameterConfig.model_validate({"values": [0.5, 1]})}
    search = Search(grid.model_copy(update={"parameters": parameters}))
    drawn = [search.proposal(number).parameters for number in (0, 1, 2, 19_999_999)]
    assert [(each["batch_size"], each["learning_rate_factor"]) for each in drawn] == [
        (1, 0.5), (1, 1), (2, 0.5), (10_000_000, 1)
    ]  # fmt: skip


def test_more_trials_than_can_be_run_are_refused(read: Read) -> None:
    grid = read(old=COMPARED, new="  batch_size: {min: 1, max: 1000000}\n")
    grid = grid.model_copy(update={"method": "grid", "run_cap": None})
    fixed = {**grid.parameters, "learning_rate_factor": ParameterConfig(value=1)}
    with pytest.raises(InvalidConfig, match="too many trials; given: '1,000,000'; allowed: up to 10,000: run_cap: N"):
        trial_count(grid.model_copy(update={"parameters": fixed}))
    with pytest.raises(InvalidConfig, match="too many trials; given: '30,003'"):
        trial_count(read(), 10_001)


def test_a_trial_is_checked_by_the_confirmation_seeds_of_its_sweep(read: Read, session: Session) -> None:
    config = read(old="  steps: {value: 4}", new="  seeds: {value: [1]}\n  confirmation_seeds: {value: [2, 3]}")
    plan = build_plan(config, session)
    tuning = trial.tuning_of(plan.parameters(plan.search.proposal(0)))
    assert (tuning.seeds, tuning.confirmation_seeds) == ((1,), (2, 3))


def test_values_that_do_not_go_together_are_refused_with_the_trial(read: Read, session: Session) -> None:
    config = read(
        old=COMPARED,
        new="  batch_size: {values: [32, 8]}\n  micro_batch: {values: [8, 16]}\n",
    ).model_copy(update={"method": "grid", "run_cap": None})
    fixed = {**config.parameters, "learning_rate_factor": ParameterConfig(value=1)}
    with pytest.raises(
        InvalidConfig, match=r"micro_batch 16 is a part of a batch.*given: .batch_size 8, micro_batch 16.*, trial 3"
    ):
        build_plan(config.model_copy(update={"parameters": fixed}), session)


MIXED = """\
method: grid
parameters:
  encoder: {value: bert-tiny}
  task: {value: bundled/sentiment}
  steps: {value: 4}
  optimizer: {value: sgd}
  learning_rate: {values: [0.1, 0.01]}
  batch_size:
    values: [32, 8]
  micro_batch:
    values:
      - 8
      - 16
"""


def test_values_that_do_not_go_together_are_refused_with_their_lines(read: Read, session: Session) -> None:
    with pytest.raises(InvalidConfig) as refused:
        build_plan(read(MIXED), session)
    assert refused.value.given == "batch_size 8, micro_batch 16"
    where = str(refused.value.where)
    assert "mine.yaml, line 9, parameters.batch_size.values.1 and " in where
    assert "mine.yaml, line 13, parameters.micro_batch.values.1, trial " in where


def test_a_value_of_a_range_that_does_not_go_with_another_is_refused_with_the_line_of_the_range(
    read: Read, session: Session
) -> None:
    text = MIXED.replace("grid", "random\nrun_cap: 40")
    with pytest.raises(InvalidConfig) as refused:
        build_plan(read(text, old="values:\n      - 8\n      - 16", new="min: 8\n    max: 16"), session)
    assert re.fullmatch(r"batch_size 8, micro_batch (9|1\d)", str(refused.value.given))
    assert "mine.yaml, line 11, parameters.micro_batch, trial " in str(refused.value.where)


def test_a_sweep_that_is_in_no_file_is_refused_by_its_name(read: Read, session: Session) -> None:
    config = SweepConfig.model_validate(read(MIXED).model_dump(exclude_unset=True) | {"name": "mine"})
    with pytest.raises(InvalidConfig, match="where: sweep mine, trial "):
        build_plan(config, session)
