"""What a release reached, and whether a later build still does.

A baseline holds the scores of every study that a session claimed a quality of, their peak memory where an accelerator
counted it, and the ratios of speeds that were measured in turns. Later runs of the same studies are
compared with it, on seeds of their own if need be; Holm's correction covers the whole comparison, so that a build
that is no worse is called a regression at most 5 % of the time, however many studies there are.
"""

from __future__ import annotations

from bertspec.baselines.comparison import compare
from bertspec.baselines.records import Baseline, Reached, Timed, path_of, reached, read, timed, write

__all__ = ["Baseline", "Reached", "Timed", "compare", "path_of", "reached", "read", "timed", "write"]
