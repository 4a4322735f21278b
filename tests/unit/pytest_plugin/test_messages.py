from __future__ import annotations

import pytest

from bertspec.pytest_plugin.messages import said


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("too low\nassert False\n +  where False = x.passed", "too low"),
        ("assert 1 == 2", "assert 1 == 2"),
        ("two\nlines", "two\nlines"),
        ("", ""),
    ],
)
def test_an_assertion_says_what_its_author_wrote(text: str, message: str) -> None:
    assert said(AssertionError(text)) == message
