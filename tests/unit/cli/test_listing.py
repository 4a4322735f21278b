from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from bertspec import cli
from bertspec.cli.commands import listing
from bertspec.store import Store

from .conftest import NEW, OLD


def output(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert cli.main(["list", *words]) == 0
    return capsys.readouterr().out


@pytest.mark.usefixtures("kept")
def test_the_newest_run_stands_last(capsys: pytest.CaptureFixture[str]) -> None:
    lines = output(capsys, "runs").splitlines()
    assert lines[0].split() == ["run", "encoder", "task", "optimizer", "seed", "score", "device", "finished"]
    assert [line.split()[0] for line in lines[2:]] == [OLD[:12], NEW[:12]]
    assert "accuracy 0.7000" in lines[-1]
    assert lines[-1].endswith("2026-01-02 00:00:00")


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize(
    ("words", "count"),
    [("--encoder bert-micro", 2), ("--encoder other", 0), ("--task bundled/sentiment --encoder bert-micro", 2)],
)
def test_runs_are_filtered_by_encoder_and_task(capsys: pytest.CaptureFixture[str], words: str, count: int) -> None:
    assert len(json.loads(output(capsys, "runs", *words.split(), "--json"))) == count


def test_no_runs_are_told_apart_from_none_that_fit(kept: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert output(capsys, "runs", "--task", "other") == f"no runs in {kept.root} match\n"
    assert output(capsys, "runs", "--store", "elsewhere").endswith("elsewhere\n")


@pytest.mark.usefixtures("kept")
@pytest.mark.parametrize("kind", ["encoders", "tasks", "recipes", "optimizers", "sweeps", "runs"])
def test_every_list_for_machines_has_the_documented_keys(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(output(capsys, kind, "--json"))
    assert found
    for each in found:
        assert all(key in listing.EPILOG for key in each)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("encoders", "minilm pretrained: sentence-transformers/all-MiniLM-L6-v2; recipe fine-tuning"),
        ("encoders", "bert-tiny bert from scratch; recipe from-scratch"),
        ("tasks", "glue/stsb regression of pairs: pearson, spearman; nyu-mll/glue stsb"),
        ("recipes", "quick-fine-tuning adamw, 150 steps, 32 examples a step, 128 tokens, linear, auto"),
        ("optimizers", "adamw learning rate 5e-05 pretrained, 0.001 from scratch"),
    ],
)
def test_a_name_comes_with_what_stands_behind_it(kind: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert line in [" ".join(each.split()) for each in output(capsys, kind).splitlines()]


def test_a_config_of_ones_own_is_listed_even_if_it_is_broken(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = folder / "configs" / "tasks"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("text: review\n", "utf-8")
    found = {each["name"]: each["what"] for each in json.loads(output(capsys, "tasks", "--json"))}
    assert found["mine"].startswith("broken: ")
    assert str(folder / "mine.yaml") in found["mine"]
    assert "glue/sst2" in found


@pytest.mark.usefixtures("folder")
def test_what_is_not_a_run_is_not_filtered(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list", "tasks", "--encoder", "minilm"]) == 2
    assert "tasks have no filter; given: '--encoder'" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_a_sweep_is_told_by_what_it_varies(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "configs" / "sweeps").mkdir(parents=True)
    grid = "method: grid\nparameters: {optimizer: {values: [adam, sgd]}, steps: {value: 4}, seeds: {value: [9]}}\n"
    (folder / "configs" / "sweeps" / "mine.yaml").write_text(grid, "utf-8")
    (folder / "configs" / "sweeps" / "other.yaml").write_text("method: gird\n", "utf-8")
    lines = output(capsys, "sweeps").splitlines()
    assert any(line.split(maxsplit=1) == ["mine", "grid, 2 trials: 2 optimizers"] for line in lines)
    assert any(line.startswith("other") and "broken: " in line and "line 1" in line for line in lines)


def forge(store: Store, fingerprint: str, **scores: float) -> None:
    """Record other scores than the outputs give."""
    file = store.folder(fingerprint) / "run.json"
    content = json.loads(file.read_text("utf-8"))
    content["facts"]["scores"] |= scores
    file.write_text(json.dumps(content), "utf-8")


LIE = "accuracy 1.0000 is recorded, and the outputs give 0.7000"


def test_a_score_that_the_outputs_do_not_give_is_reported_beside_its_run(
    kept: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    forge(kept, NEW, accuracy=1.0)
    head, _, honest, forged = output(capsys, "runs").splitlines()
    assert head.split()[-1] == "problem"
    assert forged.endswith(LIE)
    assert "outputs" not in honest
    assert [each["problem"] for each in json.loads(output(capsys, "runs", "--json"))] == [None, LIE]


def test_a_score_that_is_not_defined_is_listed_as_that(kept: Store, capsys: pytest.CaptureFixture[str]) -> None:
    forge(kept, NEW, accuracy=math.nan)
    assert "accuracy not defined" in output(capsys, "runs")
    assert json.loads(output(capsys, "runs", "--json"))[-1]["scores"]["accuracy"] is None


def test_a_check_covers_every_score_and_answers_with_its_exit_status(
    kept: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["list", "runs", "--check"]) == 0
    forge(kept, NEW, f1=0.5)
    assert "problem" not in output(capsys, "runs")  # it shows the main metric only
    assert cli.main(["list", "runs", "--check"]) == 1
    assert "f1 0.5000 is recorded, and the outputs give 0.2500" in capsys.readouterr().out


def test_many_runs_are_listed_unchecked_and_that_is_said(
    kept: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(listing, "_CHECKED", 1)
    forge(kept, NEW, accuracy=1.0)
    assert "problem" not in output(capsys, "runs")
    assert "2 runs: their scores are not compared with their stored outputs; --check does it" in caplog.text
    assert cli.main(["list", "runs", "--check"]) == 1


def test_names_that_a_terminal_could_act_on_are_listed_escaped(kept: Store, capsys: pytest.CaptureFixture[str]) -> None:
    file = kept.folder(NEW) / "run.json"
    content = json.loads(file.read_text("utf-8"))
    content["config"]["task"]["name"] = "\x1b]0;title\x07\u202e\n"
    file.write_text(json.dumps(content), "utf-8")
    text = output(capsys, "runs")
    assert r"\x1b]0;title\x07\u202e\n" in text
    assert all(letter.isprintable() for letter in text.replace("\n", ""))


@pytest.mark.parametrize(
    "words", ["list runs", "show latest", "run --encoder bert-tiny --task bundled/sentiment --seeds 1"]
)
def test_a_file_in_place_of_the_runs_is_refused(folder: Path, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / ".bertspec").mkdir()
    (folder / ".bertspec" / "runs").write_text("x")
    assert cli.main(words.split()) == 3
    assert "error: a folder of the store is a file; given: " in capsys.readouterr().err
