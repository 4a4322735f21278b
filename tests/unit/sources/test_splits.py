from __future__ import annotations

import json
from pathlib import Path

import pyarrow
import pytest
from datasets import ReadInstruction
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from bertspec.errors import DataError
from bertspec.sources import folders, splits


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> folders.DataFiles:
    """Seven training rows in two files, and three of validation."""
    root = tmp_path_factory.mktemp("data")
    for name, numbers in (("train-1", range(3)), ("train-2", range(3, 7)), ("validation", range(10, 13))):
        lines = "".join(f"t{number},{number}\n" for number in numbers)
        (root / f"{name}.csv").write_text(f"text,label\n{lines}")
    return folders.find(root, None)


def read(data: folders.DataFiles, *specs: str) -> list[splits.Part]:
    return splits.read(data, specs, ["text", "label"], label="label")


def test_a_split_is_all_of_its_files_in_order(data: folders.DataFiles) -> None:
    train, validation = read(data, "train", "validation")
    assert train.table["label"] == list("0123456")
    assert validation.table == {"text": ["t10", "t11", "t12"], "label": ["10", "11", "12"]}


BOUND = st.none() | st.integers(-9, 9)


@settings(deadline=None, derandomize=True)
@given(first=BOUND, end=BOUND, percent=st.booleans())
def test_a_part_of_a_split_is_that_of_the_datasets_library(
    data: folders.DataFiles, first: int | None, end: int | None, percent: bool
) -> None:
    unit, scale = ("%", 11) if percent else ("", 1)
    bounds = ["" if each is None else f"{each * scale}{unit}" for each in (first, end)]
    spec = f"train[{bounds[0]}:{bounds[1]}]"
    (expected,) = ReadInstruction.from_spec(spec).to_absolute({"train": 7})
    (part,) = read(data, spec)
    assert part.table["label"] == list("0123456")[expected.from_ : expected.to]


def test_parts_add_up(data: folders.DataFiles) -> None:
    (part,) = read(data, "train[2:4]+validation[:1]")
    assert part.table["label"] == ["2", "3", "10"]


def test_a_row_is_known_by_its_file_and_line(data: folders.DataFiles) -> None:
    (part,) = read(data, "train[2:5]+validation")
    assert [part.where(row).rpartition("/")[2] for row in (0, 1, 3)] == [
        "train-1.csv)",
        "train-2.csv)",
        "validation.csv)",
    ]
    assert part.where(0).startswith("row 0 (line 4 of /")
    assert part.where(1).startswith("row 1 (line 2 of /")
    assert part.where(99) == "row 99"


@pytest.mark.parametrize("spec", ["train[:50", "train[:150%]", "train[a:]", "train[:3](odd)", "train train", ""])
def test_a_part_that_is_not_understood_is_refused(data: folders.DataFiles, spec: str) -> None:
    with pytest.raises(DataError, match=r"the split is not understood; given: .*allowed: .*train\[:80%\]"):
        read(data, spec)


def test_a_part_of_an_unknown_split_is_refused(data: folders.DataFiles) -> None:
    for act in (read, lambda data, spec: splits.hashes(data, [spec])):
        with pytest.raises(DataError, match="no such split; given: 'dev'; allowed: train, validation"):
            act(data, "train+dev[:50%]")


def test_hashes_are_of_the_files_that_are_named(data: folders.DataFiles) -> None:
    named = splits.hashes(data, ["validation[:1]", "train", "train[:3]"])
    assert [(name, len(hashes)) for name, *hashes in named] == [("train", 2), ("validation", 1)]
    assert len({one for _, *hashes in named for one in hashes}) == 3


def test_two_lists_of_names_for_the_classes_are_refused(tmp_path: Path) -> None:
    for split, names in (("train", ["bad", "good"]), ("test", ["good", "bad"])):
        schema = {"info": {"features": {"label": {"_type": "ClassLabel", "names": names}}}}
        content = pyarrow.table({"text": ["a"], "label": [1]})
        content = content.replace_schema_metadata({"huggingface": json.dumps(schema)})
        parquet.write_table(content, tmp_path / f"{split}.parquet")
    data = folders.find(tmp_path, None)
    assert read(data, "test")[0].class_names == {"label": ("good", "bad")}
    with pytest.raises(DataError, match="two lists of names.*given: 'bad, good; and good, bad'"):
        read(data, "train", "test")


@pytest.mark.parametrize(("number", "called_out"), [("2", False), ("99", True), ("many", False)])
def test_another_number_of_rows_than_the_readme_says_is_called_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, number: str, called_out: bool
) -> None:
    (tmp_path / "train.csv").write_text("text,label\na,0\nb,1\n")
    sizes = f"[{{name: train, num_examples: {number}}}, {{name: test, num_examples: 5}}]"
    (tmp_path / "README.md").write_text(f"---\ndataset_info: {{splits: {sizes}}}\n---\n")
    read(folders.find(tmp_path, None), "train[:1]")
    assert ("says that split 'train' has 99 rows, and its files have 2" in caplog.text) is called_out
