"""Where runs are shown: W&B, a progress bar, or nowhere. The store, not a tracker, is the truth."""

from __future__ import annotations

from bertspec.tracking.connection import Connection, connection
from bertspec.tracking.links import link
from bertspec.tracking.observers import SilentTracker, Tracker, combine
from bertspec.tracking.offline import OfflineRun, find_run, read_run
from bertspec.tracking.progress import ProgressTracker
from bertspec.tracking.sweeps import RegisteredSweep, register
from bertspec.tracking.upload import SyncedRun, sync
from bertspec.tracking.wandb_observer import sampled_steps
from bertspec.tracking.wandb_report import publish
from bertspec.tracking.wandb_runs import WandbTracker
from bertspec.tracking.wandb_sweep import show_sweep
from bertspec.tracking.wandb_trial import TrialTracker, under_an_agent

__all__ = [
    "Connection",
    "OfflineRun",
    "ProgressTracker",
    "RegisteredSweep",
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
