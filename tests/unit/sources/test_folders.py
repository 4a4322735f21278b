from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from bertspec.errors import DataError
from bertspec.sources import folders


def laid_out(root: Path, *names: str, readme: str | None = None) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    if readme is not None:
        (root / "README.md").write_text(f"---\n{readme}\n---\n# A data set\nconfigs: are described above\n")
    return root


def splits(root: Path, subset: str | None = None) -> dict[str, list[str]]:
    """The split names, each with its files below the folder."""
    files = folders.find(root, subset)
    return {split: [path.relative_to(root).as_posix() for path in paths] for split, paths in files.splits}


LAYOUTS = [
    "train.csv validation.csv",
    "train.csv test.csv notes.txt train.py",
    "data/train.csv data/dev.csv",
    "my-train-set.jsonl my_val_set.jsonl evaluation.jsonl",
    "train/a.parquet train/b.parquet valid/a.parquet",
    "x/training_1/a.csv x/testing-2/a.csv train.csv",
    "data/train-00000-of-00002.parquet data/train-00001-of-00002-abc.parquet data/extra-00000-of-00001.parquet",
    "train_0.csv train_1.csv train_10.csv",
    "a.csv b.csv sub/c.csv",
    "trained.csv contest.csv",
    "train.csv .hidden/train.csv __pycache__/train.csv config.json dataset_infos.json",
    "train-validation.csv",
    "train.csv.gz dev.csv.gz",
]


@pytest.mark.parametrize("names", LAYOUTS)
def test_the_names_of_files_say_their_splits_as_they_do_to_the_datasets_library(tmp_path: Path, names: str) -> None:
    from datasets.data_files import DataFilesDict, get_data_patterns

    root = laid_out(tmp_path, *names.split())
    kinds = [".csv", ".jsonl", ".parquet", ".gz"]
    theirs = DataFilesDict.from_patterns(get_data_patterns(str(root)), base_path=str(root), allowed_extensions=kinds)
    expected = {
        str(split): list(dict.fromkeys(Path(file).relative_to(root).as_posix() for file in files))
        for split, files in theirs.items()
    }
    found = splits(root)
    assert {split: sorted(files) for split, files in found.items()} == {s: sorted(f) for s, f in expected.items()}
    assert list(found) == list(expected)


def test_a_file_is_all_train(tmp_path: Path) -> None:
    file = laid_out(tmp_path, "a[1].csv") / "a[1].csv"
    assert folders.find(file, None).of("train") == (file,)


def test_a_readme_declares_its_subsets(tmp_path: Path) -> None:
    readme = """
language: no
date: 2020-01-01
configs:
- config_name: one
  data_files:
  - split: train
    path: [one/b.csv, one/a.csv]
  - split: dev
    path: "one/*-dev.csv"
- config_name: two
  default: true
  data_dir: two
  sep: ";"
  data_files: "**/*.csv"
- config_name: three
  data_dir: one
license: mit
"""
    root = laid_out(tmp_path, "one/a.csv", "one/b.csv", "one/x-dev.csv", "two/y/c.csv", "two/d.csv", readme=readme)
    assert splits(root, "one") == {"train": ["one/b.csv", "one/a.csv"], "dev": ["one/x-dev.csv"]}
    assert splits(root) == splits(root, "two") == {"train": ["two/d.csv", "two/y/c.csv"]}
    assert splits(root, "three") == {"validation": ["one/x-dev.csv"]}
    assert (folders.find(root, "one").separator, folders.find(root, "two").separator) == (None, ";")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ("[bad, good]", ("bad", "good")),
        ("{'0': bad, '1': good, '10': odd, '2': fair}", ("bad", "good", "fair", "odd")),
        ("{0: bad, 10: odd, 1: good, 2: fair}", ("bad", "good", "fair", "odd")),
    ],
)
def test_a_readme_names_the_classes(tmp_path: Path, names: str, expected: tuple[str, ...]) -> None:
    readme = f"""
dataset_info:
- config_name: one
  features:
  - name: text
    dtype: string
  - name: label
    dtype:
      class_label:
        names: {names}
configs:
- config_name: one
  data_files: a.csv
"""
    assert folders.find(laid_out(tmp_path, "a.csv", readme=readme), "one").class_names == (("label", expected),)


@pytest.mark.parametrize(
    ("readme", "subset", "message"),
    [
        ("configs: [{config_name: a, data_files: x.csv}]", "b", "no such subset; given: 'b'; allowed: subset: a"),
        (
            "configs: [{config_name: a, data_files: x.csv}, {config_name: b, data_files: x.csv}]",
            None,
            "has several subsets; allowed: subset: a, b",
        ),
        ("license: mit", "b", "declares no such subset; given: 'b'; allowed: no subset"),
        ("configs: 3", None, "configs: is a list of subsets"),
        ("configs: [a, b]", None, "configs: is a list of subsets"),
        ("configs: [", None, "the header is not YAML.*README.md"),
        ("configs: &a [*a]", None, "the header has an alias inside"),
        ("configs: [{config_name: a, data_files: ../x.csv}]", None, r"outside the folder; given: '\.\./x.csv'"),
        ("configs: [{config_name: a, data_files: /etc/passwd}]", None, "outside the folder"),
        ("configs: [{config_name: a, data_files: 'https://x/y.csv'}]", None, "outside the folder"),
        ("configs: [{config_name: a, data_dir: ../../x}]", None, "outside the folder"),
        ("configs: [{config_name: a, data_files: [{split: train}]}]", None, "data_files: is not understood"),
        ("configs: [{config_name: a, data_files: 3}]", None, "data_files: is not understood"),
        ("configs: [{config_name: a, data_files: x.csv, skiprows: 2}]", None, "way of reading.*given: 'skiprows'"),
        ("configs: [{config_name: a, data_files: x.csv, sep: ab}]", None, "sep: is one character; given: 'ab'"),
        ("configs: [{config_name: a, data_files: '*.json'}]", None, "the split has no file; given: 'train'"),
        ("configs: [{config_name: a, data_files: x.csv, quoting: 2}]", None, "quoting: is not understood; given: 2"),
        ("configs: [{config_name: a, data_files: x.csv, quoting: false}]", None, "quoting: is not understood"),
        ("configs: [{config_name: a, data_files: x.csv, quoting: [3]}]", None, "quoting: is not understood"),
        ("dataset_info: [{config_name: a}, {config_name: b}]", "a", "nothing says which files are those of the subset"),
        ("dataset_info: [{config_name: a}, {config_name: b}]", None, "has several subsets; allowed: subset: a, b"),
        (
            "dataset_info: [{config_name: a}, {config_name: b}]",
            "c",
            "no such subset; given: 'c'; allowed: subset: a, b",
        ),
    ],
)
def test_a_readme_that_cannot_be_followed_is_refused(
    tmp_path: Path, readme: str, subset: str | None, message: str
) -> None:
    root = laid_out(tmp_path, "x.csv", readme=readme)
    with pytest.raises(DataError, match=message):
        folders.find(root, subset).of("train")


def test_a_script_is_never_run(tmp_path: Path) -> None:
    folder = laid_out(tmp_path / "data", "data.py")
    (folder / "data.py").write_text(f"open({str(tmp_path / 'planted')!r}, 'w')\n")
    with pytest.raises(DataError, match=r"no data file; a script is never run; given: 'data\.py'"):
        folders.find(folder, None)
    assert not (tmp_path / "planted").exists()


def test_files_of_several_kinds_are_refused(tmp_path: Path) -> None:
    files = folders.find(laid_out(tmp_path, "train.csv", "train.parquet"), None)
    with pytest.raises(DataError, match=r"files of several kinds; given: 'train: \.csv, \.parquet'"):
        files.of("train")


def test_a_missing_split_is_answered_with_those_that_exist(tmp_path: Path) -> None:
    files = folders.find(laid_out(tmp_path, "train.csv", "dev.csv"), None)
    with pytest.raises(DataError, match="no such split; given: 'dev'; allowed: train, validation"):
        files.of("dev")


def test_links_that_form_a_loop_are_not_followed(tmp_path: Path) -> None:
    root = laid_out(tmp_path, "train.csv")
    for name in ("a", "b", "c"):
        (root / name).symlink_to(root)
    assert splits(root) == {"train": ["train.csv"]}


def test_a_readme_that_is_no_text_is_refused(tmp_path: Path) -> None:
    root = laid_out(tmp_path, "train.csv")
    (root / "README.md").write_bytes(b"---\ncaf\xe9\n---\n")
    with pytest.raises(DataError, match="the README is not UTF-8"):
        folders.find(root, None)


INFO = """
dataset_info:
- {config_name: a, features: [{name: label, dtype: {class_label: {names: [x, y]}}}]}
- {config_name: b, features: [{name: label, dtype: {class_label: {names: [y, x]}}}]}
"""


def test_a_subset_that_is_only_described_has_the_files_of_its_folder(tmp_path: Path) -> None:
    root = laid_out(tmp_path, "a/train.csv", "a/test.csv", "b/train.csv", "train.csv", readme=INFO)
    assert splits(root, "a") == {"train": ["a/train.csv"], "test": ["a/test.csv"]}
    assert splits(root, "b") == {"train": ["b/train.csv"]}
    assert folders.find(root, "a").class_names == (("label", ("x", "y")),)
    assert folders.find(root, "b").class_names == (("label", ("y", "x")),)


@pytest.mark.parametrize("subset", [None, "a"])
def test_the_only_subset_that_is_described_has_all_files(tmp_path: Path, subset: str | None) -> None:
    root = laid_out(tmp_path, "train.csv", "test.csv", readme="dataset_info: {config_name: a}")
    assert splits(root, subset) == {"train": ["train.csv"], "test": ["test.csv"]}


def test_the_class_names_of_another_subset_are_not_taken(tmp_path: Path) -> None:
    readme = """
configs: [{config_name: one, data_files: a.csv}]
dataset_info: {config_name: two, features: [{name: label, dtype: {class_label: {names: [y, x]}}}]}
"""
    assert folders.find(laid_out(tmp_path, "a.csv", readme=readme), "one").class_names == ()


def test_a_data_file_has_no_subsets(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="a data file has no subsets; given: 'a'"):
        folders.find(laid_out(tmp_path, "d.csv") / "d.csv", "a")


@pytest.mark.parametrize(("quoting", "quoted"), [("0", True), ("3", False), ("null", None)])
def test_a_readme_says_what_quotation_marks_mean(tmp_path: Path, quoting: str, quoted: bool | None) -> None:
    readme = f"configs: [{{config_name: a, data_files: x.csv, quoting: {quoting}}}]"
    assert folders.find(laid_out(tmp_path, "x.csv", readme=readme), None).quoted is quoted


def test_a_readme_of_twenty_thousand_values_is_read(tmp_path: Path) -> None:
    features = "[{name: label, dtype: {class_label: {names: {0: bad, 1: good}}}}]"
    readme = f"dataset_info: {{config_name: a, features: {features}, sizes: [{'1, ' * 20_000}]}}"
    files = folders.find(laid_out(tmp_path, "train.csv", readme=readme), "a")
    assert files.class_names == (("label", ("bad", "good")),)


SHARDED = "configs: [{config_name: a, data_files: [{split: train, path: 'data/train-*'}]}]"


@pytest.mark.parametrize("readme", [None, SHARDED])
@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("train-00000-of-00002.csv", "1 of 2 data files is missing; given: 'data/train-00001-of-00002.csv'"),
        ("train-00001-of-00003-ab.csv", "2 of 3 data files are missing"),
        ("train-00001-of-00003.csv train-00003-of-00003.csv", "1 of 3 data files is missing; given: '.*00002-of-00003"),
        ("train-00000-of-00001.csv train-00000-of-00001-ab.csv", "data files of two exports"),
        ("train-00000-of-00001.csv train-00000-of-00002.csv train-00001-of-00002.csv", "data files of two exports"),
        ("train-00000-of-00001.csv train-00001-of-00002.csv", "data files of two exports"),
        ("train-00000-of-00002.csv train-00001-of-00002.csv train-00002-of-00003.csv", "data files of two exports"),
    ],
)
def test_data_files_that_are_not_those_that_their_names_count_are_refused(
    tmp_path: Path, readme: str | None, names: str, message: str
) -> None:
    root = laid_out(tmp_path, *(f"data/{name}" for name in names.split()), readme=readme)
    with pytest.raises(DataError, match=message):
        folders.find(root, None)


def test_a_readme_may_choose_some_of_the_numbered_files(tmp_path: Path) -> None:
    names = [f"train-{number:05d}-of-00003.csv" for number in (1, 2, 3)]  # some count from 1
    two, one = "{config_name: a, data_files: 'train-0000[12]-of-*'}", f"{{config_name: b, data_files: {names[2]}}}"
    root = laid_out(tmp_path, *names, readme=f"configs: [{two}, {one}]")
    assert (splits(root, "a"), splits(root, "b")) == ({"train": names[:2]}, {"train": names[2:]})


def test_a_linked_folder_inside_of_the_data_set_is_read_once(tmp_path: Path) -> None:
    root = laid_out(tmp_path, "parts/2/b.csv", "train/a.csv")
    (root / "train" / "more").symlink_to("../parts/2")
    assert splits(root) == {"train": ["train/a.csv", "train/more/b.csv"]}
    (root / "train" / "again").symlink_to("../parts/2")
    with pytest.raises(DataError, match=r"rows would be read twice; given: '.*/parts/2/b\.csv'"):
        folders.find(root, None).of("train")


def test_a_link_that_may_hide_rows_is_refused(tmp_path: Path) -> None:
    root = laid_out(tmp_path / "data", "train/1.csv")
    (root / "train" / "2").symlink_to(laid_out(tmp_path / "other", "2.csv"))
    with pytest.raises(DataError, match="a link leads out of the folder of the data set; where: .*train/2"):
        folders.find(root, None)
    (root / "train" / "2").unlink()
    (root / "train" / "notes.txt").symlink_to("gone")
    assert splits(root) == {"train": ["train/1.csv"]}
    (root / "train" / "2").symlink_to("gone")
    with pytest.raises(DataError, match="a link leads nowhere; where: .*train/2"):
        folders.find(root, None)


def test_links_that_lead_to_each_other_end(tmp_path: Path) -> None:
    root = laid_out(tmp_path, "x/a.csv", "z/b.csv")
    (root / "x" / "y").symlink_to("../z")
    (root / "z" / "w").symlink_to("../x")
    with pytest.raises(DataError, match="read twice"):
        folders.find(root, None).of("train")


def test_a_folder_that_cannot_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = laid_out(tmp_path, "train.csv", "more/train.csv")
    scandir = os.scandir

    def refusing(path: str) -> Any:
        if str(path).endswith("more"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(DataError, match="a folder cannot be read: Permission denied; where: .*more"):
        folders.find(root, None)


def test_files_that_may_have_rows_and_are_not_read_are_called_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert splits(laid_out(tmp_path, "train-1.csv", "train-2.csv.zip", "notes.txt")) == {"train": ["train-1.csv"]}
    assert "cannot read train-2.csv.zip; skipped" in caplog.text


def test_data_files_of_no_split_are_called_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = laid_out(tmp_path, "train.csv", "part2.csv", "test.csv")
    assert splits(root) == {"train": ["train.csv"], "test": ["test.csv"]}
    assert "no split in the names of part2.csv; skipped" in caplog.text


def test_the_files_of_a_hub_are_those_of_its_listing(tmp_path: Path) -> None:
    root = laid_out(tmp_path, "b/train.csv", readme=INFO)  # another subset, downloaded before
    files = folders.find(root, "a", names=["README.md", "a/train.csv", "a/.x/train.csv", "b/train.csv", "b/c.csv"])
    assert files.splits == (("train", (root / "a/train.csv",)),)


def test_a_file_and_its_compressed_copy_are_refused(tmp_path: Path) -> None:
    files = folders.find(laid_out(tmp_path, "train.csv", "train.csv.gz", "test.csv.gz"), None)
    with pytest.raises(DataError, match="two names lead to the same file: its rows would be read twice"):
        files.of("train")
    assert files.of("test") == (tmp_path / "test.csv.gz",)
