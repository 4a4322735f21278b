from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertspec.printing import is_unicode, printable, printable_json

ANY_TEXT = st.text(st.characters())
WHOLE_TEXT = st.text(st.characters(codec="utf-8"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b]0;title\x07", r"\x1b[31mred\x1b]0;title\x07"),
        ("a\tb\nc\rd", r"a\tb\nc\rd"),
        ("\x9b2J", r"\x9b2J"),
        ("user\u202etxt.exe", r"user\u202etxt.exe"),
        ("\u2066a\u2069\u200f", r"\u2066a\u2069\u200f"),
        ("one\u2028two", r"one\u2028two"),
        ("\ud800", r"\ud800"),
        ("zero\u200bwidth\ufeff", r"zero\u200bwidth\ufeff"),
        ("\U000e0041", r"\U000e0041"),
        ("nul\0", r"nul\x00"),
    ],
)
def test_what_a_terminal_could_act_on_is_escaped(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    "text",
    ["größer · 3 ≥ 2", "日本語\u3000全角", "می\u200cخواهم", "👩\u200d💻", "no\xa0break", r"C:\new", "e\u0301", ""],
)
def test_letters_spaces_and_signs_of_all_scripts_stay(text: str) -> None:
    assert printable(text) == text


def test_a_text_of_several_lines_may_keep_them() -> None:
    assert printable("a\n\tb\x1b", keep="\n\t") == "a\n\tb\\x1b"


def test_another_object_is_shown_as_its_text() -> None:
    assert printable(FileNotFoundError("\x1b")) == r"\x1b"


@given(ANY_TEXT)
def test_nothing_that_acts_is_left_in_any_text(text: str) -> None:
    left = {unicodedata.category(letter) for letter in printable(text) if letter not in "\u200c\u200d"}
    assert not left & {"Cc", "Cf", "Cs", "Zl", "Zp"}


@given(ANY_TEXT)
def test_an_escaped_text_stays_as_it_is(text: str) -> None:
    assert printable(printable(text)) == printable(text)


@given(st.recursive(WHOLE_TEXT, lambda inner: st.lists(inner) | st.dictionaries(WHOLE_TEXT, inner)))
def test_a_json_document_is_escaped_and_still_says_the_same(value: object) -> None:
    document = printable_json(json.dumps(value, indent=1, ensure_ascii=False))
    assert json.loads(document) == value
    assert printable(document, keep="\n") == document


@pytest.mark.parametrize(("text", "expected"), [("naïve 東京 😀", True), ("\0", True), ("caf\udce9", False)])
def test_half_of_a_surrogate_pair_is_not_unicode(text: str, *, expected: bool) -> None:
    assert is_unicode(text) is expected
