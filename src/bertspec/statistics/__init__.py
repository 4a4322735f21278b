"""Claims and measured values → verdicts. Pure statistics: no files, no clock, no torch."""

from __future__ import annotations

from bertspec.statistics.best import BEST_LOOKS, BEST_TOLERANCE, judge_best
from bertspec.statistics.collapse import collapsed, judge_collapse, refuse_collapse
from bertspec.statistics.comparison import FEWEST_COMPARED, holm, judge_contrast, judge_ratio, relative_change
from bertspec.statistics.contamination import CEILING_P, leak_p, overlap, refuse_leak, refuse_overlap
from bertspec.statistics.pass_rates import PassRates, pass_rates
from bertspec.statistics.ranking import Ranking, Scores, Standing, rank
from bertspec.statistics.sensitivity import judge_sensitivity, sensitivity
from bertspec.statistics.sequential import FEWEST_RUNS, MARGIN, judge, looks, mean_interval
from bertspec.statistics.steps import judge_steps
from bertspec.statistics.verdicts import LEAST_SPREAD, Claim, Outcome, Rule, Spread, Verdict

__all__ = [
    "BEST_LOOKS",
    "BEST_TOLERANCE",
    "CEILING_P",
    "FEWEST_COMPARED",
    "FEWEST_RUNS",
    "LEAST_SPREAD",
    "MARGIN",
    "Claim",
    "Outcome",
    "PassRates",
    "Ranking",
    "Rule",
    "Scores",
    "Spread",
    "Standing",
    "Verdict",
    "collapsed",
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
    "overlap",
    "pass_rates",
    "rank",
    "refuse_collapse",
    "refuse_leak",
    "refuse_overlap",
    "relative_change",
    "sensitivity",
]
