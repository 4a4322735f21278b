from __future__ import annotations

import argparse

import numpy as np
import pytest

from bertspec.cli.run import seeds, steps
from bertspec.cli.show import sparkline


@pytest.mark.parametrize(
    ("text", "numbers"), [("1-3", (1, 2, 3)), ("1 to 3", (1, 2, 3)), ("7", (7,)), ("1,4,7", (1, 4, 7))]
)
def test_seeds_are_a_span_or_a_list(text: str, numbers: tuple[int, ...]) -> None:
    assert seeds(text) == numbers


@pytest.mark.parametrize("text", ["3-1", "", "a", "1,", "-1", "1.5"])
def test_other_seeds_are_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a list of seeds, such as 1-3 or 1,4,7"):
        seeds(text)


@pytest.mark.parametrize("text", ["0", "-5", "x", "1.5", ""])
def test_steps_are_a_positive_number(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not a number of steps"):
        steps(text)


def test_a_curve_is_one_line_from_high_to_low() -> None:
    line = sparkline(np.linspace(1, 0, 600))
    assert (len(line), line[0], line[-1]) == (60, "█", "▁")


def test_a_flat_curve_is_flat() -> None:
    assert sparkline([2.0, 2.0]) == "▁▁"
