from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from bertspec.report import draw
from bertspec.report.plots import Estimate, Point, claim_plot, curve_plot, pareto_plot, row_plot
from bertspec.results import ClaimRecord

SVG = "{http://www.w3.org/2000/svg}"
POINTS = [
    Point("dear and good", 4.0, 0.9, 0.88, 0.92),
    Point("cheap and poor", 1.0, 0.7, 0.7, 0.7),
    Point("dear and poor", 5.0, 0.8, 0.8, 0.8),
]


def claim(direction: str) -> ClaimRecord:
    return ClaimRecord.model_validate(
        {
            "claim": "accuracy",
            "subject": "x",
            "verdict": "PASS",
            "value": 0.6,
            "bound": 0.5,
            "upper": 0.8 if direction == "between" else None,
            "direction": direction,
            "interval": (0.55, 0.65),
            "values": (0.58, 0.62),
        }
    )


@pytest.mark.parametrize(("less", "front"), [(False, {"cheap and poor", "dear and good"}), (True, {"cheap and poor"})])
def test_the_front_holds_what_nothing_beats_in_both(less: bool, front: set[str]) -> None:
    plot = pareto_plot(POINTS, less_is_better=less)
    assert plot is not None
    assert {dot.name for dot in plot.dots if dot.front} == front
    assert [dot.name for dot in plot.dots] == ["cheap and poor", "dear and good", "dear and poor"]
    assert plot.dots[1].whisker[0] > plot.dots[1].y > plot.dots[1].whisker[1]  # downward is larger


def test_one_point_is_no_comparison() -> None:
    assert pareto_plot(POINTS[:1]) is None


@pytest.mark.parametrize(("direction", "side"), [("at least", "left"), ("at most", "right"), ("between", "nowhere")])
def test_what_is_denied_was_claimed_to_lie_on_the_other_side(direction: str, side: str) -> None:
    plot = claim_plot(claim(direction).model_copy(update={"denied": True, "rule": "mean"}))
    assert plot is not None
    assert plot.side == side


@pytest.mark.parametrize("rule", ["collapse", "ceiling", "contamination"])
def test_no_side_of_the_bound_is_shaded_where_the_mean_did_not_decide(rule: str) -> None:
    plot = claim_plot(claim("at least").model_copy(update={"denied": True, "rule": rule}))
    assert plot is not None
    assert plot.side == "nowhere"


@pytest.mark.parametrize(("direction", "side"), [("at least", "right"), ("at most", "left"), ("between", "between")])
def test_a_claim_is_drawn_in_the_order_of_its_numbers(direction: str, side: str) -> None:
    plot = claim_plot(claim(direction))
    assert plot is not None
    assert plot.side == side
    assert plot.bound < plot.interval[0] < plot.seeds[0] < plot.value < plot.seeds[1] < plot.interval[1]


def test_a_run_that_diverged_leaves_the_curve_of_the_others() -> None:
    whole, short, broken = np.ones(10), np.array([1.0, 5.0, np.nan]), np.array([1.0] * 9 + [np.inf])
    assert curve_plot([whole, short, broken]) == curve_plot([whole])
    assert curve_plot([short]) is None
    assert curve_plot([]) is None


def test_plots_are_drawn_below_each_other_as_one_svg_document_with_its_own_style() -> None:
    plots = {
        "training loss": curve_plot([np.linspace(1, 0, 8), np.linspace(1, 0.5, 8)]),
        "nothing": None,
        "quality": pareto_plot(POINTS),
        "means": row_plot([Estimate("bert & co", 0.9, (0.88, 0.92), (0.9,), 0), Estimate("albert", 0.8, None, (), 1)]),
    }
    drawn = ElementTree.fromstring(draw("bert <i>", plots))
    text = [each.text for each in drawn.iter(f"{SVG}text")]
    assert [label for label in text if label in plots] == ["training loss", "quality", "means"]
    assert [name for name in text if name in ("bert <i>", "bert & co", "albert")] == ["bert <i>", "bert & co", "albert"]
    assert "--mark" in (drawn.findtext(f"{SVG}style") or "")
    assert len(list(drawn.iter(f"{SVG}circle"))) == len(POINTS) + 1
