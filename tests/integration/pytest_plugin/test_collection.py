from __future__ import annotations

import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Project

pytest_plugins = ["pytester"]

DISTILBERT_ADAMW = "features/learning.feature::encoder_learns_with_optimizer[distilbert-adamw]"
DISTILBERT_SGD = "features/learning.feature::encoder_learns_with_optimizer[distilbert-sgd]"
ALBERT_ADAMW = "features/learning.feature::encoder_learns_with_optimizer[albert-adamw]"
ALL = [DISTILBERT_ADAMW, DISTILBERT_SGD, ALBERT_ADAMW]


@pytest.mark.parametrize("argument", ["features", "features/learning.feature", "."])
def test_a_folder_or_a_file_gives_one_test_for_each_example(learning: Project, argument: str) -> None:
    assert learning.collected(argument) == ALL
    learning.run(argument).assert_outcomes(passed=3)


def test_a_threshold_is_no_part_of_the_id(learning: Project) -> None:
    text = (learning.pytester.path / "features/learning.feature").read_text("utf-8")
    learning.write("features/learning.feature", text.replace("0.8 ", "0.55"))
    assert learning.collected("features") == ALL


def test_one_example_runs_by_its_quoted_id(learning: Project) -> None:
    assert learning.collected(DISTILBERT_SGD) == [DISTILBERT_SGD]


def test_the_name_without_brackets_runs_all_examples(learning: Project) -> None:
    assert learning.collected("features/learning.feature::encoder_learns_with_optimizer") == ALL


def test_last_failed_reruns_the_example_that_failed(learning: Project) -> None:
    text = (learning.pytester.path / "features/learning.feature").read_text("utf-8")
    learning.write("features/learning.feature", text.replace("0.7 ", "0.95"))
    learning.pytester.runpytest_inprocess("features")
    again = learning.pytester.runpytest_inprocess("features", "--lf", "-v")
    again.assert_outcomes(failed=1)
    again.stdout.fnmatch_lines(["*optimizer?distilbert-sgd? FAILED*"])


def test_two_rows_with_one_id_are_refused_with_both_lines(learning: Project) -> None:
    learning.write(
        "features/twice.feature",
        """
        Feature: Twice
          Scenario Outline: <encoder> learns
            Given a network "<encoder>"
            Then its score is at least <bound>

            Examples:
              | encoder | bound |
              | albert  | 0.8   |
              | albert  | 0.9   |
        """,
    )
    result = learning.run("features/twice.feature")
    result.stdout.fnmatch_lines(
        ["features/twice.feature:9: the test id 'encoder_learns[[]albert]' is already used on line 8*"]
    )


OTHERS = """
    Feature: Somebody else's
      Scenario: a thing
        Given somebody else's step
"""


def test_other_peoples_feature_files_are_left_alone(learning: Project) -> None:
    learning.write("features/others.feature", OTHERS)
    assert learning.collected("features") == ALL


def test_a_line_of_ours_that_anybody_could_write_does_not_make_a_file_ours(learning: Project) -> None:
    learning.write(
        "features/shop.feature",
        """
        Feature: Somebody else's
          Scenario: a cart
            Given somebody else's step
            Then its score is at least 5
        """,
    )
    assert learning.collected("features") == ALL


def test_a_suite_with_only_other_peoples_feature_files_pays_for_no_steps(project: Project) -> None:
    project.write("others.feature", OTHERS)
    project.write("test_python.py", "import sys\n\ndef test_it():\n    assert 'our_steps' not in sys.modules\n")
    project.pytester.runpytest_subprocess(".").assert_outcomes(passed=1)


def test_a_feature_file_that_cannot_be_read_is_nobodys(learning: Project) -> None:
    (learning.pytester.path / "features/gone.feature").symlink_to("nowhere")
    assert learning.collected("features") == ALL


def test_a_named_file_is_collected_whatever_it_says(learning: Project) -> None:
    learning.write("features/others.feature", OTHERS)
    assert learning.collected("features/others.feature") == ["features/others.feature::a_thing"]


def test_always_collects_every_feature_file(learning: Project) -> None:
    learning.write("features/others.feature", OTHERS)
    assert len(learning.collected("features", "-o", "bertspec_collect=always")) == 4


def test_never_collects_none(learning: Project) -> None:
    assert learning.collected("features", "-o", "bertspec_collect=never") == []


def test_an_unknown_way_to_collect_is_a_usage_error(learning: Project) -> None:
    result = learning.run("features", "-o", "bertspec_collect=sometimes")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*bertspec_collect is 'sometimes'; allowed are auto, always, never"])


def test_a_broken_file_in_our_language_is_not_passed_over(learning: Project) -> None:
    learning.write("features/broken.feature", 'Feature: A\n  Scenario: b\n    Given a network "x"\n  Oops\n')
    result = learning.run("features")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["features/broken.feature:4: *got 'Oops'*"])


def test_the_users_own_steps_work_beside_ours(learning: Project) -> None:
    learning.write(
        "features/conftest.py",
        """
        from pytest_bdd import given

        @given("a tokenizer of mine")
        def a_tokenizer():
            pass
        """,
    )
    learning.scenario('Given a network "x"\nAnd a tokenizer of mine\nThen its score is at least 0.5')
    learning.run("features/one.feature").assert_outcomes(passed=1)


def test_a_step_of_the_users_with_the_same_text_overrides_ours(learning: Project) -> None:
    learning.write(
        "conftest.py",
        """
        from bertspec.pytest_plugin import definitions
        from pytest_bdd import given, parsers

        definitions.MODULES = ("our_steps",)

        @given(parsers.parse('a network "{name}"'), target_fixture="network")
        def a_network_of_mine(name):
            return "buggy-net"
        """,
    )
    learning.scenario('Given a network "x"\nWhen it learns with "adamw"')
    learning.run("features/one.feature").assert_outcomes(failed=1)


BINDING = """
    from pytest_bdd import given, scenarios

    scenarios("{path}")

    @given("a tokenizer of mine")
    def a_tokenizer():
        pass
"""
MIXED = 'Given a network "x"\nAnd a tokenizer of mine\nThen its score is at least 0.5'


def test_a_scenario_that_a_test_module_binds_runs_there_and_only_there(project: Project) -> None:
    project.scenario(MIXED)
    project.write("features/test_mine.py", BINDING.format(path="one.feature"))
    project.run("features").assert_outcomes(passed=1, deselected=1)


def test_a_scenario_that_no_test_module_binds_runs_from_its_file(learning: Project) -> None:
    learning.scenario(MIXED)
    learning.write("features/test_mine.py", BINDING.format(path="one.feature"))
    learning.run("features").assert_outcomes(passed=4, deselected=1)


@pytest.mark.parametrize("workers", [[], ["-n2"]])
def test_a_test_module_may_bind_a_feature_file_of_another_folder(project: Project, workers: list[str]) -> None:
    project.scenario(MIXED)
    project.write("tests/test_mine.py", BINDING.format(path="../features/one.feature"))
    project.run("tests", *workers).assert_outcomes(passed=1)


def test_module_fixtures_of_the_users_serve_a_feature_file(learning: Project) -> None:
    learning.write(
        "features/conftest.py",
        """
        import pytest

        @pytest.fixture(scope="module", autouse=True)
        def once(request):
            assert request.module.__name__ == "learning"
        """,
    )
    learning.run("features").assert_outcomes(passed=3)


def test_feature_files_in_other_languages_are_read(project: Project) -> None:
    project.write(
        "features/nl.feature",
        """
        # language: nl
        Functionaliteit: Leren
          Scenario: een netwerk
            Gegeven a network "x"
            Dan its score is at least 0.5
        """,
    )
    project.run("features").assert_outcomes(passed=1)


def test_the_plugin_works_without_autoloading(learning: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    result = learning.pytester.runpytest_subprocess(
        "-p", "pytest_bdd.plugin", "-p", "bertspec.pytest_plugin", "features"
    )
    result.assert_outcomes(passed=3)


def test_without_pytest_bdd_the_plugin_stands_aside(learning: Project) -> None:
    learning.write("test_python.py", "def test_it():\n    pass\n")
    result = learning.pytester.runpytest_subprocess("-p", "no:pytest-bdd", ".")
    result.assert_outcomes(passed=1)


def test_importing_the_plugin_is_cheap() -> None:
    code = "import pytest, sys; a = set(sys.modules); import bertspec.pytest_plugin; print(*set(sys.modules) - a)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert {name.partition(".")[0] for name in loaded} == {"bertspec"}


def test_a_suite_without_feature_files_pays_for_no_steps(project: Project) -> None:
    project.write("test_python.py", "import sys\n\ndef test_it():\n    assert 'our_steps' not in sys.modules\n")
    project.pytester.runpytest_subprocess(".").assert_outcomes(passed=1)


def test_an_outline_of_thousands_of_rows_is_collected_in_linear_time(project: Project) -> None:
    rows = "\n".join(f"              | net-{number} | 0.5 |" for number in range(2000))
    project.write(
        "features/long.feature",
        f"""
        Feature: Long
          Scenario Outline: <encoder> learns
            Given a network "<encoder>"
            Then its score is at least <bound>

            Examples:
              | encoder | bound |
{rows}
        """,
    )
    began = time.monotonic()
    assert len(project.collected("features/long.feature")) == 2000
    assert time.monotonic() - began < 60  # it took 60 s and 1.6 GB when every row went through all rows
