"""What the sequential rule does to 200,000 simulated studies; `pytest -s` prints the tables."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from bertspec.statistics import MARGIN, Claim, Spread, judge, looks
from bertspec.statistics.sequential import margins, rates

STUDIES = 200_000
LOOKS = looks(10)

Array = NDArray[np.float64]
Draw = Callable[[np.random.Generator], Array]


def normal(rng: np.random.Generator) -> Array:
    return rng.standard_normal((STUDIES, 10))


def heavy_tailed(rng: np.random.Generator) -> Array:
    """Student's t with 3 degrees of freedom, scaled to a standard deviation of 1."""
    return rng.standard_t(3, (STUDIES, 10)) / np.sqrt(3.0)


def collapsing(rng: np.random.Generator) -> Array:
    """One seed in fifty lies thirty spreads below the others."""
    return normal(rng) - 30.0 * (rng.random((STUDIES, 10)) < 0.02)


def simulated(truth: float, *, assumed: float | Array = 1.0, draw: Draw = normal) -> tuple[float, float, float, float]:
    """PASS, FAIL, UNDECIDED and the mean number of runs, with the truth so many spreads above the bound."""
    seeds = draw(np.random.default_rng(7)) + truth
    means = np.stack([seeds[:, :look].mean(axis=1) for look in LOOKS], axis=1) / np.reshape(assumed, (-1, 1))
    limits = margins(LOOKS, MARGIN)
    decided = (means >= limits) | (means < -limits)
    runs = np.array([*LOOKS, LOOKS[-1]])[np.where(decided.any(axis=1), decided.argmax(axis=1), len(LOOKS))]
    return *rates(means, limits), float(runs.mean())


@pytest.mark.parametrize(
    ("truth", "passed", "failed", "runs"),
    [
        (-1.0, 0.0001, 0.897, 6.1),
        (-0.5, 0.0027, 0.40, 8.6),
        (0.0, 0.050, 0.050, 9.6),
        (0.5, 0.40, 0.0028, 8.6),
        (1.0, 0.897, 0.0001, 6.0),
        (1.5, 0.997, 0.0, 3.9),
        (2.0, 1.0, 0.0, 3.2),
    ],
)
def test_the_rates_of_the_rule_with_a_known_spread(truth: float, passed: float, failed: float, runs: float) -> None:
    found = simulated(truth)
    print(f"\ntruth {truth:+.1f} s: PASS {found[0]:.2%}, FAIL {found[1]:.2%}, open {found[2]:.2%}, {found[3]:.1f} runs")
    assert found[0] == pytest.approx(passed, abs=0.003)
    assert found[1] == pytest.approx(failed, abs=0.003)
    assert found[3] == pytest.approx(runs, abs=0.1)


@pytest.mark.parametrize(
    ("margin", "unchanged", "runs", "refused"),
    [(2.0, 0.0001, 3.1, {2: 0.69, 3: 0.994, 4: 1.0}), (1.5, 0.0041, 3.8, {2: 0.976, 3: 1.0, 4: 1.0})],
)
def test_the_rates_of_a_calibrated_bound(
    margin: float, unchanged: float, runs: float, refused: dict[int, float]
) -> None:
    """The error of the record is in it: 20 reference runs give the mean and the limit of the spread."""
    rng = np.random.default_rng(3)
    reference = rng.standard_normal((STUDIES, 20))
    limit = reference.std(axis=1, ddof=1) * np.sqrt(19 / 11.6509)  # the 10 % quantile of chi-squared with 19
    bound = reference.mean(axis=1) - margin * limit

    def drop(size: float) -> tuple[float, float, float, float]:
        seeds = np.random.default_rng(7).standard_normal((STUDIES, 10)) - size
        means = np.stack([(seeds[:, :look].mean(axis=1) - bound) / limit for look in LOOKS], axis=1)
        limits = margins(LOOKS, MARGIN)
        decided = (means >= limits) | (means < -limits)
        runs = np.array([*LOOKS, LOOKS[-1]])[np.where(decided.any(axis=1), decided.argmax(axis=1), len(LOOKS))]
        return *rates(means, limits), float(runs.mean())

    honest = drop(0.0)
    print(f"\nmargin {margin} s+: unchanged is not passed {1 - honest[0]:.3%}, {honest[3]:.1f} runs", end="")
    assert 1 - honest[0] == pytest.approx(unchanged, abs=0.0006)
    assert honest[3] == pytest.approx(runs, abs=0.1)
    for size, share in refused.items():
        found = 1 - drop(float(size))[0]
        print(f"; a drop of {size} s is refused {found:.1%}", end="")
        assert found == pytest.approx(share, abs=0.006)


@pytest.mark.parametrize(
    ("what", "assumed", "draw", "wrong"),
    [
        ("spread judged at half its size", 0.5, normal, (0.21, 0.35)),
        ("spread judged at twice its size", 2.0, normal, (0.0, 0.001)),
        ("heavy tails", 1.0, heavy_tailed, (0.03, 0.06)),
        ("one seed in fifty collapses", 1.0, collapsing, (0.02, 0.06)),
    ],
)
def test_the_rule_under_assumptions_that_do_not_hold(
    what: str, assumed: float, draw: Draw, wrong: tuple[float, float]
) -> None:
    """As measured: how often a truth that is exactly the bound passes, and one that is a spread below or above."""
    at, below, above = (simulated(truth, assumed=assumed, draw=draw) for truth in (0.0, -1.0, 1.0))
    print(f"\n{what}: at the bound PASS {at[0]:.2%}; a spread below {below[0]:.2%}; a spread above {above[0]:.2%}")
    assert wrong[0] <= at[0] <= wrong[1]
    assert below[0] <= at[0] <= above[0]


def test_the_judge_itself_does_what_the_simulation_says() -> None:
    claim, spread = Claim("x", "at least", 0.0), Spread(1.0, "known")
    seeds = np.random.default_rng(5).standard_normal((20_000, 10)) + 0.5
    verdicts = [_to_the_end(claim, study.tolist(), spread) for study in seeds]
    assert np.mean([v == "PASS" for v in verdicts]) == pytest.approx(0.40, abs=0.012)
    assert np.mean([v == "FAIL" for v in verdicts]) == pytest.approx(0.0028, abs=0.0015)


def _to_the_end(claim: Claim, values: list[float], spread: Spread) -> str:
    count = 3
    while True:
        verdict = judge(claim, values[:count], spread=spread, seed_limit=10)
        if verdict.more is None:
            return verdict.outcome
        count = verdict.more
