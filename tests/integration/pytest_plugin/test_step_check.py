from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bertspec.pytest_plugin import definitions

if TYPE_CHECKING:
    from .conftest import Project

pytest_plugins = ["pytester"]


def test_defined_steps_are_counted_and_nothing_runs(learning: Project) -> None:
    learning.scenario('Given a network "buggy-net"\nWhen it learns with "adamw"')
    result = learning.run("features", "--check-steps")
    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes()
    result.stdout.fnmatch_lines(["4 scenarios, all steps defined"])


def test_an_undefined_step_is_listed_once_with_what_comes_close(learning: Project) -> None:
    learning.write(
        "features/wrong.feature",
        """
        Feature: Wrong
          Scenario Outline: <encoder>
            Given a netwrk "<encoder>"
            Then its score is at least 0.5

            Examples:
              | encoder |
              | a       |
              | b       |
        """,
    )
    result = learning.run("features", "--check-steps")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    listed = [line for line in result.outlines if "undefined step" in line]
    assert listed == [
        'features/wrong.feature:3: undefined step: Given a netwrk "a"; did you mean \'Given a network "{name}"\'?'
    ]


def test_an_ambiguous_step_is_listed(learning: Project) -> None:
    learning.write(
        "features/conftest.py",
        "from pytest_bdd import given, parsers\n\n@given(parsers.parse('a {thing}'))\ndef a_thing(thing):\n    pass\n",
    )
    result = learning.run("features", "--check-steps")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["features/learning.feature:5: 2 step definitions match: Given a network*"])


def test_a_rejected_file_is_not_called_defined(learning: Project) -> None:
    learning.write("features/wrong.feature", 'Feature: A\n  Scenario: a\n    And a network "x"\n')
    result = learning.run("features", "--check-steps")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.no_fnmatch_line("*all steps defined")


@pytest.mark.parametrize("workers", [["-n", "2"], ["--dist", "load", "--tx", "2*popen"]])
def test_workers_are_not_started(learning: Project, workers: list[str]) -> None:
    result = learning.run("features", "--check-steps", *workers)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["3 scenarios, all steps defined"])


MODULES, KEY_WORDS = definitions.MODULES, definitions.KEY_WORDS

OURS = """
    Feature: Encoders
      Scenario: It learns
        Given the encoder "bert-tiny"
        And the task "bundled/sentiment"
        When it is fine-tuned with "adamw" on seeds 1 to 3
        {then}
"""


@pytest.fixture
def real(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The project with the steps that bertspec ships."""
    monkeypatch.setattr(definitions, "MODULES", MODULES)
    monkeypatch.setattr(definitions, "KEY_WORDS", KEY_WORDS)
    project.write("conftest.py", "")
    return project


def test_a_scenario_without_a_then_fails_before_anything_is_trained(real: Project) -> None:
    real.write("features/silent.feature", OURS.format(then=""))
    result = real.run("features")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*the scenario has no Then: it claims nothing, and would pass; where: features/silent.feature:2"]
    )
    checked = real.run("features", "--check-steps")
    assert checked.ret == pytest.ExitCode.TESTS_FAILED
    checked.stdout.fnmatch_lines(["features/silent.feature:2: the scenario has no Then: *"])


def test_a_bound_that_no_score_can_have_is_blamed_on_its_own_line(real: Project) -> None:
    real.write("features/high.feature", OURS.format(then="Then its accuracy is at least inf"))
    result = real.run("features")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["accuracy can never be inf*", "features/high.feature:6: Then its accuracy is at least inf"]
    )


def test_what_a_scenario_says_in_vain_is_refused_with_its_line(real: Project) -> None:
    doc_string = 'Then its accuracy is at least 0.9\n          """\n          doc\n          """'
    real.write("features/vain.feature", OURS.format(then=doc_string))
    result = real.run("features")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(
        ["features/vain.feature:6: the step reads no doc string: Then its accuracy is at least 0.9"]
    )
