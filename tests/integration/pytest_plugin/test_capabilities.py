from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bertspec.pytest_plugin import capabilities
from bertspec.pytest_plugin.capabilities import Capability

if TYPE_CHECKING:
    from .conftest import Project

pytest_plugins = ["pytester"]

PASSES = 'Given a network "x"\nThen its score is at least 0.5'
IS_AWAY = 'Given a network "distant-net"\nWhen it learns with "adamw"'


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Neither a GPU nor MiniLM, but a mirror; and a list of what was asked for."""
    calls: list[str] = []

    def lacking(name: str, reason: str | None) -> Capability:
        return Capability(f"needs {name}", lambda _: calls.append(name) or reason)

    known = {
        "gpu": lacking("gpu", "needs a CUDA device"),
        "minilm": lacking("minilm", "needs the package"),
        "mirror": lacking("mirror", None),
        "hub": lacking("hub", None),
        "performance": capabilities.CAPABILITIES["performance"],
    }
    monkeypatch.setattr(capabilities, "CAPABILITIES", known)
    return calls


@pytest.mark.usefixtures("asked")
def test_a_scenario_beyond_this_machine_is_not_run_with_its_reason(project: Project) -> None:
    project.scenario(PASSES, tags="@gpu")
    result = project.run("features", "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(
        [
            "*= not run =*",
            "1 scenario: needs a CUDA device",
            "      1  One",
            "1 scenario: 0 PASS, 0 FAIL, 0 UNDECIDED, 1 not run",
            "0 claims: 0 PASS, 0 FAIL, 0 UNDECIDED",
            "SKIPPED * features/one.feature:3: not run: needs a CUDA device",
        ]
    )


@pytest.mark.usefixtures("asked")
def test_where_nothing_ran_the_exit_status_is_five(project: Project) -> None:
    project.scenario(PASSES, tags="@gpu")
    assert project.run("features").ret == pytest.ExitCode.NO_TESTS_COLLECTED


@pytest.mark.usefixtures("asked")
def test_where_something_ran_the_exit_status_is_zero(learning: Project) -> None:
    learning.scenario(PASSES, tags="@gpu")
    assert learning.run("features").ret == pytest.ExitCode.OK


@pytest.mark.usefixtures("asked")
def test_a_suite_of_skipped_python_tests_keeps_its_exit_status(project: Project) -> None:
    project.write("test_python.py", "import pytest\n\n@pytest.mark.gpu\n@pytest.mark.skip\ndef test_it():\n    pass\n")
    result = project.run(".")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.no_fnmatch_line("*not run*")


def test_python_tests_with_our_tags_run(project: Project, asked: list[str]) -> None:
    project.write("test_python.py", "import pytest\n\n@pytest.mark.gpu\ndef test_it():\n    pass\n")
    project.run(".").assert_outcomes(passed=1)
    assert asked == []


def test_a_capability_is_asked_for_once_and_only_where_a_scenario_needs_it(learning: Project, asked: list[str]) -> None:
    text = (learning.pytester.path / "features/learning.feature").read_text("utf-8")
    learning.write("features/learning.feature", text.replace("@bundled", "@gpu"))
    learning.run("features").assert_outcomes(skipped=3)
    assert asked == ["gpu"]


def test_deselected_scenarios_ask_for_nothing(learning: Project, asked: list[str]) -> None:
    learning.scenario(PASSES, tags="@gpu")
    learning.run("features", "-m", "not gpu").assert_outcomes(passed=3, deselected=1)
    assert asked == []


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize("tag", ["@hub", "@mirror"])
def test_a_source_that_does_not_answer_leaves_a_tagged_scenario_not_run(project: Project, tag: str) -> None:
    project.scenario(IS_AWAY, tags=tag)
    result = project.run("features")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["1 scenario: the hub does not answer; given: 'distant-net'"])


@pytest.mark.usefixtures("asked")
def test_a_source_that_does_not_answer_fails_an_untagged_scenario(project: Project) -> None:
    project.scenario(IS_AWAY)
    project.run("features").assert_outcomes(failed=1)


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize(("steps", "tag"), [(PASSES, "minilm"), (IS_AWAY, "mirror")])
def test_what_is_required_fails_where_it_cannot_run(project: Project, steps: str, tag: str) -> None:
    project.scenario(steps, tags=f"@{tag}")
    result = project.run("features", f"--require={tag},gpu", "-k", "one")
    result.assert_outcomes(failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.usefixtures("asked")
def test_a_required_scenario_says_what_it_lacks(project: Project) -> None:
    project.scenario(PASSES, tags="@minilm")
    project.run("features", "--require=minilm").stdout.fnmatch_lines(
        ["required, but it could not run: needs the package"]
    )


@pytest.mark.usefixtures("asked")
def test_a_requirement_that_no_scenario_tests_fails_where_it_is_not_met(learning: Project) -> None:
    result = learning.run("features", "--require=gpu")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(
        ["--require=gpu: no selected scenario is tagged @gpu, and this machine needs a CUDA device"]
    )


@pytest.mark.usefixtures("asked")
def test_a_requirement_that_is_met_passes_without_a_scenario(learning: Project) -> None:
    assert learning.run("features", "--require=mirror").ret == pytest.ExitCode.OK


@pytest.mark.usefixtures("asked")
def test_an_unknown_requirement_is_a_usage_error_that_names_the_known(learning: Project) -> None:
    result = learning.run("features", "--require=minlm")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--require: unknown tag minlm; known are gpu, minilm, mirror, hub, performance"])


def test_times_are_taken_in_one_quiet_process(project: Project) -> None:
    project.scenario(PASSES, tags="@performance")
    project.run("features").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("argument", "reason"),
    [
        ("--benchmark-disable", "timings are switched off by --benchmark-disable"),
        ("-n1", "timings need the machine to themselves; run it without -n"),
    ],
)
def test_no_times_are_taken_beside_other_workers_or_when_switched_off(
    project: Project, argument: str, reason: str
) -> None:
    project.scenario(PASSES, tags="@performance")
    result = project.run("features", argument)
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines([f"1 scenario: {reason}"])


def test_what_takes_hours_runs_only_where_it_is_named(project: Project) -> None:
    project.scenario(PASSES, tags="@full")
    project.run("features").assert_outcomes(skipped=1)
    project.run("features", "-m", "full").assert_outcomes(passed=1)


def test_the_hub_is_asked_only_with_leave_to_download(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bertspec.sources.Sources.hub_answers", lambda _: True)
    project.scenario(PASSES, tags="@hub")
    project.run("features").assert_outcomes(skipped=1)
    project.run("features", "--download").assert_outcomes(passed=1)
