from __future__ import annotations

import argparse
from typing import Any

import pytest

from bertspec.cli import complete

from .conftest import NEW, OLD


def offered(option: Any, prefix: str) -> list[str]:
    found: list[str] = option.completer(prefix=prefix, parsed_args=argparse.Namespace(store=None))
    return found


@pytest.fixture
def option() -> argparse.Action:
    return argparse.ArgumentParser().add_argument("--word")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("kind", "prefix", "names"),
    [
        ("encoder", "bert-t", ["bert-tiny"]),
        ("task", "bundled/", ["bundled/majority", "bundled/paraphrase", "bundled/sentiment"]),
        ("recipe", "q", ["quick-fine-tuning"]),
        ("optimizer", "adam", ["adam", "adamw"]),
        ("encoder", "zzz", []),
    ],
)
def test_names_are_offered(option: argparse.Action, kind: str, prefix: str, names: list[str]) -> None:
    complete.names(option, kind)
    assert offered(option, prefix) == names


@pytest.mark.usefixtures("kept")
def test_runs_are_offered(option: argparse.Action) -> None:
    complete.runs(option)
    assert sorted(offered(option, "")) == [OLD[:12], NEW[:12], "latest"]
    assert offered(option, "ab") == [OLD[:12]]


@pytest.mark.usefixtures("folder")
def test_an_empty_store_offers_no_runs(option: argparse.Action) -> None:
    complete.runs(option)
    assert offered(option, "") == ["latest"]
