from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Project

pytest_plugins = ["pytester"]

ZOO = """
    @bundled
    Feature: Animals
      Scenario Outline: <animal> is seen
        Given a network "<animal>"
        Then its score is at least <bound>

        Examples:
          | animal  | bound |
          | penguin | 0.51  |
          | ostrich | 0.52  |

        @slow
        Examples:
          | animal  | bound |
          | giraffe | 0.53  |

      Rule: feathers
        Scenario: it says penguin
          Given a network "x"

        @smoke
        Scenario: it says nothing
          Given a network "penguin"
"""


@pytest.fixture
def zoo(project: Project) -> Project:
    """Feature files in folders with telling names."""
    project.write("penguins/features/animals.feature", ZOO)
    return project


def names(project: Project, *arguments: str) -> list[str]:
    return [line.partition("::")[2] for line in project.collected(".", *arguments)]


def test_a_word_selects_titles_and_rows_but_neither_steps_nor_folders(zoo: Project) -> None:
    assert names(zoo, "-k", "penguin") == ["animal_is_seen[penguin]", "it_says_penguin"]


def test_a_folder_name_does_not_drop_what_it_holds(zoo: Project) -> None:
    assert names(zoo, "-k", "giraffe and not penguin") == ["animal_is_seen[giraffe]"]


def test_folder_names_still_select_python_tests(zoo: Project) -> None:
    zoo.write("penguins/test_python.py", "def test_it():\n    pass\n")
    assert names(zoo, "-k", "penguins") == ["test_it"]


def test_a_cell_that_is_not_in_the_title_selects_its_row(zoo: Project) -> None:
    assert names(zoo, "-k", "0.52") == ["animal_is_seen[ostrich]"]


@pytest.mark.parametrize("word", ["smoke", "nothing"])
def test_tags_and_titles_select_their_scenario(zoo: Project, word: str) -> None:
    assert names(zoo, "-k", word) == ["it_says_nothing"]


def test_a_rule_selects_its_scenarios(zoo: Project) -> None:
    assert names(zoo, "-k", "feathers") == ["it_says_penguin", "it_says_nothing"]


@pytest.mark.parametrize("word", ["animals.feature", "Animals"])
def test_the_file_and_the_feature_select_all(zoo: Project, word: str) -> None:
    assert len(names(zoo, "-k", word)) == 5


@pytest.mark.parametrize(
    ("expression", "selected"),
    [("smoke", ["it_says_nothing"]), ("slow", ["animal_is_seen[giraffe]"]), ("not bundled", [])],
)
def test_tags_of_features_scenarios_and_examples_are_markers(
    zoo: Project, expression: str, selected: list[str]
) -> None:
    assert names(zoo, "-m", expression) == selected


def test_an_unknown_tag_is_refused_with_its_line(zoo: Project) -> None:
    zoo.scenario('Given a network "x"', tags="@smok")
    result = zoo.run("features")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["features/one.feature:2: unknown tag @smok:*"])


def test_a_tag_that_the_user_registers_is_known(zoo: Project) -> None:
    zoo.scenario('Given a network "x"', tags="@mine")
    zoo.write("pytest.ini", "[pytest]\nstrict_markers = true\nmarkers =\n    mine: of my own\n")
    zoo.run("features", "-m", "mine").assert_outcomes(passed=1)


def test_our_tags_are_listed_with_the_markers(zoo: Project) -> None:
    zoo.run("--markers").stdout.fnmatch_lines(["@pytest.mark.gpu: needs a CUDA device"])
