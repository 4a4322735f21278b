from __future__ import annotations

from pathlib import Path

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
        ("license: mit", "b", "declares no subsets; given: 'b'"),
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
