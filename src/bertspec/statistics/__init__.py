"""Claims and measured values → verdicts. Pure statistics: no files, no clock, no torch, no studies."""

from __future__ import annotations

from bertspec.statistics.comparison import (
    FEWEST_COMPARED,
    holm,
    judge_contrast,
    judge_ratio,
    judge_steps,
    relative_change,
)
from bertspec.statistics.guards import (
    CEILING_P,
    Contamination,
    collapse_problem,
    contamination,
    contamination_problem,
    judge_collapse,
    leak_p,
    refuse_collapse,
    refuse_contamination,
    refuse_leak,
)
from bertspec.statistics.ranking import BEST_LOOKS, BEST_TOLERANCE, Ranking, Scores, Standing, judge_best, rank
from bertspec.statistics.rows import row_covariance, row_variance
from bertspec.statistics.sensitivity import judge_sensitivity, sensitivity
from bertspec.statistics.sequential import FEWEST_RUNS, MARGIN, PassRates, judge, looks, mean_interval, pass_rates
from bertspec.statistics.verdicts import (
    LEAST_SPREAD,
    Claim,
    Direction,
    Outcome,
    Rule,
    Spread,
    Verdict,
    estimate,
    number,
)

__all__ = [
    "BEST_LOOKS",
    "BEST_TOLERANCE",
    "CEILING_P",
    "FEWEST_COMPARED",
    "FEWEST_RUNS",
    "LEAST_SPREAD",
    "MARGIN",
    "Claim",
    "Contamination",
    "Direction",
    "Outcome",
    "PassRates",
    "Ranking",
    "Rule",
    "Scores",
    "Spread",
    "Standing",
    "Verdict",
    "collapse_problem",
    "contamination",
    "contamination_problem",
    "estimate",
    "holm",
    "judge",
    "judge_best",
    "judge_collapse",
    "judge_contrast",
    "judge_ratio",
    "judge_sensitivity",
    "judge_steps",
    "leak_p",
    "looks",
    "mean_interval",
    "number",
    "pass_rates",
    "rank",
    "refuse_collapse",
    "refuse_contamination",
    "refuse_leak",
    "relative_change",
    "row_covariance",
    "row_variance",
    "sensitivity",
]
