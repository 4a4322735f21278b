"""Where runs are shown: W&B, a progress bar, or nowhere. The store, not a tracker, is the truth."""

from __future__ import annotations

from bertspec.tracking.observers import SilentTracker, Tracker, combine
from bertspec.tracking.offline import OfflineRun, find_run, read_run
from bertspec.tracking.progress import ProgressTracker
from bertspec.tracking.wandb_runs import WandbTracker, sampled_steps

__all__ = [
    "OfflineRun",
    "ProgressTracker",
    "SilentTracker",
    "Tracker",
    "WandbTracker",
    "combine",
    "find_run",
    "read_run",
    "sampled_steps",
]
