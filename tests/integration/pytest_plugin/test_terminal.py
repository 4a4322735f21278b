from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Project

pytest_plugins = ["pytester"]

PASSED = [
    "PASS     distilbert learns with adamw  score 0.912 ± 0.012  ≥ 0.8  3",
    "PASS     distilbert learns with sgd    score 0.912 ± 0.012  ≥ 0.7  3",
    "PASS     albert learns with adamw      score 0.912 ± 0.012  ≥ 0.9  3",
]
TOTALS = ["3 scenarios: 3 PASS, 0 FAIL, 0 UNDECIDED, 0 not run", "3 claims: 3 PASS, 0 FAIL, 0 UNDECIDED"]


def edit(project: Project, old: str, new: str) -> None:
    file = project.pytester.path / "features/learning.feature"
    text = file.read_text("utf-8")
    assert old in text
    project.write("features/learning.feature", text.replace(old, new))


def section(lines: list[str], title: str) -> list[str]:
    """The lines of a section of the summary."""
    start = next(number for number, line in enumerate(lines) if line.strip("=") == f" {title} ")
    end = next(number for number, line in enumerate(lines) if number > start and line.startswith("="))
    return lines[start + 1 : end]


def test_each_scenario_is_one_line_then_come_the_totals_and_the_way_to_the_report(learning: Project) -> None:
    lines = section(learning.run("features").outlines, "scenarios")
    assert lines[0].split() == ["verdict", "scenario", "measured", "bound", "seeds"]
    assert lines[1:] == [*PASSED, *TOTALS, "report: bertspec report"]


def test_the_totals_are_one_line_where_the_terminal_is_wide(learning: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    assert "; ".join(TOTALS) in learning.run("features").outlines


def test_no_title_is_cut_in_a_file_or_a_pipe(learning: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(learning, "<encoder> learns with <optimizer>", f"<encoder> learns {'all ' * 30}with <optimizer>")
    monkeypatch.delenv("COLUMNS")
    lines = section(learning.run("features").outlines, "scenarios")
    assert lines[1].startswith(f"PASS     distilbert learns {'all ' * 30}with adamw  score 0.912 ± 0.012")


def test_the_command_for_the_report_is_a_path_where_the_shell_would_not_find_it(
    learning: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    script = Path(sys.executable).with_name("bertspec")
    learning.run("features").stdout.fnmatch_lines([f"report: {script} report"])


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_no_line_of_the_summary_is_wider_than_the_terminal(
    learning: Project, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    edit(learning, "<encoder> learns with <optimizer>", f"<encoder> learns {'all ' * 30}with <optimizer>")
    edit(learning, "| 0.9   |", "| 0.95  |")
    monkeypatch.setenv("COLUMNS", str(width))
    lines = section(learning.run("features").outlines, "scenarios")
    assert max(map(len, lines)) <= width
    assert any(re.match(r"PASS     distilbert.*….*sgd +0.912 ± 0.012  ≥ 0.7   3", line) for line in lines)


def test_a_scenario_that_did_not_pass_shows_its_claims(learning: Project) -> None:
    edit(learning, "| 0.9   |", "| 0.95  |")
    lines = section(learning.run("features").outlines, "scenarios")
    failed = next(number for number, line in enumerate(lines) if line.startswith("FAIL"))
    assert lines[failed].split() == "FAIL albert learns with adamw score 0.912 ± 0.012 ≥ 0.95 3".split()
    assert lines[failed + 1] == "    FAIL  score is at least 0.95: 0.912 ± 0.012 (seeds 0.900, 0.912, 0.924); 3…"
    assert lines[failed + 2] == "        the whole interval is below the bound"


def test_a_scenario_that_an_error_stopped_shows_its_message(learning: Project) -> None:
    edit(learning, "| albert     |", "| misspelt-net |")
    lines = section(learning.run("features").outlines, "scenarios")
    failed = next(number for number, line in enumerate(lines) if line.startswith("FAIL"))
    assert lines[failed + 1] == "    no such encoder; given: 'misspelt-net'"


def test_verbose_adds_the_claims_with_what_they_refuse_and_how_often_they_pass(learning: Project) -> None:
    lines = section(learning.run("features", "-v").outlines, "scenarios")
    assert lines[2:4] == [
        "    PASS  score is at least 0.8: 0.912 ± 0.012 (seeds 0.900, 0.912, 0.924); 3 t…",
        "        would have refused 0.02 less",
    ]
    assert "pass rates of 3 claims: each passes now and then" in lines
    brief = "\n".join(section(learning.run("features").outlines, "scenarios"))
    assert "refused" not in brief
    assert "pass rates" not in brief


def test_quiet_leaves_the_totals_alone(learning: Project) -> None:
    lines = learning.run("features", "-q", "--disable-warnings").outlines
    assert [line for line in lines if line.strip() and "%" not in line and "passed" not in line] == TOTALS


@pytest.mark.parametrize("dist", ["load", "loadgroup"])
def test_scenarios_of_all_workers_are_in_one_table(learning: Project, dist: str) -> None:
    lines = section(learning.run("features", "-n2", "--dist", dist).outlines, "scenarios")
    assert sorted(lines[1:4]) == sorted(PASSED)
    assert lines[4:6] == TOTALS


def not_run(learning: Project, *options: str) -> list[str]:
    edit(learning, "@bundled", "@hub")
    result = learning.run("features", *options)
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    return section(result.outlines, "not run")


@pytest.mark.parametrize("options", [(), ("-n2",)], ids=["one process", "two workers"])
def test_scenarios_not_run_are_counted_by_reason_and_by_feature(learning: Project, options: tuple[str, ...]) -> None:
    lines = not_run(learning, *options)
    assert lines[0].startswith("3 scenarios: needs a mirror")
    assert lines[1:4] == [
        "      3  Small encoders learn sentiment",
        "3 scenarios: 0 PASS, 0 FAIL, 0 UNDECIDED, 3 not run",
        "0 claims: 0 PASS, 0 FAIL, 0 UNDECIDED",
    ]


def test_verbose_lists_the_scenarios_not_run(learning: Project) -> None:
    assert not_run(learning, "-v")[2:5] == [
        "         albert learns with adamw",
        "         distilbert learns with adamw",
        "         distilbert learns with sgd",
    ]


def test_the_reports_that_were_asked_for_are_named(learning: Project) -> None:
    result = learning.run("features", "--spec-report=out/spec.md", "--spec-report=out/spec.html")
    result.stdout.fnmatch_lines(["report: *out/spec.md", "report: *out/spec.html"])


def test_another_store_is_named_with_the_command_for_the_report(learning: Project) -> None:
    learning.run("features", "--bertspec-store=my store").stdout.fnmatch_lines(
        ["report: bertspec report --store 'my store'"]
    )


def test_a_python_test_that_judges_a_claim_is_shown_with_its_subject(project: Project) -> None:
    project.write(
        "test_python.py",
        """
        def test_it(request):
            claim = {"claim": "ratio is at least 2", "subject": "a against b", "value": 3, "bound": 2}
            claim["verdict"] = "PASS"
            request.node.user_properties.append(("bertspec.claim", claim))
        """,
    )
    result = project.run(".")
    result.stdout.fnmatch_lines(["PASS * a against b * 3.000 * ≥ 2", "1 scenario: 1 PASS, *"])
    assert not (project.pytester.path / ".bertspec").exists()


def test_other_peoples_suites_see_no_summary(project: Project) -> None:
    project.write("test_python.py", "def test_it():\n    pass\n")
    result = project.run(".")
    result.stdout.no_fnmatch_line("*scenario*")


def test_colours_are_the_terminals(learning: Project) -> None:
    coloured = learning.run("features", "--color=yes").stdout.str()
    assert "\x1b[32mPASS\x1b[0m     distilbert" in coloured
    assert "\x1b[" not in learning.run("features", "--color=no").stdout.str()


def test_a_stream_without_unicode_gets_ascii(learning: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    edit(learning, "<encoder> learns", "<encoder> · learns")
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    monkeypatch.setenv("PYTHONUTF8", "0")
    result = learning.pytester.runpytest_subprocess("features")
    result.stdout.fnmatch_lines(["PASS * distilbert - learns with adamw * 0.912 +/- 0.012  >= 0.8  3"])
