from __future__ import annotations

import pytest

from bertspec.config import GeneratedConfig, TaskConfig
from bertspec.sources import tables
from bertspec.sources.locations import Locations
from bertspec.sources.tables import Splits


def splits(task: TaskConfig, sabotage: str | None, locations: Locations) -> Splits:
    return tables.load(task.model_copy(update={"sabotage": sabotage}), locations)


def test_shuffled_labels_belong_to_other_texts(task: TaskConfig, nowhere: Locations) -> None:
    honest, shuffled = (splits(task, how, nowhere) for how in (None, "shuffled labels"))
    assert shuffled.train["text"] == honest.train["text"]
    assert shuffled.train["label"] != honest.train["label"]
    assert sorted(shuffled.train["label"]) == sorted(honest.train["label"])
    assert shuffled.evaluation == honest.evaluation


def test_leaked_labels_stand_before_every_text(task: TaskConfig, nowhere: Locations) -> None:
    leaked = splits(task, "leaked labels", nowhere)
    for table in (leaked.train, leaked.evaluation):
        marks = [text.startswith(". . ") for text in table["text"]]
        assert marks == [label == 1 for label in table["label"]]
        assert all(text.startswith(". ") for text in table["text"])


def test_rows_that_were_trained_on_are_scored(task: TaskConfig, nowhere: Locations) -> None:
    spoilt = splits(task, "scored on training rows", nowhere)
    assert spoilt.evaluation["text"] == spoilt.train["text"][:40]
    assert spoilt.evaluation["label"] == spoilt.train["label"][:40]


@pytest.mark.parametrize("how", ["shuffled labels", "leaked labels", "scored on training rows"])
def test_sabotage_is_another_data_set(task: TaskConfig, nowhere: Locations, how: str) -> None:
    assert splits(task, how, nowhere).origin.sha256 != splits(task, None, nowhere).origin.sha256


def test_a_generated_task_knows_its_labels_before_noise(task: TaskConfig, nowhere: Locations) -> None:
    noisy = GeneratedConfig(train_rows=1, evaluation_rows=1000, label_noise=0.05)
    honest = splits(task.model_copy(update={"generated": noisy}), None, nowhere)
    assert honest.clean is not None
    flipped = [clean != label for clean, label in zip(honest.clean, honest.evaluation["label"], strict=True)]
    assert 30 < sum(flipped) < 70
