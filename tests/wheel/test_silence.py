"""What bertspec costs a project that has it installed and does not use it."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from .conftest import Project

PAIRS = 7
PLUGIN_LIMIT_S = 0.1
IMPORT_LIMIT_S = 0.3
WATCH = """
    import sys

    def pytest_unconfigure():
        heavy = {"torch", "transformers", "wandb", "evaluate", "datasets", "numpy", "pydantic", "bertspec.steps"}
        print("heavy:", sorted(heavy & sys.modules.keys()))
"""


def test_the_output_of_a_suite_without_features_does_not_change(plain: Project) -> None:
    with_us, without_us = (plain.pytest("-q", *off).text.splitlines() for off in ((), ("-p", "no:bertspec")))
    assert with_us[:-1] == without_us[:-1]


def test_the_help_has_a_group_of_ours(plain: Project) -> None:
    output = plain.pytest("--help").text
    assert "bertspec: feature files as benchmarks:" in output
    assert "--check-steps" in output


@pytest.mark.parametrize("arguments", [["--help"], ["--markers"], ["--collect-only"], []], ids=" ".join)
def test_a_suite_without_features_loads_nothing_heavy(plain: Project, arguments: list[str]) -> None:
    plain.write("conftest.py", WATCH)
    assert "heavy: []" in plain.pytest(*arguments).text


def test_a_suite_with_other_features_loads_nothing_heavy(shop: Project) -> None:
    shop.write("conftest.py", WATCH)
    assert "heavy: []" in shop.pytest().text


@pytest.mark.parametrize("suite", ["plain", "shop"])
def test_the_plugin_adds_less_than_a_tenth_of_a_second(
    suite: str, request: pytest.FixtureRequest, show: Callable[[str], None]
) -> None:
    project: Project = request.getfixturevalue(suite)
    with_us, without_us = _in_turns(project)
    at_best_s = min(with_us) - min(without_us)
    in_the_middle_s = statistics.median(with_us) - statistics.median(without_us)
    show(
        f"{suite}: {statistics.median(with_us):.3f} s with, {statistics.median(without_us):.3f} s without (medians), "
        f"{in_the_middle_s:+.3f} s added, {at_best_s:+.3f} s at best; {PAIRS} pairs"
    )
    # Other work on the machine spoils one of the two now and then; a slow plugin spoils both.
    assert min(at_best_s, in_the_middle_s) < PLUGIN_LIMIT_S


def test_importing_bertspec_takes_less_than_three_tenths_of_a_second(
    project: Project, show: Callable[[str], None]
) -> None:
    code = (
        "import sys, time; began = time.perf_counter(); import bertspec; took = time.perf_counter() - began\n"
        "assert not {'torch', 'transformers', 'wandb', 'evaluate', 'datasets'} & sys.modules.keys()\n"
        "print(took)"
    )
    took_s = statistics.median(float(project.python("-c", code).text) for _ in range(5))
    show(f"import bertspec: {took_s:.4f} s")
    assert took_s < IMPORT_LIMIT_S


def _in_turns(project: Project) -> tuple[list[float], list[float]]:
    """Seconds of pytest with the plugin, and without it; each pair in the other order than the one before."""
    taken_s: dict[tuple[str, ...], list[float]] = {(): [], ("-p", "no:bertspec"): []}
    project.pytest()  # warms up
    for number in range(PAIRS):
        for arguments in sorted(taken_s, reverse=bool(number % 2)):
            began = time.perf_counter()
            project.pytest("-q", "-p", "no:cacheprovider", *arguments)
            taken_s[arguments].append(time.perf_counter() - began)
    with_us, without_us = taken_s.values()
    return with_us, without_us
