from __future__ import annotations

import pytest

from bertspec.pytest_plugin.collection import _assertion_message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("too low\nassert False\n +  where False = x.passed", "too low"),
        ("assert 1 == 2", "assert 1 == 2"),
        ("two\nlines", "two\nlines"),
        ("", ""),
    ],
)
def test_an_assertion_is_reported_with_the_message_of_its_author(text: str, message: str) -> None:
    assert _assertion_message(AssertionError(text)) == message
