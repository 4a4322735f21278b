"""The scores of a release, and whether a later build still reaches them.

A baseline holds the scores of every study that a session claimed a quality of, the peak memory if an accelerator
counted it, and the ratios of speeds that were measured in turns. Later runs of the same studies are compared with it;
their seeds may differ. Holm's correction covers the whole comparison, so that a build that is no worse is called a
regression at most 5 % of the time, however many studies there are.
"""

from __future__ import annotations

from bertspec.baselines.comparison import compare
from bertspec.baselines.records import (
    Baseline,
    BaselineStudy,
    BaselineTiming,
    path_of,
    read,
    studies_of,
    timings_of,
    write,
)

__all__ = [
    "Baseline",
    "BaselineStudy",
    "BaselineTiming",
    "compare",
    "path_of",
    "read",
    "studies_of",
    "timings_of",
    "write",
]
