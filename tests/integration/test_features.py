"""A user's feature files with our steps, from the Given line to the W&B record."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.fork_server import ForkServer
from tests.integration.micro import ENCODER, TASK

OPENING = """
Feature: A micro encoder

  Background:
    Given the encoder "micro"
    And the task "toy"
    And the recipe "from-scratch" with
      | field | value |
      | steps | 4     |
"""


@dataclass(frozen=True)
class Project:
    """A folder with configs of its own and no Python, in which commands run."""

    path: Path
    server: ForkServer
    environment: dict[str, str]

    def run(self, scenarios: str, *options: str) -> pytest.RunResult:
        """Write ``my.feature`` and run it, in a child of the server."""
        self.write("my.feature", OPENING + scenarios)
        return self.command("pytest", "my.feature", "-p", "no:cacheprovider", *options)

    def command(self, module: str, *arguments: str) -> pytest.RunResult:
        return _result(self.server.run(module, *arguments, folder=self.path, environment=self.environment))

    def process(self, module: str, *arguments: str) -> pytest.RunResult:
        """The same in a new interpreter, imports included."""
        words = [sys.executable, "-m", module, *arguments]
        return _result(
            subprocess.run(words, cwd=self.path, env=self.environment, capture_output=True, text=True, check=False)
        )

    def write(self, name: str, text: str) -> None:
        (self.path / name).write_text(text, "utf-8")


def _result(done: subprocess.CompletedProcess[str]) -> pytest.RunResult:
    return pytest.RunResult(done.returncode, done.stdout.splitlines(), done.stderr.splitlines(), 0.0)


@pytest.fixture
def project(tmp_path: Path, fork_server: ForkServer) -> Project:
    """A micro encoder, a task of few rows, and an environment with no trace of the caller's own settings."""
    folder = tmp_path / "project"
    for kind, name, text in (("encoders", "micro", ENCODER), ("tasks", "toy", TASK)):
        (folder / "configs" / kind).mkdir(parents=True)
        (folder / "configs" / kind / f"{name}.yaml").write_text(text, "utf-8")
    unwanted = ("BERTSPEC_STORE", "BERTSPEC_MIRROR", "PYTEST_", "TOX_", "WANDB_", "GITHUB_STEP_SUMMARY")
    plain = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    own = {"HOME": str(tmp_path), "NETRC": str(tmp_path / "no-netrc"), "COLUMNS": "200"}
    return Project(folder, fork_server, {**plain, **own, "HF_HUB_OFFLINE": "1", "WANDB_MODE": "disabled"})


def stored(project: Project) -> list[Path]:
    return sorted((project.path / ".bertspec" / "runs").glob("*/run.json"))


def test_a_claim_is_trained_judged_kept_and_logged(project: Project) -> None:
    del project.environment["WANDB_MODE"]
    scenarios = """
  Scenario: It learns
    When it is fine-tuned with "adamw" on seeds 1 to 3
    Then its accuracy is at most 0.95
    And its accuracy is at most 1
    And a claim that its accuracy is at least 0.999 does not pass
    And every run is in the store with its provenance
    And every run can be read back from its W&B record
"""
    project.write("my.feature", OPENING + scenarios)
    result = project.process("pytest", "my.feature", "-v")  # not a fork: its W&B client would be one, too
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "*= scenarios =*",
            "PASS     It learns  *≤ 0.95*",
            "*PASS*accuracy is at most 0.95*3 trained*",
            "*3 claims: 3 PASS*",
        ]
    )
    assert len(stored(project)) == 3
    again = project.run(scenarios, "-v")
    again.assert_outcomes(passed=1)
    again.stdout.fnmatch_lines(["*3 from the store*"])


def test_a_failure_is_one_sentence_and_its_step_without_the_messages_of_wandb(project: Project) -> None:
    project.environment["WANDB_MODE"] = "offline"
    result = project.run(
        """
  Scenario: It is perfect
    When it is fine-tuned with "adamw" on seeds 1 to 3
    Then its accuracy is at least 0.999
""",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "micro * toy * adamw: accuracy 0.* ± 0.* (seeds 0.*, 0.*, 0.*) is not at least 0.999 [[]FAIL]; *",
            "my.feature:13: Then its accuracy is at least 0.999",
        ],
        consecutive=True,
    )
    assert not [line for line in result.outlines if re.match("(DEBUG|INFO|WARNING) +wandb", line)]


def test_one_seed_leaves_a_claim_undecided_and_undecided_does_not_pass(project: Project) -> None:
    result = project.run(
        """
  Scenario: It learns once
    When it is fine-tuned with "adamw" on seeds 1
    Then its accuracy is at most 0.95
""",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*UNDECIDED*at least 3 seeds are needed*"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("its acuracy is at least 0.5", "unknown metric; given: 'acuracy'; allowed: did you mean accuracy"),
        ("its Pearson correlation is at least 0.5", "does not fit a classification head"),
    ],
)
def test_a_claim_about_a_metric_that_cannot_be_is_refused_before_training(
    project: Project, line: str, message: str
) -> None:
    scenario = f"""
  Scenario: It is measured wrongly
    When it is fine-tuned with "adamw" on seeds 1 to 3
    Then {line}
"""
    result = project.run(scenario)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"*{message}*"])
    assert stored(project) == []


def test_a_step_that_nothing_answers_to_is_refused_before_training(project: Project) -> None:
    scenario = """
  Scenario: It is misspelt at its end
    When it is fine-tuned with "adamw" on seeds 1 to 3
    Then its accuracy is at most 0.95
    And no sed collapses
"""
    result = project.run(scenario)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["undefined step; did you mean 'And no seed collapses'?", "my.feature:14: And no sed collapses"]
    )
    assert stored(project) == []


def test_collapses_comparisons_and_sabotage_are_judged(project: Project) -> None:
    result = project.run(
        """
  Scenario: Too short a training collapses
    When it is fine-tuned with "sgd" on seeds 1 to 3
    Then no seed collapses

  Scenario: Two optimizers are compared
    When it is fine-tuned with each of "adamw" and "sgd" on seeds 1 to 5
    Then the accuracy of "adamw" exceeds that of "sgd" by at least -1

  Scenario: Shuffled labels teach nothing
    Given the training labels are shuffled
    When it is fine-tuned with "adamw" on seeds 1 to 3
    Then a claim that its accuracy is at least 0.9 does not pass
""",
    )
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        ["*FAIL*no seed collapses*", "*FAIL*lead in accuracy is at least*", "*5 seeds collapsed*"]
    )
    assert len(stored(project)) == 3 + 5 + 2 + 3


def test_two_encoders_are_timed_in_turns(project: Project) -> None:
    (project.path / "configs" / "encoders" / "other.yaml").write_text(ENCODER)
    result = project.run(
        """
  @performance
  Scenario: It is about as fast as its twin
    When "micro" and "other" are fine-tuned in turns, 5 rounds
    Then "micro" trains on at least 0.05 times as many examples a second as "other"
    And "micro" evaluates at least 0.05 times as many examples a second as "other"
""",
    )
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*5 rounds*"])
    assert stored(project) == []


def test_two_encoders_answer_in_turns(project: Project) -> None:
    (project.path / "configs" / "encoders" / "other.yaml").write_text(ENCODER)
    result = project.run(
        """
  @performance
  Scenario: It answers about as soon as its twin
    When the encoders "micro" and "other" answer in turns, 5 rounds of 20 texts, at 4 and 8 tokens
    Then "micro" answers one text of 8 tokens in at most 20 times the time of "other", at the 95th percentile
    And "other" answers at least 0.05 times as many texts of 4 tokens a second as "micro"

  @performance
  Scenario: It is not a hundred times as fast as its twin
    When the encoders "micro" and "other" answer in turns, 5 rounds of 20 texts, at 4 tokens
    Then "micro" answers at least 100 times as many texts of 4 tokens a second as "other"

  @performance
  Scenario: The 99th percentile of twenty calls
    When the encoders "micro" and "other" answer in turns, 5 rounds of 20 texts, at 4 tokens
    Then "micro" answers one text of 4 tokens in at most 20 times the time of "other", at the 99th percentile

  @performance
  Scenario: A length that was not measured
    When the encoders "micro" and "other" answer in turns, 5 rounds of 20 texts, at 4 tokens
    Then "micro" answers one text of 8 tokens in at most 20 times the time of "other", at the 50th percentile
""",
        "-v",
    )
    result.assert_outcomes(passed=1, failed=3)
    result.stdout.fnmatch_lines(
        [
            "*a 99th percentile needs more calls in each round; given: 20; allowed: at least 100*",
            "*this length is not measured; given: 8; allowed: 4*",
            "*PASS*p95 latency ratio at 8 tokens is at most 20: *(rounds *",
            "*FAIL*throughput ratio at 4 tokens is at least 100: *(rounds *",
        ]
    )
    assert stored(project) == []


def test_what_is_refused_can_be_claimed(project: Project) -> None:
    result = project.run(
        """
  Scenario: A wrong batch size is refused
    When a fine-tuning is asked for with
      | field      | value |
      | encoder    | micro |
      | task       | toy   |
      | batch_size | 0     |
    Then it is refused before training: "batch_size"

  Scenario: A right one is not
    When a fine-tuning is asked for with
      | field      | value |
      | encoder    | micro |
      | task       | toy   |
      | seeds      | 9     |
      | steps      | 1     |
    Then it is refused before training: "batch_size"
""",
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*nothing was refused*"])


@pytest.mark.parametrize("option", ["--fresh", None])
def test_fresh_trains_again(project: Project, option: str | None) -> None:
    scenario = """
  Scenario: It learns
    When it is fine-tuned with "adamw" on seeds 1 to 3
    Then its accuracy is at most 0.95

  Scenario: It learns the same
    When it is fine-tuned with "adamw" on seeds 1 to 3
    Then its accuracy is at most 1
"""
    project.run(scenario)
    before = [file.stat().st_mtime_ns for file in stored(project)]
    project.run(scenario, *([option] if option else []))
    assert ([file.stat().st_mtime_ns for file in stored(project)] == before) is (option is None)


def test_a_store_may_lie_elsewhere(project: Project, tmp_path: Path) -> None:
    scenario = """
  Scenario: It learns
    When it is fine-tuned with "adamw" on seeds 1 to 3
    Then its accuracy is at most 0.95
"""
    project.run(scenario, f"--bertspec-store={tmp_path / 'elsewhere'}")
    assert len(list((tmp_path / "elsewhere" / "runs").glob("*/run.json"))) == 3
    assert stored(project) == []


def test_a_csv_of_ones_own_is_a_task(project: Project) -> None:
    lines = [
        f"plot {number} is {word} .,{label}"
        for number in range(20)
        for word, label in (("witty", "good"), ("dull", "bad"))
    ]
    (project.path / "configs" / "tasks" / "reviews.csv").write_text("review,verdict\n" + "\n".join(lines) + "\n")
    (project.path / "configs" / "tasks" / "reviews.yaml").write_text(
        "dataset: ./reviews.csv\ntrain_split: 'train[:80%]'\nevaluation_split: 'train[80%:]'\ntext: review\n"
        "label: verdict\nhead: classification\nlabels: [bad, good]\nmetrics: [accuracy, f1]\n"
    )
    result = project.run(
        """
  Scenario: It learns our reviews
    Given the task "reviews"
    When it is fine-tuned with "adamw" on seeds 1 to 3
    Then its accuracy is at most 1
""",
    )
    result.assert_outcomes(passed=1)
    origin = json.loads(stored(project)[0].read_text())["facts"]["provenance"]["data"]
    assert (origin["source"], Path(origin["name"]).name) == ("folder", "reviews.csv")


def test_two_workers_never_train_the_same_run_twice(project: Project) -> None:
    scenarios = "".join(
        f"""
  Scenario: It learns, reader {reader}
    When it is fine-tuned with "adamw" on seeds 1 to 3
    Then its accuracy is at most 0.95
"""
        for reader in range(4)
    )
    result = project.run(scenarios, "-n", "2", "-v")
    result.assert_outcomes(passed=4)
    claims = [line for line in result.outlines if "accuracy is at most 0.95" in line and "PASS" in line]
    trained = sum(int(line.split(" trained")[0].split()[-1]) for line in claims if " trained" in line)
    assert len(claims) == 4
    assert trained == 3


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_sees_progress_and_a_log_does_not(project: Project, terminal: bool) -> None:
    project.write(
        "my.feature",
        OPENING + '\n  Scenario: It learns\n    When it is fine-tuned with "adamw" on seeds 1 to 3\n'
        "    Then its accuracy is at most 0.95\n",
    )
    command = [sys.executable, "-m", "pytest", "my.feature", "-p", "no:cacheprovider"]
    if not terminal:
        shown = project.command(*command[2:]).stdout.str().encode()
    else:
        ours, theirs = os.openpty()
        with subprocess.Popen(command, stdout=theirs, stderr=theirs, cwd=project.path, env=project.environment):
            os.close(theirs)
            shown = read_until_closed(ours)
    assert (b"micro \xc2\xb7 toy \xc2\xb7 adamw \xc2\xb7 seed 1" in shown) is terminal
    assert b"1 passed" in shown


def read_until_closed(descriptor: int) -> bytes:
    parts = []
    while True:
        try:
            part = os.read(descriptor, 65536)
        except OSError:  # how Linux says that the other side is closed
            break
        if not part:
            break
        parts.append(part)
    os.close(descriptor)
    return b"".join(parts)


CALIBRATED = """
  Scenario: It is what it was
    When it is fine-tuned with "adamw" on seeds 1 to 3
    Then it is at its calibrated accuracy
"""


def test_a_calibrated_bound_without_a_record_is_refused_before_training(project: Project) -> None:
    result = project.run(CALIBRATED)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*a study without a calibration record has no calibrated accuracy*"])
    assert stored(project) == []


def test_what_wandb_leaves_behind_fails_no_test_where_warnings_are_errors(project: Project) -> None:
    project.environment["WANDB_MODE"] = "offline"
    project.write(
        "pyproject.toml", '[tool.pytest.ini_options]\nfilterwarnings = ["error", "ignore::DeprecationWarning"]\n'
    )
    project.write("conftest.py", FORGETFUL)
    scenarios = MODEST.format(title="once", seeds="1 to 3") + MODEST.format(title="again", seeds="4 to 6")
    project.write("my.feature", OPENING + scenarios)
    result = project.process("pytest", "my.feature", "-p", "no:cacheprovider")
    result.assert_outcomes(passed=2)
    assert list((project.path / ".bertspec").rglob("*.wandb"))


FORGETFUL = """
import gc

def pytest_bdd_before_scenario():
    from wandb.sdk.artifacts import artifact_instance_cache as kept

    kept.artifact_instance_cache_by_client_id.clear()  # it forgets by itself after a hundred
    gc.collect()
"""
MODEST = """
  Scenario: It is modest {title}
    When it is fine-tuned with "adamw" on seeds {seeds}
    Then its accuracy is at most 0.95
"""


def test_calibration_works_where_warnings_are_errors(project: Project) -> None:
    project.write("my.feature", OPENING + CALIBRATED)
    project.write("pytest.ini", "[pytest]\nfilterwarnings = error\n")
    result = project.process("bertspec", "calibrate", "my.feature", "-k", "nothing_of_that_name")
    result.stdout.fnmatch_lines(["*nothing was calibrated*"])
    assert "bug" not in result.stderr.str()


def test_calibration_writes_a_record_by_which_later_claims_are_judged(project: Project) -> None:
    calibrated = project.run(CALIBRATED + SABOTAGED, "--calibrate=4")
    calibrated.assert_outcomes(passed=1, deselected=1)
    calibrated.stdout.fnmatch_lines(
        ["*calibration records*", "*calibrations/toy/micro.adamw.*.yaml", "*4 runs: accuracy 0.*"]
    )
    assert sorted(json.loads(file.read_text())["config"]["seed"] for file in stored(project)) == [101, 102, 103, 104]
    result = project.run(CALIBRATED + SABOTAGED, "-k", "what_it_was", "-v")
    result.stdout.fnmatch_lines(["*accuracy is at least 0.*", "*calibrated on 4 seeds*"])


SABOTAGED = """
  Scenario: Frozen, it does not
    Given the encoder is frozen
    When it is fine-tuned with "adamw" on seeds 1 to 3
    Then a claim that its accuracy is at least 0.99 does not pass
"""


BOUNDED = """
  Scenario: It is bounded
    When it is fine-tuned with "adamw" on seeds {seeds}
    Then its accuracy is between 0 and 1
"""


def test_a_build_is_compared_with_a_baseline(project: Project) -> None:
    project.run(BOUNDED.format(seeds="1 to 6"), "--least-runs", "5")
    assert len(stored(project)) == 5
    saved = project.command("bertspec", "baseline", "save", "1.0")
    saved.stdout.fnmatch_lines(
        ["*baselines/1.0.json: 1 study, 0 speed ratios", "*micro*toy*adamw  accuracy 0.* over 5 seeds"]
    )
    again = project.command("bertspec", "baseline", "save", "1.0")
    again.stdout.fnmatch_lines(["*note: a baseline of this name was replaced"])
    same = project.run(BOUNDED.format(seeds="11 to 20"), "--against", "1.0")
    same.stdout.fnmatch_lines(
        [
            "*against 1.0 of *",
            "PASS *micro*",
            "1 of 1 compared, 0 worse*",
            "memory: not compared*",
            "time: not compared*",
        ]
    )
    file = project.path / "baselines" / "1.0.json"
    file.write_text(file.read_text().replace('"scores": [', '"scores": [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, '))
    worse = project.run(BOUNDED.format(seeds="11 to 20"), "--against", "1.0")
    worse.stdout.fnmatch_lines(["FAIL *micro*", "1 of 1 compared, 1 worse*"])
    assert worse.ret == pytest.ExitCode.TESTS_FAILED


def test_another_recipe_than_that_of_the_baseline_is_missing_unless_that_is_allowed(project: Project) -> None:
    project.run(BOUNDED.format(seeds="1 to 5"), "--least-runs", "5")
    project.command("bertspec", "baseline", "save", "1.0")
    other = OPENING.replace("| steps | 4 ", "| steps | 6 ") + BOUNDED.format(seeds="1 to 5")
    project.write("my.feature", other)
    cut = project.command("pytest", "my.feature", "-p", "no:cacheprovider", "--against", "1.0")
    cut.stdout.fnmatch_lines(
        [
            "MISSING *micro*",
            "*it was run under another recipe: steps 4 → 6",
            "0 of 1 compared, 0 worse, 1 missing*",
            "1 of 1 quantities of the baseline are missing from this session; --allow-missing accepts that",
        ]
    )
    allowed = project.command("pytest", "my.feature", "-p", "no:cacheprovider", "--against", "1.0", "--allow-missing")
    allowed.stdout.fnmatch_lines(["MISSING *micro*"])
    allowed.stdout.no_fnmatch_line("*--allow-missing accepts that*")


def test_an_unknown_baseline_is_told_before_training(project: Project) -> None:
    result = project.run(BOUNDED.format(seeds="1 to 3"), "--against", "0.9")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--against: there is no such baseline; given: '0.9'*no baseline yet*"])
    assert stored(project) == []


def test_a_baseline_of_nothing_is_refused(project: Project) -> None:
    refused = project.command("bertspec", "baseline", "save", "1.0")
    assert refused.ret == 2
    refused.stderr.fnmatch_lines(["error: the store has no record of a session*"])


def test_a_sweep_in_a_table_is_run_confirmed_ranked_and_kept(project: Project) -> None:
    scenarios = """
  Scenario: Equal budgets
    When a sweep over "optimizer" runs with 2 trials each
      | parameter            | values     |
      | optimizer            | adamw, sgd |
      | learning_rate_factor | 1, 3       |
      | evaluate_every       | 2          |
      | seeds                | 201        |
    Then a claim that "sgd" is within 0.001 of the best does not pass
    And "sgd" needs at most 1 times the steps of "adamw" to reach 0.0
    And "adamw" is within 0.9 of the best
"""
    result = project.run(scenarios, "--spec-report=report.md")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(['*FAIL *"adamw" is within 0.9 of the best in accuracy:*', "*of 5 seeds collapsed*"])
    [record] = (project.path / ".bertspec" / "sweeps").glob("*.json")
    compared = json.loads(record.read_text())["comparison"]
    assert {each["name"]: (each["trials"], len(each["values"])) for each in compared["contenders"]} == {
        "adamw": (2, 5),
        "sgd": (2, 5),
    }
    assert compared["unfair"] == []
    assert "#### Sweep micro" in (project.path / "report.md").read_text()
