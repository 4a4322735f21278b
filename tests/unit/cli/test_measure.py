"""The command, called in this process on an encoder that answers in no time."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from bertspec.cli import main
from bertspec.cli.commands import measure
from bertspec.inference import measuring
from bertspec.inference.prediction import Subject

MICRO = """
family: bert
recipe: from-scratch
architecture: {hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2, intermediate_size: 32,
  max_position_embeddings: 66}
"""
THREADED = """
optimizer: adamw
steps: 1
batch_size: 2
max_length: 8
warmup_fraction: 0
schedule: constant
clip_norm: 1
precision: fp32
threads: 2
"""
QUICK = ["measure", "--encoder", "micro", "--lengths", "4", "8", "--batch-size", "2", "--rounds", "5", "--calls", "3"]


@pytest.fixture(autouse=True)
def micro(folder: Path) -> Path:
    encoders = folder / "configs" / "encoders"
    encoders.mkdir(parents=True)
    for name in ("micro", "twin"):
        (encoders / f"{name}.yaml").write_text(MICRO)
    return folder


def test_an_encoder_is_measured_over_the_grid(
    micro: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "find_meter", lambda _: measuring.Meter(lacks="nothing to read"))
    assert main(QUICK) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "cpu · fp32 · 1 thread · 5 rounds of 3 single texts and 4 batches of 2"
    assert lines[2].split() == "encoder tokens p50 ms p95 ms p99 ms texts/s tokens/s".split()
    assert [line.split()[:2] for line in lines[4:6]] == [["micro", "4"], ["micro", "8"]]
    assert lines[-2].startswith("peak memory of the process: ")
    assert lines[-1] == "energy: not run: nothing to read"
    assert not (micro / ".bertspec").exists(), "nothing is stored"


def test_two_encoders_are_shown_with_their_ratios(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*QUICK, "--against", "twin", "--text", "the plot was clever ."]) == 0
    output = capsys.readouterr().out
    assert "micro by twin, in turns: the median of the rounds" in output
    rows = [line.split() for line in output.splitlines()]
    assert [row[:2] for row in rows if row and row[0] == "twin"] == [["twin", "4"], ["twin", "8"], ["twin", "text,"]]
    assert sum(" to " in line for line in output.splitlines()) == 2


def test_a_machine_is_told_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*QUICK, "--against", "twin", "--text", "the plot was clever .", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    keys = "environment rounds calls batches batch_size encoders ratios peak_memory_bytes energy_not_run"
    assert set(found) == set(keys.split())
    assert all(name in measure.EPILOG for name in keys.split())
    assert [each["encoder"] for each in found["encoders"]] == ["micro", "twin"]
    first = found["encoders"][0]
    assert (first["text"]["length"], [at["length"] for at in first["lengths"]]) == (7, [4, 8])
    at = first["lengths"][1]
    assert at["latency_s"]["p50"] <= at["latency_s"]["p95"] <= at["latency_s"]["p99"] < 1
    assert at["tokens_per_second"] == pytest.approx(8 * at["examples_per_second"])
    assert all(len(found["ratios"][0][name]) == 5 for name in ("p50", "p95", "p99", "examples_per_second"))
    assert (found["rounds"], found["calls"], found["batches"], found["batch_size"]) == (5, 3, 4, 2)


def test_energy_is_shown_where_it_can_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "energy_uj").write_text("0")
    meter = measuring.Meter((measuring.Counter(tmp_path / "energy_uj", 10**9),))
    monkeypatch.setattr(measuring, "find_meter", lambda _: meter)
    assert main(QUICK) == 0
    output = capsys.readouterr().out
    assert "J/1000 texts" in output
    assert "not run" not in output


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--lengths", "8", "67"], "texts are longer than the encoder's positions; given: 'tokens 67'"),
        (["--against", "mirco"], "unknown encoder; given: 'mirco'; allowed: did you mean micro"),
        (["--text", "東京 大阪 名古屋"], "the encoder's tokenizer does not know this text"),
        (["--recipe", "fast"], "unknown recipe; given: 'fast'"),
        (["--device", "cuda"], "no CUDA device"),
    ],
)
def test_a_mistake_is_told_in_one_line_and_before_anything_is_measured(
    wrong: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(Subject, "answer", lambda *words: asked.append(words))
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert main([*QUICK, *wrong]) == (3 if "cuda" in wrong else 2)
    stderr = capsys.readouterr().err
    assert message in stderr
    assert (stderr.count("\n"), asked) == (1, [])


@pytest.mark.parametrize("wrong", [["--lengths", "0"], ["--lengths", "long"], ["--rounds", "-1"], ["--calls", "9" * 9]])
def test_numbers_that_are_none_are_bad_usage(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([*QUICK, *wrong])
    assert stopped.value.code == 2
    assert "is not a number from 1 to 1000000" in capsys.readouterr().err


def test_encoders_with_their_own_recipes_need_the_same_device(micro: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (micro / "configs" / "encoders" / "other.yaml").write_text(MICRO.replace("from-scratch", "threaded"))
    (micro / "configs" / "recipes").mkdir()
    (micro / "configs" / "recipes" / "threaded.yaml").write_text(THREADED)
    assert main([*QUICK, "--against", "other"]) == 2
    assert "given: 'fp32 with 1 and fp32 with 2'" in capsys.readouterr().err
    assert main([*QUICK, "--against", "other", "--threads", "1"]) == 0


def test_names_are_offered() -> None:
    parser = argparse.ArgumentParser()
    measure.add_arguments(parser)
    options: dict[str, Any] = {action.dest: action for action in parser._actions}
    assert options["encoder"].completer(prefix="mic") == options["against"].completer(prefix="mic") == ["micro"]
    assert options["recipe"].completer(prefix="from-scratch-") == ["from-scratch-long"]
