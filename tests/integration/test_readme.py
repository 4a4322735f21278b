"""The tutorial of the README, taken from its own text: what it says to write works as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bertspec.catalog import Catalog
from bertspec.sources import Sources, tables
from tests.integration.fork_server import ForkServer

README = Path(__file__).parent.parent.parent / "README.md"


def block(language: str, holding: str) -> str:
    """The one block of the README in that language that holds those words."""
    blocks = re.findall(rf"^```{language}\n(.*?)^```$", README.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    (one,) = (each for each in blocks if holding in each)
    return str(one)


@pytest.fixture
def walked(tmp_path: Path) -> Path:
    """The stranger's folder, with the files that the tutorial has."""
    (tmp_path / "configs" / "tasks").mkdir(parents=True)
    (tmp_path / "configs" / "tasks" / "reviews.yaml").write_text(block("yaml", "reviews.csv"), "utf-8")
    (tmp_path / "my.feature").write_text(block("gherkin", "our customers"), "utf-8")
    subprocess.run([sys.executable, "-c", block("python", "reviews.csv")], cwd=tmp_path, check=True)
    return tmp_path


def test_the_example_has_the_rows_that_the_readme_shows_and_no_text_twice(walked: Path) -> None:
    lines = (walked / "reviews.csv").read_text("utf-8").splitlines()
    assert lines[:3] == block("csv", "review,verdict").splitlines()
    assert len(set(lines)) == len(lines) == 161
    assert "in this example 160 rows" in README.read_text("utf-8")


def test_the_task_reads_them(walked: Path) -> None:
    splits = tables.load(Catalog.beside(walked).task("reviews"), Sources(None, None))
    assert (len(splits.train["review"]), len(splits.evaluation["review"])) == (128, 32)
    assert splits.evaluation["verdict"].count("good") == 16


def test_every_step_of_its_feature_is_defined(walked: Path, fork_server: ForkServer) -> None:
    done = fork_server.run("pytest", "my.feature", "--check-steps", folder=walked, environment=os.environ)
    assert done.returncode == 0, done.stdout
