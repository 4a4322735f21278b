from __future__ import annotations

import json
from pathlib import Path

import pytest

from bertspec.config import TaskConfig
from bertspec.errors import DataError, SourceError, Unreachable
from bertspec.sources import Sources, tables

ROWS = [("good", 1), ("bad", 0), ("fine", 1), ("poor", 0)]


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    """A folder with the two splits of a data set, in CSV files."""
    folder = tmp_path / "reviews"
    folder.mkdir()
    for split in ("train", "validation"):
        lines = [f"{text} {split},{label},x" for text, label in ROWS]
        (folder / f"{split}.csv").write_text("\n".join(["text,label,other", *lines]) + "\n")
    return folder


def own(dataset: Path, **changes: object) -> TaskConfig:
    values = {
        "name": "reviews",
        "dataset": str(dataset),
        "text": "text",
        "head": "classification",
        "labels": ("bad", "good"),
        "metrics": ("accuracy",),
    }
    return TaskConfig.model_validate(values | changes)


def test_a_folder_of_csv_files_is_a_data_set(reviews: Path, nowhere: Sources) -> None:
    splits = tables.load(own(reviews), nowhere)
    assert splits.train == {"text": ["good train", "bad train", "fine train", "poor train"], "label": [1, 0, 1, 0]}
    assert splits.evaluation["text"][0] == "good validation"
    assert splits.origin.source == "folder"


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "json"])
def test_one_file_may_be_sliced_into_two_splits(tmp_path: Path, nowhere: Sources, suffix: str) -> None:
    file = tmp_path / f"all.{suffix}"
    separator = {"csv": ",", "tsv": "\t"}.get(suffix)
    if separator:
        file.write_text("\n".join(separator.join(map(str, row)) for row in [("text", "label"), *ROWS]) + "\n")
    else:
        file.write_text("\n".join(json.dumps({"text": text, "label": label}) for text, label in ROWS) + "\n")
    task = own(file, train_split="train[:3]", evaluation_split="train[3:]")
    splits = tables.load(task, nowhere)
    assert (splits.train["text"], splits.evaluation["text"]) == (["good", "bad", "fine"], ["poor"])


def test_the_hash_is_of_the_rows_and_not_of_the_place(reviews: Path, tmp_path: Path, nowhere: Sources) -> None:
    mirror = tmp_path / "mirror"
    (mirror / "org").mkdir(parents=True)
    (mirror / "org" / "reviews").mkdir()
    for file in reviews.glob("*.csv"):
        (mirror / "org" / "reviews" / file.name).write_text(file.read_text())
    mirrored = tables.load(own(Path("org/reviews")), Sources(mirror, None))
    assert mirrored.origin.source == "mirror"
    assert mirrored.origin.sha256 == tables.load(own(reviews), nowhere).origin.sha256


def test_one_changed_word_changes_the_hash(reviews: Path, nowhere: Sources) -> None:
    before = tables.load(own(reviews), nowhere).origin.sha256
    file = reviews / "validation.csv"
    file.write_text(file.read_text().replace("poor", "awful"))
    tables.load.cache_clear()
    assert tables.load(own(reviews), nowhere).origin.sha256 != before


def test_a_missing_column_is_named_with_those_that_exist(reviews: Path, nowhere: Sources) -> None:
    with pytest.raises(DataError, match="given: 'sentence'; allowed: text, label, other"):
        tables.load(own(reviews, text="sentence"), nowhere)


def test_a_second_text_that_a_single_sentence_data_set_does_not_have_is_refused(
    task: TaskConfig, nowhere: Sources
) -> None:
    pair = task.model_copy(update={"text_pair": "sentence2"})
    with pytest.raises(DataError, match="given: 'sentence2'; allowed: text, label"):
        tables.load(pair, nowhere)


def test_a_missing_split_is_refused(reviews: Path, nowhere: Sources) -> None:
    with pytest.raises(DataError, match="split 'dev' of task 'reviews' cannot be read"):
        tables.load(own(reviews, evaluation_split="dev"), nowhere)


@pytest.mark.parametrize("name", ["no", "data.xlsx"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, nowhere: Sources, name: str) -> None:
    (tmp_path / "data.xlsx").write_text("x")
    with pytest.raises(SourceError, match=r"does not exist|no reader for this kind of file.*\.csv"):
        tables.load(own(tmp_path / name), nowhere)


def test_a_data_set_of_an_unreachable_hub_is_said_to_be_unreachable(nowhere: Sources) -> None:
    with pytest.raises(Unreachable, match="dataset 'org/data' is not available locally"):
        tables.load(own(Path("org/data")), nowhere)


def test_a_generated_task_needs_no_place(task: TaskConfig, nowhere: Sources) -> None:
    splits = tables.load(task, nowhere)
    assert (len(splits.train["text"]), len(splits.evaluation["text"])) == (96, 40)
    assert splits.origin.source == "installed"
