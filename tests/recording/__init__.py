"""A W&B service on this machine that keeps what it is sent, for tests."""

from __future__ import annotations

from tests.recording.faults import Fault
from tests.recording.records import KEY
from tests.recording.server import RecordingServer

__all__ = ["KEY", "Fault", "RecordingServer"]
