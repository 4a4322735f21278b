from __future__ import annotations

import logging

import pytest

from bertspec.pytest_plugin.running import group, is_ours_or_severe


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


@pytest.mark.parametrize(
    ("logger", "level", "kept"),
    [
        ("wandb", logging.WARNING, False),
        ("wandb.sdk.lib", logging.INFO, False),
        ("urllib3.connectionpool", logging.WARNING, False),
        ("wandb", logging.ERROR, True),
        ("bertspec.study", logging.WARNING, True),
        ("wandb_of_mine", logging.INFO, True),
    ],
)
def test_only_errors_of_third_parties_reach_a_failure_report(logger: str, level: int, *, kept: bool) -> None:
    record = logging.LogRecord(logger, level, "file.py", 1, "message", (), None)
    assert is_ours_or_severe(record) is kept
