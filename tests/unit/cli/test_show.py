from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest

from bertspec import cli
from bertspec.cli.commands import show
from bertspec.results import Curve
from bertspec.store import Store, StoredRun

from .conftest import NEW


def test_everything_that_is_known_about_a_run_is_shown(kept: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["show", "latest"]) == 0
    output = dict(re.split(r"\s{2,}", line, maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert output["run"] == NEW
    assert output["encoder"].startswith("bert-micro (from scratch)")
    assert output["loss"] == "█▁  0.700 → 0.600 in 2 steps"
    assert output["seconds"] == "prepare_s 1, train_s 2, evaluate_s 3"
    assert output["folder"] == str(kept.folder(NEW))
    assert output["model"].startswith("not kept")
    assert {"optimizer", "recipe", "environment", "versions", "data from", "finished", "memory", "seen"} <= set(output)


def test_a_small_learning_rate_is_shown_as_it_is(kept: Store, capsys: pytest.CaptureFixture[str]) -> None:
    file = kept.folder(NEW) / "run.json"
    content = json.loads(file.read_text("utf-8"))
    content["config"]["recipe"]["optimizer"].update(learning_rate=3e-5, settings={"beta1": 0.9})
    file.write_text(json.dumps(content), "utf-8")
    assert cli.main(["show", "latest"]) == 0
    output = capsys.readouterr().out
    assert "learning_rate 3e-05" in output
    assert "beta1 0.9" in output


def test_a_run_for_machines_has_the_documented_keys(kept: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["show", "ac", "--json"]) == 0
    output = json.loads(capsys.readouterr().out)
    assert set(output) == {"fingerprint", "folder", "model", "config", "facts", "recomputed", "loss", "learning_rate"}
    assert all(key in show.EPILOG for key in output)
    assert (output["fingerprint"], output["folder"], output["loss"]) == (NEW, str(kept.folder(NEW)), [0.7, 0.6])


@pytest.mark.parametrize(
    ("values", "width", "line"),
    [([3.0, 2.0, 1.0], 60, "█▄▁"), ([1.0, 1.0], 60, "▁▁"), ([4.0, 4.0, 2.0, 2.0], 2, "█▁"), ([0.5], 60, "▁")],
)
def test_a_curve_fits_in_one_line(values: list[float], width: int, line: str) -> None:
    assert show.sparkline(values, width) == line


def test_a_long_curve_is_as_wide_as_the_line_and_goes_from_high_to_low() -> None:
    line = show.sparkline(np.linspace(1, 0, 600))
    assert (len(line), line[0], line[-1]) == (60, "█", "▁")


def test_a_score_that_the_outputs_do_not_give_is_shown_with_the_one_that_they_give(
    kept: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    file = kept.folder(NEW) / "run.json"
    content = json.loads(file.read_text("utf-8"))
    content["facts"]["scores"]["accuracy"] = 1.0
    file.write_text(json.dumps(content), "utf-8")
    assert cli.main(["show", "latest"]) == 0
    assert "1.0000 is recorded, and the outputs give 0.7000" in capsys.readouterr().out
    cli.main(["show", "latest", "--json"])
    assert json.loads(capsys.readouterr().out)["recomputed"] == pytest.approx({"accuracy": 0.7, "f1": 0.25})


def test_a_run_that_diverged_at_its_first_step_has_no_curve(
    folder: Path, runs: tuple[StoredRun, StoredRun], capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = Curve(np.empty(0), np.empty(0))
    facts = runs[0].result.facts.model_copy(update={"steps": 0, "diverged": "loss nan at step 1 of 8"})
    result = dataclasses.replace(runs[0].result, facts=facts, curve=nothing)
    Store(folder / ".bertspec").put(dataclasses.replace(runs[0], result=result))
    assert cli.main(["show", "latest"]) == 0
    assert "none: loss nan at step 1 of 8" in capsys.readouterr().out


def test_a_score_that_is_not_defined_is_null_for_machines(kept: Store, capsys: pytest.CaptureFixture[str]) -> None:
    file = kept.folder(NEW) / "run.json"
    content = json.loads(file.read_text("utf-8"))
    content["facts"]["scores"]["accuracy"] = "NaN"
    file.write_text(json.dumps(content), "utf-8")
    assert cli.main(["show", "latest", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["facts"]["scores"]["accuracy"] is None
    assert cli.main(["show", "latest"]) == 0
    assert "not defined is recorded, and the outputs give 0.7000" in capsys.readouterr().out
