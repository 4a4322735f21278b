from __future__ import annotations

import io
import json
import re
import sys
import time

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


ACTING = "\x1b[31mred\x1b]0;title\x07 a\tb\nc \u202eabc \x9b2J"
SHOWN = r"\x1b[31mred\x1b]0;title\x07 a\tb\nc \u202eabc \x9b2J"


def test_a_cell_and_a_name_that_a_terminal_could_act_on_are_escaped_and_stay_on_one_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = console.table("name", ACTING, numbers=(ACTING,))
    shown.add_row(ACTING, "1")
    console.show_table(shown)
    head, rule, row = capsys.readouterr().out.splitlines()
    assert (head.split(maxsplit=1)[1], row) == (SHOWN, f"{SHOWN}   {'1'.rjust(len(SHOWN))}")
    assert rule == "─" * (2 * len(SHOWN) + 3)


def test_a_terminal_shows_a_hostile_cell_escaped(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch)
    show("long", ACTING)
    assert SHOWN in screen.getvalue()


def test_a_line_is_escaped_but_for_what_its_writer_keeps(capsys: pytest.CaptureFixture[str]) -> None:
    console.show_lines("a\tb\x1b")
    console.show_lines("a\tb\x1b", keep="\t")
    assert capsys.readouterr().out == "a\\tb\\x1b\na\tb\\x1b\n"


def test_json_is_escaped_and_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    console.show_json({"label": ACTING})
    output = capsys.readouterr().out
    assert json.loads(output) == {"label": ACTING}
    assert all(letter.isprintable() for letter in output.replace("\n", ""))


@pytest.mark.parametrize("rows", [1, 2000])
def test_a_short_and_a_long_table_have_the_same_columns(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = terminal(monkeypatch)
    monkeypatch.setenv("NO_COLOR", "1")
    shown = console.table("name", "größe", "number", numbers=("number",))
    for _ in range(rows):
        shown.add_row("日本", "x", "1")
        shown.add_section()
    console.show_table(shown)
    lines = [line.rstrip() for line in re.sub(r"\x1b\[\d*m", "", screen.getvalue()).splitlines()]
    assert lines[:3] == ["name   größe   number", "─────────────────────", "日本   x            1"]
    assert len(lines) == 2 + 2 * rows - 1


def test_ten_thousand_rows_take_less_than_a_second(capsys: pytest.CaptureFixture[str]) -> None:
    shown = console.table("a", "b", "c")
    for number in range(10_000):
        shown.add_row("word", str(number), "another")
    began = time.process_time()  # not the clock: other processes take their share
    console.show_table(shown)
    assert time.process_time() - began < 1
    assert capsys.readouterr().out.count("\n") == 10_002
