from __future__ import annotations

import io
import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from bertspec.cli import main
from bertspec.cli.commands import sweep
from bertspec.config import SweepConfig
from bertspec.results import ComparisonRecord, ContenderRecord, SweepRecord, TrialRecord
from bertspec.sweeps import comparison, files, runner

pytestmark = pytest.mark.usefixtures("folder")

NOW = "2026-01-01T00:00:00+00:00"
FILE = """\
method: random
metric: {name: accuracy, goal: maximize}
run_cap: 4
command: [touch, executed]
parameters:
  encoder: {value: bert-tiny}
  task: {value: bundled/sentiment}
  optimizer: {values: [adamw, sgd]}
  learning_rate_factor: {distribution: log_uniform_values, min: 0.1, max: 10}
  steps: {value: 20}
"""


def trial(number: int, score: float | None, **facts: Any) -> TrialRecord:
    contender = ("adamw", "sgd")[number % 2]
    values = {"state": "finished", "seeds": (201, 202), "tokens": 1234, "seconds": 5.678, **facts}
    parameters = {"optimizer": contender, "learning_rate_factor": 0.123456, "steps": 20}
    return TrialRecord.model_validate(
        {"number": number, "parameters": parameters, "contender": contender, "score": score, "finished": NOW, **values}
    )


TRIALS = (
    trial(0, 0.8),
    trial(1, 0.9, diverged=1),
    trial(2, None, state="failed", reason="diverged on every seed: loss nan"),
    trial(3, 0.95, state="stopped", reason="stopped by hyperband"),
)


COMPARED = ComparisonRecord(
    parameter="optimizer",
    contenders=(
        ContenderRecord(
            name="adamw",
            trials=2,
            tokens=2468,
            best=0,
            tuned=0.8,
            seeds=(1, 2, 3, 4, 5),
            values=(0.8, 0.81, 0.82, 0.83, 0.84),
            mean=0.82,
            interval=(0.80, 0.84),
            ranks=(1, 2),
            steps_to=(100, 100, 150, None, 100),
            sensitivity=0.5,
        ),
        ContenderRecord(name="sgd", trials=2, tokens=2468, best=None, collapsed=1),
    ),
    ties=(("adamw", "sgd"),),
    unfair=("sgd: none of its 2 trials finished",),
    tolerance=0.02,
)


def evidence(*trials: TrialRecord) -> SweepRecord:
    return SweepRecord(
        name="mine",
        sha256="ab" * 32,
        metric="accuracy",
        goal="maximize",
        method="random",
        planned=4,
        trials=trials,
        began=NOW,
    )


@pytest.fixture
def file(folder: Path) -> Path:
    path = folder / "mine.yaml"
    path.write_text(FILE, "utf-8")
    return path


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The calls of the runner, which has four trials to show."""
    calls: list[dict[str, Any]] = []

    def run(config: SweepConfig, _: Any, **how: Any) -> SweepRecord:
        calls.append({"config": config, **how})
        for count in range(5):
            how["on_progress"](evidence(*TRIALS[:count]))
        return evidence(*TRIALS)

    def compare(*_: Any, **how: Any) -> ComparisonRecord:
        calls[-1]["confirmed by"] = how["processes"]
        how["on_progress"](5, 10)
        how["on_progress"](10, 10)
        return COMPARED

    monkeypatch.setattr(runner, "run", run)
    monkeypatch.setattr(comparison, "compare", compare)
    return calls


@pytest.mark.usefixtures("calls")
def test_the_table_has_the_best_trial_first_and_what_is_no_result_last(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", str(file)]) == 0
    output = capsys.readouterr()
    lines = [line.split() for line in output.out.splitlines()]
    assert lines[2] == ["trial", "optimizer", "learning_rate_factor", "accuracy", "tokens", "seconds", "outcome"]
    assert [line[0] for line in lines[4:8]] == ["1", "0", "3", "2"]
    assert lines[5] == ["0", "adamw", "0.1235", "0.8000", "1234", "5.7", "finished"]
    assert "finished (1 of 2 seeds diverged)" in output.out
    assert "failed: diverged on every seed: loss nan" in output.out
    assert "mine: random, 4 of 4 trials" in output.out
    assert output.err == ""


def test_the_options_reach_the_runner(file: Path, calls: list[dict[str, Any]]) -> None:
    assert main(["sweep", str(file), "--trials", "3", "--processes", "2", "--seed", "7"]) == 0
    assert {name: calls[0][name] for name in ("trials_each", "processes", "seed", "confirmed by")} == {
        "trials_each": 3,
        "processes": 2,
        "confirmed by": 2,
        "seed": 7,
    }
    assert calls[0]["config"].name == "mine"


def test_the_sweep_file_is_read_once(file: Path, calls: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    reads: list[str] = []
    read = files.read
    monkeypatch.setattr(files, "read", lambda word, session: reads.append(word) or read(word, session))
    assert main(["sweep", str(file)]) == 0
    assert (reads, len(calls)) == ([str(file)], 1)


@pytest.mark.usefixtures("calls")
def test_the_result_for_machines_is_the_record(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", str(file), "--json"]) == 0
    assert SweepRecord.model_validate(json.loads(capsys.readouterr().out)) == evidence(*TRIALS).model_copy(
        update={"comparison": COMPARED}
    )


def test_a_sweep_without_a_finished_trial_has_no_answer(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "run", lambda *_, **__: evidence(TRIALS[2]))
    assert main(["sweep", str(file)]) == 1


def test_a_dry_run_shows_the_plan_and_runs_nothing(
    file: Path, calls: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sweep", str(file), "--dry-run"]) == 0
    output = capsys.readouterr().out
    assert "mine: random, 4 trials" in output
    assert "each: seeds 201, 202, 20 steps on 80% of the training rows, scored on the other 20%" in output
    assert "in all: 8 runs, and at most 10 that confirm the best trials" in output
    assert "compared: adamw, sgd; 2 trials each, confirmed on seeds 1, 2, 3, 4, 5" in output
    assert "program and command are for W&B agents; bertspec never executes them" in output
    assert [line.split()[:2] for line in output.splitlines()[-4:]] == [
        ["0", "adamw"], ["1", "sgd"], ["2", "adamw"], ["3", "sgd"],
    ]  # fmt: skip
    assert calls == []
    assert not (file.parent / ".bertspec" / "sweeps").exists()


def test_a_dry_run_gives_the_plan_as_json(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", str(file), "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert {name: plan[name] for name in ("name", "method", "trials", "runs", "confirming_runs")} == {
        "name": "mine",
        "method": "random",
        "trials": 4,
        "runs": 8,
        "confirming_runs": 10,
    }
    assert [each["optimizer"] for each in plan["parameters"]] == ["adamw", "sgd", "adamw", "sgd"]


def test_a_dry_run_over_steps_says_where_they_are(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(FILE.replace("steps: {value: 20}", "steps: {min: 10, max: 30}"), "utf-8")
    assert main(["sweep", str(file), "--dry-run"]) == 0
    assert "each: seeds 201, 202, steps as listed below on 80%" in capsys.readouterr().out


def test_a_dry_run_says_that_a_grid_is_cut_short(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grid = FILE.replace("random", "grid").replace(
        "distribution: log_uniform_values, min: 0.1, max: 10", "values: [0.3, 1, 3]"
    )
    file.write_text(grid, "utf-8")
    assert main(["sweep", str(file), "--dry-run"]) == 0
    assert "mine: grid, 4 of its 6 points" in capsys.readouterr().out


def test_what_is_wrong_with_a_file_is_one_message_with_its_line(
    file: Path, calls: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(FILE.replace("random", "rnadom"), "utf-8")
    assert main(["sweep", str(file)]) == 2
    output = capsys.readouterr().err
    assert output.count("\n") == 1
    assert "mine.yaml, line 1" in output
    assert calls == []


@pytest.mark.parametrize("words", [["--trials", "0"], ["--processes", "none"], ["--seed", "-1"], ["--trials", "1e3"]])
def test_what_is_no_number_is_bad_usage(file: Path, words: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["sweep", str(file), *words])
    assert stopped.value.code == 2


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.usefixtures("calls")
def test_a_terminal_sees_the_best_so_far(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "xterm")
    assert main(["sweep", str(file)]) == 0
    assert "4/4" in terminal.getvalue()
    assert "best: 0.9000, trial 1, sgd" in terminal.getvalue()


def test_the_best_so_far_is_among_what_is_finished() -> None:
    assert sweep._best(evidence(*TRIALS)) == "best: 0.9000, trial 1, sgd"
    assert sweep._best(evidence(TRIALS[2])) == ""
    worst = evidence(*TRIALS).model_copy(update={"goal": "minimize"})
    assert sweep._best(worst) == "best: 0.8000, trial 0, adamw"


@pytest.mark.usefixtures("calls")
def test_the_ranking_has_the_best_first_and_says_what_is_tied_and_what_is_not_fair(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(FILE + "  evaluate_every: {value: 5}\n  target: {value: 0.85}\n", "utf-8")
    assert main(["sweep", str(file)]) == 0
    output = capsys.readouterr().out
    assert "accuracy, the best trial of each optimizer on 5 fresh seeds" in output
    row = next(line for line in output.splitlines() if line.lstrip().startswith("1–2")).split()
    assert row[:7] == ["1–2", "adamw", "2", "2468", "0.8000", "0.8200", "0.8000"]
    assert row[7:] == ["to", "0.8400", "0", "0.50", "100,", "never", "on", "1"]
    assert "steps to 0.85" in output
    assert "tied: adamw and sgd" in output
    assert "not fair: sgd: none of its 2 trials finished; no claim passes" in output


def test_many_ties_are_counted_not_listed() -> None:
    names = ("a", "b", "c", "d", "e")
    pairs = tuple((one, other) for one, other in itertools.combinations(names, 2) if (one, other) != ("a", "e"))
    contenders = tuple(ContenderRecord(name=name, trials=1, tokens=1, best=None) for name in names)
    compared = ComparisonRecord(parameter="optimizer", contenders=contenders, ties=pairs, tolerance=0.02)
    assert sweep._remarks(compared)[0] == "tied: 9 of 10 pairs; the ranks of a row show with how many"


def test_a_plan_is_shown_only_if_every_trial_can_be_planned(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    mixed = FILE.replace("method: random\n", "method: grid\n").replace("run_cap: 4\n", "")
    mixed = mixed.replace("{distribution: log_uniform_values, min: 0.1, max: 10}", "{value: 1}")
    path = folder / "mixed.yaml"
    path.write_text(f"{mixed}  batch_size: {{values: [32, 8]}}\n  micro_batch: {{values: [8, 16]}}\n", "utf-8")
    assert main(["sweep", str(path), "--dry-run"]) == 2
    shown = capsys.readouterr()
    assert (shown.out, "mixed.yaml, line 10, parameters.batch_size.values.1 and " in shown.err) == ("", True)
