"""Where runs are shown: in W&B, as a progress bar, or nowhere. The store has the results; a tracker only shows them."""

from __future__ import annotations

from bertspec.tracking.connection import Connection, connection
from bertspec.tracking.offline import OfflineRun, SyncedRun, find_run, link, read_run, sync
from bertspec.tracking.trackers import ProgressTracker, SilentObserver, SilentTracker, Tracker, combine
from bertspec.tracking.wandb_runs import WandbTracker, publish, sampled_steps
from bertspec.tracking.wandb_sweeps import RegisteredSweep, TrialTracker, register, show_sweep, under_an_agent

__all__ = [
    "Connection",
    "OfflineRun",
    "ProgressTracker",
    "RegisteredSweep",
    "SilentObserver",
    "SilentTracker",
    "SyncedRun",
    "Tracker",
    "TrialTracker",
    "WandbTracker",
    "combine",
    "connection",
    "find_run",
    "link",
    "publish",
    "read_run",
    "register",
    "sampled_steps",
    "show_sweep",
    "sync",
    "under_an_agent",
]
