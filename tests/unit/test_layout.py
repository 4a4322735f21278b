"""The repository keeps the shape that it promises."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import bertspec

ROOT = Path(__file__).parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def test_every_package_is_listed() -> None:
    packages = {
        ".".join(("bertspec", *file.parent.relative_to(ROOT / "src" / "bertspec").parts))
        for file in (ROOT / "src" / "bertspec").rglob("__init__.py")
    }
    packaged = set(PROJECT["tool"]["setuptools"]["packages"])
    assert packaged == packages | {"bertspec.steps", "bertspec.features", "bertspec.configs"}


def test_the_version_is_written_in_one_file() -> None:
    assert "version" in PROJECT["project"]["dynamic"]
    assert metadata.version("bertspec") == bertspec.__version__


def test_the_version_has_an_entry_in_the_changelog() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    assert "## [Unreleased]" in changelog or f"## [{bertspec.__version__}]" in changelog


def test_importing_the_package_and_the_plugin_does_not_import_torch() -> None:
    code = (
        "import sys, bertspec, bertspec.pytest_plugin\n"
        "from bertspec.steps import given, then, when\n"
        "print(sorted({'torch', 'transformers', 'wandb', 'evaluate', 'datasets', 'pandas'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["README.md", "CHANGELOG.md", "LICENSE", "tox.ini", ".ci/run", ".python-version"])
def test_the_files_that_people_look_for_are_there(name: str) -> None:
    assert (ROOT / name).read_text("utf-8").strip()


def test_the_acceptance_runs_every_folder_of_features() -> None:
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini", "utf-8")
    named = re.findall(r"features/\w+", tox["testenv:acceptance"]["commands"])
    folders = {file.parent.relative_to(ROOT).as_posix() for file in (ROOT / "features").rglob("*.feature")}
    assert sorted(named) == sorted(folders)


def test_no_feature_names_a_hidden_threshold() -> None:
    for file in (ROOT / "features").rglob("*.feature"):
        for line in file.read_text("utf-8").splitlines():
            assert not re.search(r"Then .* is (good|fast|small|acceptable)", line), f"{file}: {line}"
