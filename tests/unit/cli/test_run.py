from __future__ import annotations

import argparse
import dataclasses
import json
import math
import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from bertspec.api import StudyResult
from bertspec.cli.commands import run
from bertspec.config import StudyConfig
from bertspec.errors import Diverged
from bertspec.store import StoredRun
from bertspec.study import Study

from .conftest import NEW, OLD


@pytest.fixture
def study(study_config: StudyConfig, runs: tuple[StoredRun, StoredRun]) -> StudyResult:
    """Two runs; the one with seed 2 was trained now."""
    return _study(study_config, runs)


def _study(config: StudyConfig, runs: tuple[StoredRun, ...], *, shared: int = 0) -> StudyResult:
    """A study whose evaluation split has 10 rows, of which some were also trained on."""
    nothing: Any = None
    texts = [f"text {number}" for number in range(20)]
    train, evaluation = {"text": texts[:10]}, {"text": texts[10 - shared : 20 - shared]}
    inputs: Any = SimpleNamespace(splits=SimpleNamespace(train=train, evaluation=evaluation))
    return StudyResult(Study(config, nothing, inputs, nothing, list(runs), trained={NEW}))


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("1-3", (1, 2, 3)), ("1,4,7", (1, 4, 7)), ("1-2,9", (1, 2, 9)), ("1 to 3", (1, 2, 3)), ("1..3", (1, 2, 3))],
)
def test_seeds_are_a_span_or_a_list(text: str, numbers: tuple[int, ...]) -> None:
    assert run.seeds(text) == numbers


@pytest.mark.parametrize("text", ["", "3-1", "one", "1,", "-1", "1-2-3", "1.5", "99999999999"])
def test_what_is_no_list_of_seeds_is_bad_usage(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a list of seeds, such as 1-3 or 1,4,7"):
        run.seeds(text)


def test_a_billion_seeds_are_a_slip() -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="more than 1000 seeds"):
        run.seeds("1-1000000000")


def test_the_table_has_a_row_for_each_seed_and_says_where_it_came_from(
    study: StudyResult, capsys: pytest.CaptureFixture[str]
) -> None:
    run._show(study)
    output = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["2", "0.7000", "0.2500", "2", "2.0", "trained", NEW[:12]] in output
    assert ["1", "0.6000", "0.2500", "2", "2.0", "store", OLD[:12]] in output


def test_the_table_ends_with_the_mean_and_its_interval(study: StudyResult, capsys: pytest.CaptureFixture[str]) -> None:
    run._show(study)
    output = capsys.readouterr().out
    assert "mean     0.6500   0.2500" in output
    assert "from     0.0147   0.2500" in output
    assert "to     1.2853   0.2500" in output
    assert "2 runs: 1 trained and 1 from the store" in output


def test_one_run_has_no_interval(
    study_config: StudyConfig, runs: tuple[StoredRun, StoredRun], capsys: pytest.CaptureFixture[str]
) -> None:
    run._show(_study(study_config, runs[:1]))
    output = capsys.readouterr().out
    assert "1 run: 1 trained\n" in output
    assert "from" not in output


def test_the_result_for_machines_has_the_documented_keys(
    study: StudyResult, capsys: pytest.CaptureFixture[str]
) -> None:
    run._show_json(study)
    output = json.loads(capsys.readouterr().out)
    assert set(output) == {"study", "recipe", "trained", "problems", "contamination", "metrics", "runs"}
    assert all(key in run.EPILOG for key in output)
    assert (output["problems"], output["contamination"]) == ([], {"exact": 0, "normalized": 0, "rows": 10})
    assert output["metrics"]["f1"] == {"mean": 0.25, "interval": [0.25, 0.25]}
    assert [each["origin"] for each in output["runs"]] == ["trained", "store"]
    for each in output["runs"]:
        assert all(key in run.EPILOG for key in each)


def test_a_run_that_diverged_is_shown_and_ends_the_command(
    study_config: StudyConfig, runs: tuple[StoredRun, StoredRun], capsys: pytest.CaptureFixture[str]
) -> None:
    facts = runs[1].result.facts.model_copy(update={"diverged": "loss nan at step 2 of 8, learning rate 0.1"})
    wild = dataclasses.replace(runs[1], result=dataclasses.replace(runs[1].result, facts=facts))
    diverged = _study(study_config, (runs[0], wild))
    run._show(diverged)
    assert "(diverged)" in capsys.readouterr().out
    with pytest.raises(Diverged, match=r"1 of 2 runs diverged; given: .*step 2 of 8.*; .*lower learning rate.*seed 1"):
        run._refuse_divergence(diverged)
    run._refuse_divergence(_study(study_config, runs))


def test_a_seed_that_collapsed_is_told(
    study_config: StudyConfig, runs: tuple[StoredRun, StoredRun], capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes = runs[1].result.outcomes
    one_class = dataclasses.replace(outcomes, outputs=np.tile(np.float32([1.0, 0.0]), (len(outcomes.references), 1)))
    fallen = dataclasses.replace(runs[1], result=dataclasses.replace(runs[1].result, outcomes=one_class))
    run._show(_study(study_config, (runs[0], fallen)))
    seed = fallen.result.facts.seed
    output = capsys.readouterr().out
    assert f"collapsed (one class only, or no better than the majority): seed {seed}\n" in output
    assert "no claim of quality can pass: 1 of 2 seeds collapsed" in output


def test_a_score_that_is_not_defined_is_shown_as_that_and_counts_as_zero(
    study_config: StudyConfig, runs: tuple[StoredRun, StoredRun], capsys: pytest.CaptureFixture[str]
) -> None:
    facts = runs[1].result.facts.model_copy(update={"scores": runs[1].result.facts.scores | {"accuracy": math.nan}})
    undefined = dataclasses.replace(runs[1], result=dataclasses.replace(runs[1].result, facts=facts))
    study = _study(study_config, (runs[0], undefined))
    run._show(study)
    assert "not defined" in capsys.readouterr().out
    assert study.scores("accuracy")[1] == 0.0
    run._show_json(study)
    assert json.loads(capsys.readouterr().out)["runs"][1]["scores"]["accuracy"] is None
    alone = _study(study_config, (undefined,))
    run._show(alone)
    assert re.search("mean +not defined", capsys.readouterr().out)
    run._show_json(alone)
    assert json.loads(capsys.readouterr().out)["metrics"]["accuracy"] == {"mean": None, "interval": None}


def test_what_went_differently_is_noted(runs: tuple[StoredRun, StoredRun]) -> None:
    facts = runs[0].result.facts.model_copy(update={"micro_batch": 4, "resumed_at": (8, 16)})
    assert run._note(facts) == (
        " (4 examples at a time: the memory was too small for a batch; resumed after step 8, 16)"
    )


def test_rows_that_were_trained_on_are_reported_as_a_claim_would(
    study_config: StudyConfig, runs: tuple[StoredRun, StoredRun], capsys: pytest.CaptureFixture[str]
) -> None:
    contaminated = _study(study_config, runs, shared=4)
    run._show(contaminated)
    reason = "4 of 10 scored rows were trained on (4 letter by letter); 1.0% may be"
    assert f"no claim of quality can pass: {reason}\n" in capsys.readouterr().out
    run._show_json(contaminated)
    output = json.loads(capsys.readouterr().out)
    assert (output["problems"], output["contamination"]["exact"]) == ([reason], 4)


def test_rows_that_the_task_allows_to_be_trained_on_are_no_problem(
    study_config: StudyConfig, runs: tuple[StoredRun, StoredRun], capsys: pytest.CaptureFixture[str]
) -> None:
    task = study_config.task.model_copy(update={"contamination_allowed": 0.5})
    run._show(_study(study_config.model_copy(update={"task": task}), runs, shared=4))
    assert "no claim" not in capsys.readouterr().out
