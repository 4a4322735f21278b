"""A project with feature files and steps of its own, on which the plugin is tried."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bertspec.pytest_plugin import definitions

STEPS = """
from pytest_bdd import given, parsers, then, when

from bertspec.errors import InvalidConfig, Unreachable

TROUBLE = {
    "misspelt-net": InvalidConfig("no such encoder", given="misspelt-net"),
    "distant-net": Unreachable("the hub does not answer", given="distant-net"),
    "buggy-net": RuntimeError("a bug"),
}


@given(parsers.parse('a network "{name}"'), target_fixture="network")
def a_network(name):
    return name


@given("a board")
def a_board(datatable):
    pass


@given("a letter")
def a_letter(docstring):
    pass


@when(parsers.parse('it learns with "{optimizer}"'))
def it_learns(network, optimizer):
    if network in TROUBLE:
        raise TROUBLE[network]


@then(parsers.parse("its score is at least {bound:g}"))
def its_score(bound, network, request):
    passed = bound <= 0.9
    entry = {
        "claim": f"score is at least {bound:g}",
        "subject": f"{network} \\u00b7 toy",
        "quantity": "score",
        "value": 0.912,
        "values": [0.9, 0.912, 0.924],
        "interval": [0.9, 0.924],
        "bound": bound,
        "verdict": "PASS" if passed else "FAIL",
        "reason": None if passed else "the whole interval is below the bound",
        "detectable_drop": "would have refused 0.02 less" if passed else None,
        "pass_rates": "passes now and then",
        "origin": "3 trained",
    }
    request.node.user_properties.append(("bertspec.claim", entry))
    assert passed, f"{network}: 0.912 is not above {bound}"
"""

CONFTEST = """
from bertspec.pytest_plugin import definitions

definitions.MODULES = ("our_steps",)
definitions.KEY_WORDS = ("a net", "a board")
"""

LEARNING = """
    @bundled
    Feature: Small encoders learn sentiment

      Scenario Outline: <encoder> learns with <optimizer>
        Given a network "<encoder>"
        When it learns with "<optimizer>"
        Then its score is at least <bound>

        Examples:
          | encoder    | optimizer | bound |
          | distilbert | adamw     | 0.8   |
          | distilbert | sgd       | 0.7   |
          | albert     | adamw     | 0.9   |
"""


@dataclass(frozen=True)
class Project:
    """A folder in which pytest runs."""

    pytester: pytest.Pytester

    def write(self, path: str, text: str) -> Path:
        """Write a file, less the indentation that all its lines share."""
        import textwrap

        file = self.pytester.path / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text).lstrip("\n"), "utf-8")
        return file

    def scenario(self, steps: str, *, tags: str = "") -> None:
        """Write ``features/one.feature`` with one scenario."""
        lines = [
            "Feature: One",
            f"  {tags}",
            "  Scenario: the one",
            *(f"    {line.strip()}" for line in steps.split("\n")),
        ]
        self.write("features/one.feature", "\n".join(lines))

    def run(self, *arguments: str) -> pytest.RunResult:
        """Run pytest in this process, without a cache."""
        return self.pytester.runpytest_inprocess("-p", "no:cacheprovider", *arguments)

    def collected(self, *arguments: str) -> list[str]:
        """The node ids that would run."""
        result = self.run("--collect-only", "-q", *arguments)
        return [line for line in result.outlines if "::" in line and not line.startswith("ERROR")]


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project whose own steps stand in for those that bertspec ships."""
    monkeypatch.setattr(definitions, "MODULES", ("our_steps",))
    monkeypatch.setattr(definitions, "KEY_WORDS", ("a net", "a board"))
    monkeypatch.delenv("BERTSPEC_MIRROR", raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    pytester.syspathinsert()
    gc.freeze()  # each session of pytest ends with a search for garbage, also among all that torch has loaded
    built = Project(pytester)
    built.write("our_steps.py", STEPS)
    built.write("conftest.py", CONFTEST)
    built.write("pytest.ini", "[pytest]\nstrict_markers = true\n")
    return built


@pytest.fixture
def learning(project: Project) -> Project:
    """The project with one feature file of three examples."""
    project.write("features/learning.feature", LEARNING)
    return project


@pytest.fixture
def rejected(project: Project) -> Callable[[str], str]:
    """Write a feature file, and give back what its collection says."""

    def message(text: str) -> str:
        project.write("features/wrong.feature", text)
        result = project.run("features")
        assert result.ret == pytest.ExitCode.INTERRUPTED
        return result.stdout.str()

    return message
