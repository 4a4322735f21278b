from __future__ import annotations

import argparse
from collections.abc import Callable

import pytest

from bertspec.arguments import int_between, positive_int, seed


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (positive_int, "1", 1),
        (int_between(3, 20), "3", 3),
        (int_between(3, 20), "20", 20),
        (seed, "0", 0),
        (seed, "4294967295", 4294967295),
    ],
)
def test_a_number_within_its_bounds_is_read(kind: Callable[[str], int], text: str, value: int) -> None:
    assert kind(text) == value


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        (positive_int, "0", "'0' is not a positive whole number"),
        (positive_int, "1.5", "'1.5' is not a positive whole number"),
        (int_between(3, 20), "2", "'2' is not a number from 3 to 20"),
        (int_between(3, 20), "21", "'21' is not a number from 3 to 20"),
        (positive_int, "9" * 5000, "is not a positive whole number"),
        (int_between(3, 20), "9" * 5000, "is not a number from 3 to 20"),
        (seed, "9" * 5000, "is not a seed"),
        (seed, "-1", "'-1' is not a seed"),
        (seed, "4294967296", "'4294967296' is not a seed"),
    ],
)
def test_a_number_outside_its_bounds_is_refused(kind: Callable[[str], int], text: str, message: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match=message):
        kind(text)
