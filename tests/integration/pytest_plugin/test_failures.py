from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bertspec.pytest_plugin import definitions

if TYPE_CHECKING:
    from .conftest import Project

pytest_plugins = ["pytester"]

BUNDLED = {"MODULES": definitions.MODULES, "KEY_WORDS": definitions.KEY_WORDS}

FAILS = 'Given a network "x"\nThen its score is at least 0.95'
MISSPELT = 'Given a network "misspelt-net"\nWhen it learns with "adamw"'
BUGGY = 'Given a network "buggy-net"\nWhen it learns with "adamw"'


def failure(project: Project, *arguments: str) -> list[str]:
    """The lines of the one failure."""
    lines = project.run("features", *arguments).outlines
    start = next(number for number, line in enumerate(lines) if line.strip("_") == " the one ")
    end = next(number for number, line in enumerate(lines) if number > start and line.startswith("="))
    return lines[start + 1 : end]


def test_a_claim_that_does_not_pass_is_its_message_and_its_step(project: Project) -> None:
    project.scenario(FAILS)
    assert failure(project) == [
        "x: 0.912 is not above 0.95",
        "features/one.feature:5: Then its score is at least 0.95",
    ]


def test_an_error_for_users_is_its_message_and_its_step(project: Project) -> None:
    project.scenario(MISSPELT)
    assert failure(project) == [
        "no such encoder; given: 'misspelt-net'",
        'features/one.feature:5: When it learns with "adamw"',
    ]


def test_an_undefined_step_is_one_line_and_what_comes_close(project: Project) -> None:
    project.scenario('Given a network "x"\nThen its scores is at least 0.95')
    assert failure(project) == [
        "undefined step; did you mean 'Then its score is at least {bound:g}'?",
        "features/one.feature:5: Then its scores is at least 0.95",
    ]


def test_a_forgotten_step_is_named_with_what_to_write(project: Project) -> None:
    project.scenario('Given a board\n| x |\nWhen it learns with "adamw"')
    assert failure(project) == [
        "no earlier step gives the network; write one such as 'Given a network \"{name}\"'",
        'features/one.feature:6: When it learns with "adamw"',
    ]


def test_the_short_summary_repeats_the_message(project: Project) -> None:
    project.scenario(FAILS)
    project.run("features").stdout.fnmatch_lines(["FAILED features/one.feature::the_one - x: 0.912 is not above 0.95"])


def test_any_other_error_keeps_its_traceback_and_gets_its_step(project: Project) -> None:
    project.scenario(BUGGY)
    lines = failure(project)
    assert "E           RuntimeError: a bug" in lines
    assert lines[-1] == 'features/one.feature:5: When it learns with "adamw"'


def test_an_assertion_in_a_given_step_keeps_its_traceback(project: Project) -> None:
    project.write(
        "features/conftest.py",
        "from pytest_bdd import given\n\n@given('trouble')\ndef trouble():\n    assert 1 == 2, 'odd'\n",
    )
    project.scenario('Given trouble\nAnd a network "x"')
    assert any(line.endswith("AssertionError") for line in failure(project, "features/one.feature"))


def test_a_bare_assertion_shows_what_was_compared(project: Project) -> None:
    project.write(
        "features/conftest.py",
        "from pytest_bdd import then\n\n@then('one is two')\ndef one():\n    one = 1\n    assert one == 2\n",
    )
    project.scenario('Given a network "x"\nThen one is two')
    assert failure(project) == ["assert 1 == 2", "features/one.feature:5: Then one is two"]


CHATTER = """
import logging

import pytest


@pytest.fixture(autouse=True)
def chatter():
    yield
    for name in ("wandb.sdk", "urllib3.connectionpool", "datasets", "transformers.modeling_utils", "mine", "bertspec"):
        logging.getLogger(name).warning("a message of %s", name)
    logging.getLogger("wandb").error("an error of wandb")
"""


@pytest.mark.parametrize("options", [(), ("-n1",)], ids=["one process", "a worker"])
def test_log_messages_of_third_parties_stay_out_of_a_failure_unless_they_are_errors(
    project: Project, options: tuple[str, ...]
) -> None:
    project.write("features/conftest.py", CHATTER)
    project.scenario(FAILS)
    logged = [line.partition(" a")[2] for line in failure(project, *options) if " of " in line]
    assert logged == [" message of mine", " message of bertspec", "n error of wandb"]


@pytest.mark.parametrize("argument", ["--full-trace", "--tb=long", "--tb=native"])
def test_a_traceback_is_shown_on_request(project: Project, argument: str) -> None:
    project.scenario(FAILS)
    assert any("our_steps.py" in line for line in failure(project, argument))


DENIED = "Then a claim that its accuracy is at least 0.9 does not pass, by its"


@pytest.fixture
def bundled_steps(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The project with the steps that bertspec ships."""
    for name, value in BUNDLED.items():
        monkeypatch.setattr(definitions, name, value)
    project.write("conftest.py", "")
    return project


@pytest.mark.parametrize("mode", [(), ("--calibrate", "3")], ids=["judging", "calibrating"])
def test_a_wrong_word_in_a_claim_is_its_message_and_its_step(bundled_steps: Project, mode: tuple[str, ...]) -> None:
    bundled_steps.scenario(f'Given the encoder "bert-tiny"\n{DENIED} meen')
    message, step = failure(bundled_steps, *mode)
    assert message.startswith("no rule has that name; given: 'meen'; allowed: mean")
    assert step == f"features/one.feature:5: {DENIED} meen"


def test_a_former_word_is_listed_once_among_the_warnings_even_if_they_are_errors(bundled_steps: Project) -> None:
    imported = "ignore::pytest.PytestAssertRewriteWarning"  # by this process, before the session in it
    bundled_steps.write("pytest.ini", f"[pytest]\nfilterwarnings =\n  error\n  {imported}\n")
    bundled_steps.scenario(f'Given the encoder "bert-tiny"\n{DENIED} overlap')
    output = bundled_steps.run("features").stdout.str()
    assert output.count('FormerName: the rule "overlap" is now called "contamination"') == 1
    assert "no earlier step gives the study" in output
