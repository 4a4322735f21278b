from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bertspec.documents import DEEPEST, LARGEST_YAML, load_yaml, parse_json, parse_yaml, read_json
from bertspec.errors import BertspecError, InvalidConfig, StoreError

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
PLAIN = st.none() | st.booleans() | st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False) | TEXT
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=12
)
YAML_LIKE = st.text("ab01: -.,[]{}&*!|>\"'\\#%@`~<=?\n\t_eEx+U\0ü\ud800", max_size=40)
"""Texts that are mostly no YAML, of the characters that mean something in it."""

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]\n" for level in range(1, 9)
)
MERGES = "a0: &a0 {x: 1}\n" + "".join(
    f"a{level}: &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 10)}]}}\n" for level in range(1, 9)
)
CHAIN = "a0: &a0 [x]\n" + "".join(f"a{level}: &a{level} [*a{level - 1}]\n" for level in range(1, 100))


@pytest.fixture
def written(tmp_path: Path) -> Any:
    """Write a file and return its path."""

    def write(content: str | bytes) -> Path:
        file = tmp_path / "mine.yaml"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return file

    return write


@settings(deadline=None, derandomize=True)  # the first example loads libraries
@given(VALUES)
def test_what_was_written_as_yaml_is_read_back(value: Any) -> None:
    assert parse_yaml(yaml.safe_dump(value)) == value


@settings(deadline=None, derandomize=True)  # the first example loads libraries
@given(VALUES)
def test_what_was_written_as_json_is_read_back(value: Any) -> None:
    assert parse_json(json.dumps(value)) == value


@settings(deadline=None, derandomize=True)  # the first example loads libraries
@given(YAML_LIKE)
def test_any_text_is_read_or_refused(text: str) -> None:
    for read in (parse_yaml, parse_json):
        with contextlib.suppress(InvalidConfig):
            json.dumps(read(text), ensure_ascii=False).encode()


@settings(deadline=None, derandomize=True)  # the first example loads libraries
@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with contextlib.suppress(InvalidConfig):
        json.dumps(parse_json(content), ensure_ascii=False).encode()


def test_every_key_has_its_line(written: Any) -> None:
    document = load_yaml(written("a: 1\nb:\n  - x\n  - {c: 2}\nd: &d {e: 1}\nf: *d\n"))
    assert document.value == {"a": 1, "b": ["x", {"c": 2}], "d": {"e": 1}, "f": {"e": 1}}
    lines = {".".join(map(str, keys)): line for keys, line in document.lines.items()}
    assert lines == {"a": 1, "b": 2, "b.0": 3, "b.1": 4, "b.1.c": 4, "d": 5, "d.e": 5, "f": 6}
    assert document.where(("b", 1, "z")).endswith("mine.yaml, line 4, b.1.z")
    assert document.where(("z",)).endswith("mine.yaml, z")


def test_a_file_without_a_value_holds_none(written: Any) -> None:
    assert load_yaml(written("# nothing\n")).value is None


def test_keys_can_be_merged_and_overridden() -> None:
    assert parse_yaml("{base: &base {x: 1, y: 2}, own: {<<: *base, x: 3}}")["own"] == {"x": 3, "y": 2}


@pytest.mark.parametrize(
    ("text", "value"), [("1e-5", 1e-5), ("-2.5E3", -2500.0), ("0x1F", 31), ("1_000", 1000), ("0", 0), ("0.10", 0.1)]
)
def test_a_number_is_read_as_in_yaml_1_2(text: str, value: float) -> None:
    assert parse_yaml(text) == value


@pytest.mark.parametrize(
    ("content", "message", "line"),
    [
        ("a: 1\nb: 2\na: 3\n", "the file repeats a key, which is also on line 1; given: 'a'", 3),
        ("a: {b: 1,\n b: 2}", "the file repeats a key", 2),
        ("{<<: {x: 1}, <<: {y: 1}}", "the file repeats a key", 1),
        ("\n1: x", "the file has a key that is no text: write it in quotes; given: '1'", 2),
        ("yes: x", "has a key that is no text: write it in quotes; given: 'yes'", 1),
        ("? [a]\n: 1", "has a key that is no text", 1),
        ("x: 2024-13-45", "has a date, and no date is ever allowed: write it in quotes; given: '2024-13-45'", 1),
        ("x: 2024-01-01", "has a date", 1),
        ("x: 010", "has a number that other readers of YAML read differently: write it in base 10", 1),
        ("x: 1:30", "has a number that other readers of YAML read differently", 1),
        ("x: 99999999999999999999", "has a whole number beyond 64 bits", 1),
        ("x: " + "1" * 5000, "has a value that is no int", 1),
        ("x: !!bool maybe", "has a value that is no bool; given: 'maybe'", 1),
        ("x: !!int ''", "has a value that is no int", 1),
        ("x: !!set {a, b}", "no text, number, true, false, null, list or mapping.*given: 'set'", 1),
        ("x: !!binary aGk=", "given: 'binary'", 1),
        ("x: =", "write a text in quotes; given: 'value'", 1),
        ("x: <<", "write a text in quotes; given: 'merge'", 1),
        ("x: !!python/object/apply:os.system [ls]", "given: 'python/object/apply:os.system'", 1),
        ("a: &a\n  b: *a", "has an alias inside of what it names; given: '\\*a'", 2),
        ("a: *b", "is not YAML: found undefined alias 'b'", 1),
        ("a:\n- [b", "is not YAML: while parsing a flow sequence, expected ',' or ']'", 2),
        ("a: 1\n--- \nb: 2", "is not YAML: expected a single document", 2),
        ('x: "\\ud800"', "has a null character or half of a surrogate pair", 1),
        ('x: "\\0"', "has a null character", 1),
        ("a: 1\nb: \x01", "is not YAML: special characters are not allowed", 2),
        (b"a: b\nc: \xe9", "is not UTF-8: it has the byte 0xe9", 2),
        ("a: 1\n".encode("utf-16"), "is not UTF-8: it has the byte 0xff", 1),
        ("a: " + "[" * 5000, "is nested more than 50 levels deep", 1),
        ("- " * 5000, "is nested more than 50 levels deep", 1),
        ("[\n" * 5000, "is nested more than 50 levels deep", DEEPEST + 1),
        (CHAIN, "is nested more than 50 levels deep", 50),
        (BOMB, "has more than 1,000,000 characters once its aliases are written out", 6),
        (MERGES, "has more than 1,000,000 characters once its aliases are written out", 7),
        ("a: [" + "b," * 30_000 + "]", "has more than 20,000 values", 1),
    ],
)
def test_yaml_is_refused_with_its_line(written: Any, content: str | bytes, message: str, line: int) -> None:
    file, began = written(content), time.monotonic()
    with pytest.raises(InvalidConfig, match=rf"{message}.*mine.yaml, line {line}$"):
        load_yaml(file)
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1,\n"a": 2}', "repeats a key; given: 'a'; where: here, line 2"),
        ('{"b": {"a": 1},\n"a": {"b": 1,\n"b": 2}}', "repeats a key; given: 'b'; where: here, line 3"),
        ("[" * 5000, "is nested more than 50 levels deep; where: here, line 1"),
        ("\n[1,]", "is not JSON: .*; where: here, line 2"),
        ('["\\ud800"]', "has half of a surrogate pair"),
        ("1" * 5000, "has a number with thousands of digits"),
        ('"' + '\\"' * 100_000 + "[" * 100 + "\\", "is not JSON"),
        (b"\xff", "is not UTF-8"),
    ],
)
def test_json_is_refused_with_its_line(text: str | bytes, message: str) -> None:
    with pytest.raises(InvalidConfig, match=f"the config {message}"):
        parse_json(text, what="the config", where="here")


def test_brackets_in_a_json_text_are_no_nesting() -> None:
    assert parse_json(json.dumps(["[" * 100, '"{' * 100])) == ["[" * 100, '"{' * 100]
    assert len(parse_json(json.dumps([[]] * 100))) == 100


@pytest.mark.parametrize("read", [load_yaml, read_json])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path, read: Any) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    reasons = {
        tmp_path / "pipe": "it is no regular file",
        tmp_path / "loop": "Too many levels of symbolic links",
        tmp_path: "it is a folder",
        tmp_path / "missing": "No such file or directory",
        tmp_path / ("a" * 500): "File name too long",
        tmp_path / "a\0b": "its name cannot be a file name",
        Path("/dev/zero"): "it is no regular file",
    }
    for path, reason in reasons.items():
        with pytest.raises(InvalidConfig, match=f"the file cannot be read: {reason}"):
            read(path)


def test_a_file_that_is_too_large_is_not_read(written: Any) -> None:
    with pytest.raises(InvalidConfig, match="it has more than 1,000,000 bytes"):
        load_yaml(written(" " * (LARGEST_YAML + 1)))
    with pytest.raises(StoreError, match="the record cannot be read: it has more than 3 bytes"):
        read_json(written("1234"), what="the record", error=StoreError, limit=3)


def test_a_value_of_a_table_is_refused_with_its_text() -> None:
    with pytest.raises(BertspecError) as refusal:
        parse_yaml("[1,", what="the value of steps")
    assert str(refusal.value).startswith("the value of steps is not YAML: while parsing a flow node")
    assert (refusal.value.given, refusal.value.where) == ("[1,", None)
