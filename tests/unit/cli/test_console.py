from __future__ import annotations

import io
import json
import sys

import pytest

from bertspec.cli import console


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Called by the test itself: between its fixtures and it, pytest takes standard output back."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "60")
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return screen


def show(*cells: str, fold: bool = False) -> None:
    shown = console.table("name", "value")
    shown.add_row(*cells)
    console.show_table(shown, fold=fold)


def test_a_pipe_gets_no_control_characters_and_whole_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("FORCE_COLOR", "1")
    show("long", "x" * 500)
    output = capsys.readouterr().out
    assert "x" * 500 in output
    assert all(letter.isprintable() or letter == "\n" for letter in output)
    assert all(line == line.rstrip() for line in output.splitlines())


@pytest.mark.parametrize(("fold", "whole"), [(True, False), (False, True)])
def test_a_terminal_gets_styles_and_names_in_one_piece(
    fold: bool, whole: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = terminal(monkeypatch)
    show("long", "x" * 100, fold=fold)
    assert "\x1b[1m" in screen.getvalue()
    assert "x" * 40 in screen.getvalue()
    assert ("x" * 60 in screen.getvalue()) is whole


@pytest.mark.parametrize(("value", "coloured"), [("", True), ("1", False)])
def test_who_wants_no_colour_gets_none(value: str, coloured: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch)
    monkeypatch.setenv("NO_COLOR", value)
    shown = console.table("name")
    shown.add_row("word", style="red")
    console.show_table(shown)
    assert ("\x1b[31m" in screen.getvalue()) is coloured


def test_square_brackets_are_letters(capsys: pytest.CaptureFixture[str]) -> None:
    show("[bold]", ":smile:")
    assert "[bold]   :smile:" in capsys.readouterr().out


def test_a_table_without_names_has_no_head(capsys: pytest.CaptureFixture[str]) -> None:
    shown = console.table("", "")
    shown.add_row("one", "two")
    console.show_table(shown)
    assert capsys.readouterr().out == "one   two\n"


def test_json_has_no_word_for_what_is_not_a_number(capsys: pytest.CaptureFixture[str]) -> None:
    console.show_json({"loss": [0.5, float("nan"), float("inf")], "word": "é"})
    output = capsys.readouterr().out
    assert json.loads(output) == {"loss": [0.5, None, None], "word": "é"}
    assert "é" in output
