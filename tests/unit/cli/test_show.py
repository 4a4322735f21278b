from __future__ import annotations

import json
import re

import numpy as np
import pytest

from bertspec import cli
from bertspec.cli.commands import show
from bertspec.store import Store

from .conftest import NEW


def test_everything_that_is_known_about_a_run_is_shown(kept: Store, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["show", "latest"]) == 0
    output = dict(re.split(r"\s{2,}", line, maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert output["run"] == NEW
    assert output["encoder"].startswith("bert-micro (from scratch)")
    assert output["loss"] == "█▁  0.700 → 0.600 in 2 steps"
    assert output["seconds"] == "prepare_s 1.0, train_s 2.0, evaluate_s 3.0"
    assert output["folder"] == str(kept.folder(NEW))
    assert output["model"].startswith("not kept")
    assert {"optimizer", "recipe", "environment", "versions", "data from", "finished", "memory", "seen"} <= set(output)


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
