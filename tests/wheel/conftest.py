"""Projects outside the repository, in which the installed commands run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent.parent
SHOP_FEATURE = """
    Feature: Web shop
      Scenario: A cart adds up
        Given an empty cart
        When I add 2 apples
        Then its total is at least 2
"""
SHOP_TESTS = """
    from pytest_bdd import given, parsers, scenarios, then, when

    scenarios("shop.feature")

    @given("an empty cart", target_fixture="cart")
    def an_empty_cart():
        return []

    @when(parsers.parse("I add {number:d} apples"))
    def i_add(cart, number):
        cart.extend(["apple"] * number)

    @then(parsers.parse("its total is at least {number:d}"))
    def its_total(cart, number):
        assert len(cart) >= number
"""
SCRIPTS = Path(sysconfig.get_path("scripts"))
PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "SYSTEMROOT")


@dataclass(frozen=True)
class Output:
    """What a command wrote, and its exit status."""

    status: int
    text: str

    @property
    def outcomes(self) -> dict[str, int]:
        """Pytest's last line as numbers: ``{"passed": 2}``."""
        last = next((line for line in reversed(self.text.splitlines()) if " in " in line), "")
        return {word: int(number) for number, word in re.findall(r"(\d+) ([a-z]+)(?=,| in )", last)}


@dataclass(frozen=True)
class Project:
    """A user's folder."""

    folder: Path
    environment: Mapping[str, str]

    def write(self, path: str, text: str = "") -> Path:
        """Write a file, less the indentation that its lines share."""
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text).lstrip("\n"), "utf-8")
        return file

    def pytest(self, *arguments: str, status: int = 0) -> Output:
        """The installed ``pytest`` with these arguments; it must end with that status."""
        return self.command("pytest", *arguments, status=status)

    def python(self, *arguments: str) -> Output:
        """The installed interpreter with these arguments."""
        return self.command("python", *arguments)

    def command(self, name: str, *arguments: str, status: int = 0) -> Output:
        """An installed script; it must end with that status."""
        done = subprocess.run(
            [str(SCRIPTS / name), *arguments],
            cwd=self.folder,
            env=dict(self.environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stdout
        return Output(done.returncode, done.stdout)

    def runs(self) -> int:
        """The number of finished runs in the folder's default store."""
        return len(list((self.folder / ".bertspec" / "runs").glob("*/run.json")))


@pytest.fixture(scope="session", autouse=True)
def _of_the_wheel() -> None:
    """Stop unless bertspec is installed from the wheel: from a checkout these tests would prove nothing."""
    import bertspec

    assert bertspec.__file__ is not None
    installed = Path(bertspec.__file__).resolve()
    assert installed.is_relative_to(Path(sys.prefix).resolve()), f"{installed} is no wheel: use tox -e wheel"
    assert "site-packages" in installed.parts


@pytest.fixture(scope="session")
def at() -> Callable[..., Project]:
    """Make a project of a folder and environment variables."""
    return _project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A new folder, with a store of its own."""
    return _project(tmp_path)


@pytest.fixture
def plain(project: Project) -> Project:
    """A suite that has nothing to do with bertspec."""
    project.write("test_plain.py", "def test_it():\n    pass\n")
    return project


@pytest.fixture
def shop(project: Project) -> Project:
    """A suite that uses pytest-bdd for something else."""
    project.write("shop.feature", SHOP_FEATURE)
    project.write("test_shop.py", SHOP_TESTS)
    return project


@pytest.fixture
def show(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Write a figure to the terminal, past the capture."""

    def write(text: str) -> None:
        with capsys.disabled():
            request.config.get_terminal_writer().line(f"\n{text}")

    return write


def _project(folder: Path, **variables: str) -> Project:
    """A folder outside the repository, and an environment with nothing of ours."""
    assert not folder.resolve().is_relative_to(REPOSITORY)
    kept = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return Project(folder, {**kept, "COLUMNS": "200", **variables})
