"""Every command, called in this process."""

from __future__ import annotations

import argparse
import io
import json
import os
from pathlib import Path

import pytest

from bertspec.cli import main
from bertspec.cli.commands import build_parser, parse
from bertspec.optimizers import ALGORITHMS
from bertspec.study import Study

MICRO = """
family: bert
recipe: from-scratch
architecture:
  hidden_size: 16
  num_hidden_layers: 1
  num_attention_heads: 2
  intermediate_size: 32
  max_position_embeddings: 66
"""
RUN = ["run", "--encoder", "micro", "--task", "bundled/sentiment", "--steps", "3"]


@pytest.fixture
def micro(folder: Path) -> Path:
    """The folder, with an encoder of its own that trains in no time."""
    (folder / "configs" / "encoders").mkdir(parents=True)
    (folder / "configs" / "encoders" / "micro.yaml").write_text(MICRO)
    return folder


def output(capsys: pytest.CaptureFixture[str]) -> str:
    return capsys.readouterr().out


def test_a_run_is_trained_and_shown_with_its_mean(micro: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*RUN, "--seeds", "1-2"]) == 0
    text = output(capsys)
    assert "micro · bundled/sentiment · adamw" in text
    assert "95 % interval" in text
    assert "2 runs: 2 trained" in text
    assert "\x1b" not in text
    assert (micro / ".bertspec").is_dir()


@pytest.mark.usefixtures("micro")
def test_a_run_comes_from_the_store_the_second_time(capsys: pytest.CaptureFixture[str]) -> None:
    main([*RUN, "--seeds", "1"])
    output(capsys)
    main([*RUN, "--seeds", "1", "--json"])
    found = json.loads(output(capsys))
    assert set(found) == {"study", "recipe", "trained", "problems", "contamination", "metrics", "runs"}
    assert (found["trained"], found["runs"][0]["origin"], found["runs"][0]["steps"]) == (0, "store", 3)


@pytest.mark.usefixtures("micro")
def test_every_field_of_a_recipe_is_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    fields = "--batch-size 8 --max-length 20 --warmup-fraction 0 --schedule constant --clip-norm none --threads 1"
    main([*RUN, "--seeds", "4", *fields.split(), "--learning-rate", "0.01", "--set", "beta2=0.98"])
    output(capsys)
    main(["show", "latest", "--json"])
    recipe = json.loads(output(capsys))["config"]["recipe"]
    assert (recipe["optimizer"]["settings"]["beta1"], recipe["optimizer"]["settings"]["beta2"]) == (0.9, 0.98)
    assert recipe["optimizer"]["learning_rate"] == 0.01
    assert (recipe["batch_size"], recipe["clip_norm"], recipe["schedule"]) == (8, None, "constant")


@pytest.mark.usefixtures("micro")
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--encoder", "mirco"], "unknown encoder; given: 'mirco'; allowed: did you mean micro"),
        (["--optimizer", "adamm"], "unknown optimizer; given: 'adamm'"),
        (["--learning-rate", "-1"], "learning_rate: input should be greater than 0; given: -1.0"),
        (["--epochs", "1"], "a recipe has either epochs or steps, and not both; given: 'epochs 1.0, steps 3'"),
        (
            ["--set", "momentum=0.9"],
            "adamw has no such setting; given: 'momentum'; allowed: beta1, beta2, epsilon; where: the settings of",
        ),
        (["--set", "batchsize=4"], "unknown field of a recipe; given: 'batchsize'; allowed: did you mean batch_size"),
        (["--seeds", "1,1"], "seeds [1] stand twice"),
    ],
)
def test_a_mistake_is_told_in_one_line_and_before_any_training(
    wrong: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*RUN, *wrong]) == 2
    stderr = capsys.readouterr().err
    assert stderr.startswith("error: ")
    assert message in stderr
    assert stderr.count("\n") == 1
    assert not list(Path(".bertspec/runs").glob("*"))


def test_names_are_listed(micro: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["list", "encoders"])
    assert {"micro", "bert-tiny", "minilm"} <= {line.split()[0] for line in output(capsys).splitlines()}
    main(["list", "optimizers", "--json"])
    listed = [each["name"] for each in json.loads(output(capsys))]
    assert listed == sorted({*ALGORITHMS, "ema", "swa"})
    assert micro.is_dir()


def test_runs_are_listed(trained: Study, capsys: pytest.CaptureFixture[str]) -> None:
    main(["list", "runs"])
    assert all(
        run.fingerprint[:12] in line for run, line in zip(trained.runs, output(capsys).splitlines()[2:], strict=True)
    )
    main(["list", "runs", "--json"])
    found = json.loads(output(capsys))
    keys = {"fingerprint", "encoder", "task", "optimizer", "seed", "scores", "device", "finished", "model", "problem"}
    assert [set(each) for each in found] == [keys, keys]
    assert [each["model"] for each in found] == [True, True]
    main(["list", "runs", "--encoder", "other"])
    assert output(capsys).endswith(" match\n")


@pytest.mark.usefixtures("folder")
def test_an_empty_store_is_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "runs"]) == 0
    assert "no runs in" in output(capsys)


def test_a_run_is_shown_by_the_beginning_of_its_name(trained: Study, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", trained.runs[0].fingerprint[:8]]) == 0
    text = output(capsys)
    for part in (trained.runs[0].fingerprint, "from scratch", "8 steps", "learning_rate 0.001", "bundled/sentiment"):
        assert part in text


@pytest.mark.usefixtures("trained")
def test_a_run_that_is_not_there_or_not_one_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "zz"]) == 2
    assert main(["show", ""]) == 2
    stderr = capsys.readouterr().err
    assert "unknown run; given: 'zz'; allowed: " in stderr
    assert "2 fingerprints begin with this" in stderr


@pytest.mark.usefixtures("trained")
def test_texts_are_predicted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "latest", "the film was good .", "it was bad ."]) == 0
    lines = [line.split("\t") for line in output(capsys).splitlines()]
    assert [line[2] for line in lines] == ["the film was good .", "it was bad ."]
    assert {line[0] for line in lines} <= {"negative", "positive"}
    assert all(0.5 <= float(line[1]) <= 1 for line in lines)


@pytest.mark.usefixtures("trained")
def test_a_file_and_standard_input_are_predicted(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "new.csv").write_text("id,text\n1,the film was good .\n2,it was bad .\n")
    main(["predict", "latest", "--file", "new.csv", "--json"])
    of_file = [json.loads(line) for line in output(capsys).splitlines()]
    assert [each["text"] for each in of_file] == ["the film was good .", "it was bad ."]
    assert set(of_file[0]) == {"text", "text_pair", "label", "value", "probabilities"}
    monkeypatch.setattr("sys.stdin", io.StringIO("the film was good .\n\n"))
    main(["predict", "latest"])
    assert len(output(capsys).splitlines()) == 1


@pytest.mark.usefixtures("trained")
def test_without_texts_no_model_is_loaded(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    monkeypatch.setattr("bertspec.inference.prediction.Predictor.load", None)
    assert main(["predict", "latest"]) == 0
    assert output(capsys) == ""


@pytest.mark.usefixtures("trained")
@pytest.mark.parametrize(
    ("content", "message"),
    [("id,sentence\n1,x\n", "the file lacks a column; given: 'text'; allowed: id, sentence"), (None, "No such file")],
)
def test_a_file_that_does_not_fit_is_refused(
    folder: Path, content: str | None, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    import re

    if content:
        (folder / "new.csv").write_text(content)
    assert main(["predict", "latest", "--file", "new.csv"]) == 2
    assert re.search(message, capsys.readouterr().err)


@pytest.mark.usefixtures("trained")
def test_texts_and_a_file_together_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "latest", "x", "--file", "y"]) == 2
    assert "from the command line or from a file" in capsys.readouterr().err


@pytest.mark.usefixtures("trained")
def test_bundled_runs_leave_nothing_to_lock(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lock"]) == 0
    assert "nothing to lock" in output(capsys)
    assert not (folder / "bertspec.lock").exists()


def test_a_name_is_locked_to_what_a_mirror_holds(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = folder / "mirror" / "org" / "model"
    model.mkdir(parents=True)
    for name in ("model.safetensors", "config.json", "tokenizer.json"):
        (model / name).write_text("{}")
    monkeypatch.setenv("BERTSPEC_MIRROR", str(folder / "mirror"))
    assert main(["lock", "--encoder", "org/model"]) == 0
    assert "1 encoder, 0 data sets locked" in output(capsys)
    (model / "config.json").write_text('{"changed": true}')
    assert main([*RUN[:2], "org/model", *RUN[3:]]) == 3
    assert "is not what the lock file promises" in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
def test_with_nothing_logged_there_is_nothing_to_sync(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sync"]) == 0
    assert output(capsys) == "nothing was logged offline\n"


def test_a_folder_below_uses_the_store_above(trained: Study, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "deep" / "down").mkdir(parents=True)
    os.chdir(folder / "deep" / "down")
    main(["list", "runs"])
    assert trained.runs[0].fingerprint[:12] in output(capsys)


@pytest.mark.parametrize(
    ("option", "meant"),
    [("--lr", "--learning-rate"), ("--epoch", "--epochs"), ("--seed=3", "--seeds"), ("--wd", "--weight-decay")],
)
def test_an_unknown_option_is_answered_with_the_closest(
    capsys: pytest.CaptureFixture[str], option: str, meant: str
) -> None:
    with pytest.raises(SystemExit) as left:
        parse(build_parser(), ["run", "--encoder", "x", "--task", "y", option], argparse.Namespace())
    assert left.value.code == 2
    assert f"did you mean {meant}?" in capsys.readouterr().err
