from __future__ import annotations

from pathlib import Path

import pytest

from bertspec.pytest_plugin.schedule import group
from bertspec.pytest_plugin.shipped import feature_files_in, may_be_ours

FEATURES = Path(__file__).parents[3] / "features"


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for name in ("a/one.feature", "a/b/two.feature", "venv/three.feature", "a/test_it.py"):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    return tmp_path


def test_feature_files_are_found_below_a_folder_but_not_in_skipped_ones(folders: Path) -> None:
    assert sorted(path.name for path in feature_files_in(folders, ["ven*"])) == ["one.feature", "two.feature"]


def test_a_feature_file_is_found_in_itself(folders: Path) -> None:
    assert list(feature_files_in(folders / "a/one.feature")) == [folders / "a/one.feature"]


def test_a_python_file_holds_none(folders: Path) -> None:
    assert list(feature_files_in(folders / "a/test_it.py")) == []


@pytest.mark.parametrize("path", sorted(FEATURES.rglob("*.feature")), ids=lambda path: path.name)
def test_every_feature_file_of_ours_holds_one_of_our_words(path: Path) -> None:
    assert may_be_ours(path)


@pytest.mark.parametrize("line", ['Given the task "buy milk"', "Then its price is at least 5", ""])
def test_what_anybody_could_write_is_not_ours(line: str, tmp_path: Path) -> None:
    file = tmp_path / "others.feature"
    file.write_text(f"Feature: Others\n  Scenario: One\n    {line}\n")
    assert not may_be_ours(file)


@pytest.mark.parametrize(
    ("node_id", "name"),
    [
        ("features/a.feature::learns[bert-sst2-adamw]", "bert-sst2-adamw"),
        ("features/a.feature::learns[a[b]]", "a[b]"),
        ("features/a.feature::learns", None),
        ("tests/test_a.py::test_it[1]", None),
    ],
)
def test_examples_with_the_same_id_are_one_group(node_id: str, name: str | None) -> None:
    assert group(node_id) == name
