from __future__ import annotations

from pathlib import Path

import pytest

from bertspec.pytest_plugin.schedule import group
from bertspec.pytest_plugin.shipped import feature_files_in


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
