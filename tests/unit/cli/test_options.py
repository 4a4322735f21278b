from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from bertspec.cli import options
from bertspec.store import Store

from .conftest import NEW, OLD


def offered(option: Any, prefix: str) -> list[str]:
    names: list[str] = option.completer(prefix=prefix, parsed_args=argparse.Namespace(store=None))
    return names


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
    options.complete_names(option, kind)
    assert offered(option, prefix) == names


@pytest.mark.usefixtures("kept")
def test_runs_are_offered(option: argparse.Action) -> None:
    options.complete_runs(option)
    assert sorted(offered(option, "")) == [OLD[:12], NEW[:12], "latest"]
    assert offered(option, "ab") == [OLD[:12]]


@pytest.mark.usefixtures("folder")
def test_an_empty_store_offers_no_runs(option: argparse.Action) -> None:
    options.complete_runs(option)
    assert offered(option, "") == ["latest"]


def test_a_command_line_opens_the_session_that_it_describes(folder: Path) -> None:
    session = options.session(argparse.Namespace(store="kept", device="cpu"), fresh=True)
    assert (session.store, session.device, session.fresh) == (Store(folder / "kept"), "cpu", True)
