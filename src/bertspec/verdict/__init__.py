"""Claims and measured values → verdicts. Pure statistics: no files, no clock, no torch."""

from __future__ import annotations

from bertspec.verdict.best import BEST_LOOKS, BEST_TOLERANCE, judge_best
from bertspec.verdict.claims import LEAST_SPREAD, Claim, Outcome, Rule, Spread, Verdict
from bertspec.verdict.collapse import collapsed, judge_collapse, refuse_collapse
from bertspec.verdict.comparison import FEWEST_COMPARED, holm, judge_contrast, judge_ratio, relative_change
from bertspec.verdict.leaks import CEILING_P, leak_p, overlap, refuse_leak, refuse_overlap
from bertspec.verdict.odds import Odds, odds
from bertspec.verdict.ranking import Contender, Ranking, Standing, rank
from bertspec.verdict.sensitivity import judge_sensitivity, sensitivity
from bertspec.verdict.sequential import FEWEST_RUNS, MARGIN, judge, looks, mean_interval
from bertspec.verdict.steps import judge_steps

__all__ = [
    "BEST_LOOKS",
    "BEST_TOLERANCE",
    "CEILING_P",
    "FEWEST_COMPARED",
    "FEWEST_RUNS",
    "LEAST_SPREAD",
    "MARGIN",
    "Claim",
    "Contender",
    "Odds",
    "Outcome",
    "Ranking",
    "Rule",
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
    "odds",
    "overlap",
    "rank",
    "refuse_collapse",
    "refuse_leak",
    "refuse_overlap",
    "relative_change",
    "sensitivity",
]
