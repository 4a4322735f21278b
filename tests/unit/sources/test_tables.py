from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from bertspec.config import GeneratedConfig, StudyConfig, TaskConfig
from bertspec.errors import DataError, HashMismatch, Unreachable
from bertspec.sources import Sources, tables
from bertspec.sources.pins import Pins
from bertspec.sources.tables import Splits, tuning

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
    assert splits.train == {
        "text": ["good train", "bad train", "fine train", "poor train"],
        "label": ["1", "0", "1", "0"],
    }
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
    assert tables.load(own(reviews), nowhere).origin.sha256 != before


def test_a_changed_file_with_its_old_time_stamp_is_read_anew(reviews: Path) -> None:
    mirror = Sources(reviews.parent.parent, None)
    tasks = {reviews.parent.name: own(Path(reviews.parent.name) / "reviews"), "folder": own(reviews)}
    tasks["file"] = own(reviews / "train.csv", evaluation_split="train")
    before = {name: tables.load(task, mirror).origin.sha256 for name, task in tasks.items()}
    file = reviews / "train.csv"
    stamp = file.stat()
    file.write_text(file.read_text().replace(",1,", ",2,").replace(",0,", ",1,").replace(",2,", ",0,"))
    os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert file.stat().st_size == stamp.st_size
    for name, task in tasks.items():
        changed = tables.load(task, mirror)
        assert changed.train["label"][:2] == ["0", "1"]
        assert changed.origin.sha256 != before[name]


def test_unchanged_rows_are_read_once(reviews: Path, nowhere: Sources) -> None:
    assert tables.load(own(reviews), nowhere) is tables.load(own(reviews), nowhere)


def test_reading_leaves_nothing_in_the_cache_of_the_datasets_library(
    reviews: Path, nowhere: Sources, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    tables.load(own(reviews / "train.csv", train_split="train[:50%]", evaluation_split="train[50%:]"), nowhere)
    assert not (tmp_path / "cache").exists()


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
    with pytest.raises(DataError, match="no such split; given: 'dev'; allowed: train, validation; where: .*reviews"):
        tables.load(own(reviews, evaluation_split="dev"), nowhere)


@pytest.mark.parametrize("name", ["no", "data.xlsx"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path, nowhere: Sources, name: str) -> None:
    (tmp_path / "data.xlsx").write_text("x")
    with pytest.raises(DataError, match=r"does not exist|no reader for this kind of file.*\.csv"):
        tables.load(own(tmp_path / name, evaluation_split="train"), nowhere)


def test_texts_that_are_numbers_are_called_out(
    tmp_path: Path, nowhere: Sources, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "d.csv"
    file.write_text("text,label\n100,good\n101,bad\n")
    assert tables.load(own(file, evaluation_split="train"), nowhere).train["text"] == ["100", "101"]
    assert "every text in column 'text' of task 'reviews' is a number" in caplog.text


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("a,good\nb,\nc,bad\n", r"a label is missing; .*row 1 \(line 3 of .*d\.csv\), column 'label', split 'train'"),
        ("a,good\n ,bad\n", r"a text is empty; .*row 1 \(line 3 of .*d\.csv\), column 'text'"),
        ("a,good\nb,odd\n", r"unknown label; given: 'odd'; .*\(line 3 of .*d\.csv\), column 'label', split 'train'"),
        ("a,good\nb,good\n", "every label is the same; given: 'good'"),
        ("", "the split is empty"),
    ],
)
def test_rows_that_do_not_fit_the_task_are_refused(tmp_path: Path, nowhere: Sources, rows: str, message: str) -> None:
    file = tmp_path / "d.csv"
    file.write_text(f"text,label\n{rows}")
    with pytest.raises(DataError, match=message):
        tables.load(own(file, evaluation_split="train"), nowhere)


def test_more_rows_than_a_run_can_keep_are_refused_before_training(
    tmp_path: Path, nowhere: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "MOST_ROWS", 2)
    file = tmp_path / "d.csv"
    file.write_text("text,label\na,good\nb,bad\nc,good\n")
    with pytest.raises(DataError, match="too many rows to score; given: '3'; allowed: at most 2"):
        tables.load(own(file, evaluation_split="train"), nowhere)


def test_stars_are_ambiguous_by_all_rows_and_not_by_those_of_one_split(tmp_path: Path, nowhere: Sources) -> None:
    file = tmp_path / "d.csv"
    file.write_text("text,label\na,0\nb,1\nc,2\nd,1\ne,2\n")
    labels, splits = ("1 star", "2 stars", "3 stars"), {"train_split": "train[:3]", "evaluation_split": "train[3:]"}
    assert tables.load(own(file, labels=labels, **splits), nowhere).evaluation["label"] == ["1", "2"]
    file.write_text("text,label\na,1\nb,2\nc,1\nd,1\ne,2\n")
    with pytest.raises(DataError, match="in two ways"):
        tables.load(own(file, labels=labels, **splits), nowhere)


def test_a_class_that_is_only_scored_is_called_out(
    tmp_path: Path, nowhere: Sources, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "d.csv"
    file.write_text("text,label\na,good\nb,bad\nc,odd\nd,odd\n")
    labels = ("bad", "good", "odd")
    tables.load(own(file, labels=labels, train_split="train[:2]", evaluation_split="train[2:]"), nowhere)
    assert "no row has the label 'odd': column 'label', split 'train[:2]'" in caplog.text
    assert "every row has the label 'odd': column 'label', split 'train[2:]'" in caplog.text


def classes(tmp_path: Path, name: str, names: list[str], labels: list[int]) -> Path:
    """A Parquet file whose schema names the classes of the column ``label``."""
    schema = {"info": {"features": {"label": {"_type": "ClassLabel", "names": names}}}}
    content = pyarrow.table({"text": ["a", "b"], "label": labels})
    parquet.write_table(content.replace_schema_metadata({"huggingface": json.dumps(schema)}), tmp_path / name)
    return tmp_path / name


def test_classes_go_by_their_names_and_so_does_the_hash(tmp_path: Path, nowhere: Sources) -> None:
    one = own(classes(tmp_path, "one.parquet", ["bad", "good"], [0, 1]), evaluation_split="train")
    other = own(classes(tmp_path, "other.parquet", ["good", "bad"], [0, 1]), evaluation_split="train")
    loaded, swapped = tables.load(one, nowhere), tables.load(other, nowhere)
    assert (loaded.train["label"], swapped.train["label"]) == ([0, 1], ["good", "bad"])
    assert loaded.origin.sha256 != swapped.origin.sha256
    assert one.task_head.targets(swapped.train["label"], where="here").tolist() == [1, 0]


def test_a_pin_holds_for_a_task_with_the_classes_in_another_order(tmp_path: Path) -> None:
    (tmp_path / "org/data").mkdir(parents=True)
    classes(tmp_path / "org/data", "train.parquet", ["bad", "good"], [0, 1])
    task, mirror = own(Path("org/data"), evaluation_split="train"), Sources(tmp_path, None)
    pins = Pins().with_data(task, tables.load(task, mirror).origin)
    turned = task.model_copy(update={"labels": ("good", "bad")})
    assert tables.load(turned, Sources(tmp_path, None, pins)).train["label"] == ["bad", "good"]
    classes(tmp_path / "org/data", "train.parquet", ["bad", "good"], [1, 0])
    with pytest.raises(HashMismatch, match="is not what the lock file promises"):
        tables.load(turned, Sources(tmp_path, None, pins))


@pytest.mark.parametrize("name", ["x" * 500 + ".csv", "loop.csv", "pipe.csv", "null\0.csv"])
def test_a_name_that_no_file_can_have_is_refused(tmp_path: Path, nowhere: Sources, name: str) -> None:
    (tmp_path / "loop.csv").symlink_to("loop.csv")
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(DataError, match="does not exist|cannot be read"):
        tables.load(own(tmp_path / name, evaluation_split="train"), nowhere)


def test_a_data_set_of_an_unreachable_hub_is_said_to_be_unreachable(nowhere: Sources) -> None:
    with pytest.raises(Unreachable, match="dataset 'org/data' is not available locally"):
        tables.load(own(Path("org/data")), nowhere)


def test_a_generated_task_needs_no_place(task: TaskConfig, nowhere: Sources) -> None:
    splits = tables.load(task, nowhere)
    assert (len(splits.train["text"]), len(splits.evaluation["text"])) == (96, 40)
    assert splits.origin.source == "installed"


@pytest.fixture
def tuned(task: TaskConfig) -> TaskConfig:
    return task.model_copy(update={"tuning_share": 0.25})


def test_tuning_is_scored_on_training_rows_that_are_not_trained_on(
    task: TaskConfig, tuned: TaskConfig, nowhere: Sources
) -> None:
    whole, split = tables.load(task, nowhere), tables.load(tuned, nowhere)
    assert not set(split.train["text"]) & set(split.evaluation["text"])
    assert sorted(split.train["text"] + split.evaluation["text"]) == sorted(whole.train["text"])
    assert not set(split.evaluation["text"]) & set(whole.evaluation["text"])
    assert len(split.evaluation["text"]) == pytest.approx(24, abs=3)


def test_a_tuning_split_is_another_data_set(task: TaskConfig, tuned: TaskConfig, nowhere: Sources) -> None:
    larger = task.model_copy(update={"tuning_share": 0.5})
    hashes = {tables.load(each, nowhere).origin.sha256 for each in (task, tuned, larger)}
    assert len(hashes) == 3


def test_a_tuning_split_is_always_the_same(tuned: TaskConfig, nowhere: Sources) -> None:
    first = tables.load(tuned, nowhere)
    tables._generated.cache_clear()
    assert tables.load(tuned, nowhere) == first


def test_the_labels_before_noise_are_those_of_the_scored_rows(task: TaskConfig, nowhere: Sources) -> None:
    noisy = GeneratedConfig(train_rows=1000, evaluation_rows=1, label_noise=0.1)
    split = tables.load(task.model_copy(update={"generated": noisy, "tuning_share": 0.5}), nowhere)
    assert split.clean is not None
    flipped = [clean != label for clean, label in zip(split.clean, split.evaluation["label"], strict=True)]
    assert 20 < sum(flipped) < 90


def test_rows_of_one_text_stay_together(task: TaskConfig) -> None:
    train = {"text": ["a", "b", "c", "d", "e"] * 4, "label": [0] * 20}
    trained, scored = tuning(task.model_copy(update={"tuning_share": 0.4}), train)
    assert len(scored) == 8
    assert sorted(trained + scored) == list(range(20))
    assert not {train["text"][row] for row in trained} & {train["text"][row] for row in scored}


def test_the_evaluation_split_of_a_file_changes_nothing(tmp_path: Path, task: TaskConfig, nowhere: Sources) -> None:
    def written(name: str, evaluation: str) -> TaskConfig:
        folder = tmp_path / name
        folder.mkdir()
        rows = "".join(f"text {number},{number % 2}\n" for number in range(20))
        (folder / "train.csv").write_text(f"text,label\n{rows}", "utf-8")
        (folder / "validation.csv").write_text(f"text,label\n{evaluation},0\n", "utf-8")
        return task.model_copy(update={"dataset": str(folder), "generated": None, "tuning_share": 0.25})

    one, two = (tables.load(written(name, name * 3), nowhere) for name in ("x", "y"))
    assert (one.train, one.evaluation) == (two.train, two.evaluation)


def test_a_share_that_leaves_nothing_to_score_is_refused(task: TaskConfig) -> None:
    with pytest.raises(DataError, match=r"leaves nothing to score; given: 'a share of 0.05 of 3 rows'"):
        tuning(task.model_copy(update={"tuning_share": 0.05}), {"text": ["a", "b", "c"], "label": [0, 1, 0]})


def test_a_study_that_tunes_says_so(study_config: StudyConfig, tuned: TaskConfig) -> None:
    assert study_config.model_copy(update={"task": tuned}).title.endswith(" · adamw · tuning")


def splits(task: TaskConfig, sabotage: str | None, sources: Sources) -> Splits:
    return tables.load(task.model_copy(update={"sabotage": sabotage}), sources)


def test_shuffled_labels_belong_to_other_texts(task: TaskConfig, nowhere: Sources) -> None:
    honest, shuffled = (splits(task, how, nowhere) for how in (None, "shuffled labels"))
    assert shuffled.train["text"] == honest.train["text"]
    assert shuffled.train["label"] != honest.train["label"]
    assert sorted(shuffled.train["label"]) == sorted(honest.train["label"])
    assert shuffled.evaluation == honest.evaluation


def test_leaked_labels_stand_before_every_text(task: TaskConfig, nowhere: Sources) -> None:
    leaked = splits(task, "leaked labels", nowhere)
    for table in (leaked.train, leaked.evaluation):
        marks = [text.startswith(". . ") for text in table["text"]]
        assert marks == [label == 1 for label in table["label"]]
        assert all(text.startswith(". ") for text in table["text"])


def test_rows_that_were_trained_on_are_scored(task: TaskConfig, nowhere: Sources) -> None:
    spoilt = splits(task, "scored on training rows", nowhere)
    assert spoilt.evaluation["text"] == spoilt.train["text"][:40]
    assert spoilt.evaluation["label"] == spoilt.train["label"][:40]


@pytest.mark.parametrize("how", ["shuffled labels", "leaked labels", "scored on training rows"])
def test_sabotage_is_another_data_set(task: TaskConfig, nowhere: Sources, how: str) -> None:
    assert splits(task, how, nowhere).origin.sha256 != splits(task, None, nowhere).origin.sha256


def test_a_generated_task_knows_its_labels_before_noise(task: TaskConfig, nowhere: Sources) -> None:
    noisy = GeneratedConfig(train_rows=1, evaluation_rows=1000, label_noise=0.05)
    honest = splits(task.model_copy(update={"generated": noisy}), None, nowhere)
    assert honest.clean is not None
    flipped = [clean != label for clean, label in zip(honest.clean, honest.evaluation["label"], strict=True)]
    assert 30 < sum(flipped) < 70
