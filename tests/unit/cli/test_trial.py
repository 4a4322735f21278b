from __future__ import annotations

import json
import math
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from bertspec import cli
from bertspec.results import TrialRecord
from bertspec.store import StoredRun
from bertspec.sweeps import trial as room
from bertspec.tracking import under_an_agent

from .conftest import NEW, OLD

MADE = TrialRecord(
    number=0, parameters={"optimizer": "sgd"}, contender="sgd", state="finished", seeds=(201, 202), scores=(0.5, 0.75),
    score=0.625, tokens=640, seconds=2.5, runs=(OLD, NEW), finished="2026-01-01T00:00:00+00:00",
)  # fmt: skip


@pytest.fixture
def call(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the trial is called with; nothing is trained."""
    call: dict[str, Any] = {"folder": folder}

    def run(number: int, parameters: dict[str, Any], session: Any, **others: Any) -> TrialRecord:
        call.update(number=number, parameters=parameters, store=session.store.root, **others)
        return MADE

    for name in ("WANDB_SWEEP_ID", "WANDB_RUN_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(room, "run", run)
    return call


@pytest.mark.parametrize(
    "words",
    [
        ['{"steps": 5, "seeds": [201, 202], "settings": {"momentum": 0.9}, "optimizer": "sgd"}'],
        ["--steps=5", "--seeds=[201, 202]", "--settings={'momentum': 0.9}", "--optimizer=sgd"],
        ["steps=5", "seeds=[201, 202]", "settings={'momentum': 0.9}", "optimizer=sgd"],
        ["--steps=5", '{"seeds": [201, 202], "settings": {"momentum": 0.9}}', "--optimizer=sgd"],
    ],
    ids=["args_json", "args", "args_no_hyphens", "both"],
)
def test_every_form_that_agents_know_means_the_same_parameters(words: list[str], call: dict[str, Any]) -> None:
    assert cli.main(["trial", *words]) == 0
    assert call["parameters"] == {
        "steps": 5,
        "seeds": [201, 202],
        "settings": {"momentum": 0.9},
        "optimizer": "sgd",
    }
    assert call["contender"] == "sgd"


def test_numbers_words_and_nothing_come_back_as_python_wrote_them(call: dict[str, Any]) -> None:
    given = {"learning_rate": 1e-05, "clip_norm": None, "packing": False, "task": "bundled/sentiment", "note": "a=b, c"}
    assert cli.main(["trial", *(f"--{name}={value}" for name, value in given.items())]) == 0
    assert call["parameters"] == given


def test_what_is_compared_is_named_where_the_sweep_says_so(call: dict[str, Any]) -> None:
    cli.main(["trial", '{"compare": "encoder", "encoder": "bert-tiny", "optimizer": "sgd"}', "--metric", "f1"])
    assert (call["contender"], call["metric"]) == ("bert-tiny", "f1")


def test_a_trial_uses_the_store_of_the_environment(
    call: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BERTSPEC_STORE", str(tmp_path / "shared"))
    cli.main(["trial", "--optimizer=sgd"])
    assert call["store"] == tmp_path / "shared"


@pytest.mark.parametrize(
    "words",
    [["{"], ["[1]"], ["--optimizer"], ["-x"], ["sgd"], ["[" * 5000], ['{"steps": 1, "steps": 2}']],
    ids=["half", "list", "empty", "short", "word", "deep", "twice"],
)
def test_what_is_no_parameter_is_bad_usage(
    words: list[str], call: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["trial", *words]) == 2
    assert "not a parameter of a trial" in capsys.readouterr().err
    assert set(call) == {"folder"}


@pytest.mark.parametrize("words", [["--steps=1", "--steps=2"], ["steps=1", '{"steps": 1}']])
def test_a_parameter_that_is_given_twice_is_bad_usage(
    words: list[str], call: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["trial", *words]) == 2
    assert "error: a parameter is given twice; given: 'steps'" in capsys.readouterr().err
    assert set(call) == {"folder"}


def test_a_trial_without_parameters_is_bad_usage(call: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["trial"]) == 2
    assert "the trial has no parameters; allowed: one JSON object, or --NAME=VALUE for each" in capsys.readouterr().err
    assert set(call) == {"folder"}


@pytest.mark.usefixtures("folder")
def test_other_commands_still_refuse_what_they_do_not_know(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["doctor", "--optimizer=sgd"])
    assert "error: unrecognized arguments: --optimizer=sgd" in capsys.readouterr().err


@pytest.mark.usefixtures("call")
def test_the_result_is_shown_seed_by_seed(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["trial", "--optimizer=sgd"])
    output = capsys.readouterr().out
    assert ["201", "0.5000", OLD[:12]] in [line.split() for line in output.splitlines()]
    assert ["mean", "0.6250"] in [line.split() for line in output.splitlines()]
    assert "finished; 640 tokens in 2.5 s, 0 diverged" in output


@pytest.mark.usefixtures("call")
def test_the_result_for_machines_has_the_documented_keys(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["trial", "--optimizer=sgd", "--json"])
    output = json.loads(capsys.readouterr().out)
    assert {"parameters", "state", "reason", "seeds", "scores", "score", "diverged", "tokens", "seconds", "runs"} < set(
        output
    )


@pytest.mark.usefixtures("call")
def test_a_failed_trial_says_why_and_is_no_success(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = MADE.model_copy(update={"state": "failed", "reason": "diverged on every seed: nan"})
    monkeypatch.setattr(room, "run", lambda *_, **__: lost)
    assert cli.main(["trial", "--optimizer=sgd"]) == 1
    assert "failed: diverged on every seed: nan" in capsys.readouterr().out


@pytest.mark.usefixtures("call")
def test_an_agent_s_stop_is_an_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(room, "run", lambda *_, **__: os.kill(os.getpid(), signal.SIGTERM))
    assert cli.main(["trial", "--optimizer=sgd"]) == 130
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(("sweep", "run", "is_one"), [("s", "r", True), ("s", "", False), ("", "r", False)])
def test_an_agent_gives_both_a_sweep_and_a_run(
    sweep: str, run: str, is_one: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_SWEEP_ID", sweep)
    monkeypatch.setenv("WANDB_RUN_ID", run)
    assert under_an_agent() is is_one


def test_means_are_logged_of_every_metric_and_of_the_loss(runs: tuple[StoredRun, StoredRun]) -> None:
    from types import SimpleNamespace

    from bertspec.cli.commands import trial

    work: Any = SimpleNamespace(store=SimpleNamespace(get={run.fingerprint: run for run in runs}.get))
    means = trial._means(MADE, work)
    assert means["accuracy"] == pytest.approx((0.6 + 0.7) / 2)
    assert means["f1"] == 0.25
    right, wrong = math.log1p(math.exp(-1)), math.log1p(math.exp(1))
    assert means["loss"] == pytest.approx(0.65 * right + 0.35 * wrong)
