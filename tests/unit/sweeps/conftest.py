"""Sweep files for tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from bertspec.config import SweepConfig
from bertspec.study import Session
from bertspec.sweeps import files

GOOD = """\
method: random
metric:
  name: accuracy
  goal: maximize
run_cap: 6
parameters:
  encoder: {value: bert-tiny}
  task: {value: bundled/sentiment}
  steps: {value: 4}
  optimizer:
    values: [adam, adamw, sgd]
  learning_rate_factor:
    distribution: log_uniform_values
    min: 0.1
    max: 10
"""

Read = Callable[..., SweepConfig]


@pytest.fixture
def good() -> str:
    """A sweep of three optimizers, two trials each."""
    return GOOD


@pytest.fixture
def read(tmp_path: Path, session: Session) -> Read:
    """Write a sweep file, good but for what is replaced, and read it."""

    def written(text: str = GOOD, *, old: str = "", new: str = "") -> SweepConfig:
        assert old in text
        file = tmp_path / "mine.yaml"
        file.write_text(dedent(text).replace(old, new, 1) if old else dedent(text), "utf-8")
        return files.read(str(file), session)

    return written
