from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from bertspec import baselines
from bertspec.baselines import Baseline
from bertspec.errors import StoreError

EMPTY = Baseline(name="x", made=datetime.date(2026, 1, 1), session="s", versions={}, studies=())


def test_a_baseline_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    baselines.write(EMPTY, tmp_path / "x.json")
    assert baselines.read(tmp_path / "x.json") == EMPTY


def test_a_baseline_of_another_layout_is_to_be_saved_again(tmp_path: Path) -> None:
    text = EMPTY.model_dump_json(indent=1).replace('"layout": 1', '"layout": 7')
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(StoreError, match="another version.*save it again; given: 'layout 7'.*bertspec baseline save x"):
        baselines.read(tmp_path / "x.json")
    assert (tmp_path / "x.json").read_text() == text


def test_a_damaged_baseline_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"layout": 1, "name": "x"}')
    with pytest.raises(StoreError, match="the baseline is damaged: made is missing"):
        baselines.read(tmp_path / "x.json")
