"""Text that others wrote, as a terminal or a report may show it.

Labels, texts, names, titles and stored records may hold characters that a terminal acts on, that break a table's
lines, or that show words in another order than they are stored in. :func:`printable` makes them visible.
"""

from __future__ import annotations

import functools
import json
import logging
import re
import unicodedata

__all__ = ["brief", "counted", "is_unicode", "printable", "printable_json", "warn_once"]

_ACTING = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's categories of controls, invisible format characters (bidirectional marks among them), lone surrogates, and
separators of lines and paragraphs."""
_JOINERS = frozenset("\u200c\u200d")
"""They shape the letters of some scripts, and join emoji."""
_CANDIDATE = re.compile(r"[^ -~]")
"""Everything but the letters and signs of ASCII."""
_BRIEF = 300


def printable(text: object, *, keep: str = "") -> str:
    r"""The text with each character escaped that a terminal or a report could act on.

    Controls (escape, tab and newline are three of them), bidirectional marks and other invisible characters are written
    as in Python's strings: ``\x1b``, ``\t``, ``\n``, ``\u202e``. Letters, spaces and signs of all scripts stay.

    Args:
        text: the text; another object is converted to one.
        keep: characters that stay, such as the newline of a text of several lines.
    """
    words = str(text)
    if words.isprintable():
        return words
    return _CANDIDATE.sub(lambda found: found[0] if found[0] in keep else _shown(found[0]), words)


def printable_json(document: str) -> str:
    r"""A JSON document with the same characters escaped, as ``\uXXXX``; it still stands for the same values.

    Args:
        document: the document. Its own newlines stay.
    """
    if document.isascii() and "\x7f" not in document:
        return document  # json escapes the other controls
    return _CANDIDATE.sub(lambda found: found[0] if found[0] == "\n" else _json_shown(found[0]), document)


def is_unicode(text: str) -> bool:
    """Whether a text can be written as UTF-8; what is read of other bytes has halves of surrogate pairs, and cannot."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def counted(number: int, noun: str, nouns: str = "") -> str:
    """A number and its noun: ``1 run``, ``2 runs``; ``nouns`` is an irregular plural."""
    return f"{number} {noun if number == 1 else nouns or f'{noun}s'}"


def brief(message: object) -> str:
    """The first line of a message, escaped, and cut to 300 characters: it may quote any text."""
    words = message.strerror if isinstance(message, OSError) else None
    line = printable((words or str(message).strip() or type(message).__name__).partition("\n")[0])
    return line if len(line) <= _BRIEF else line[: _BRIEF - 1] + "…"


@functools.cache
def warn_once(log: logging.Logger, message: str) -> None:
    """Log a warning once per process: a session reads the same files many times."""
    log.warning("%s", message)


def _acts(letter: str) -> bool:
    return unicodedata.category(letter) in _ACTING and letter not in _JOINERS


def _shown(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii") if _acts(letter) else letter


def _json_shown(letter: str) -> str:
    if not _acts(letter):
        return letter
    return f"\\u{ord(letter):04x}" if ord(letter) < 0x10000 else json.dumps(letter)[1:-1]
