"""What the service has recorded."""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass, field
from typing import Any

__all__ = ["KEY", "Artifact", "Run", "opaque"]

KEY = "planted" + "0" * 33
"""A key of the right length; no file and no message may contain it."""


def opaque(text: str) -> str:
    """An id in the form that the service gives them."""
    return base64.b64encode(text.encode()).decode()


@dataclass
class Run:
    """One run, as it arrived."""

    name: str
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    described: dict[str, Any] = field(default_factory=dict)
    """Group, job type, tags and everything else in ``UpsertBucket``."""
    files: dict[str, bytes] = field(default_factory=dict)
    alerts: list[dict[str, Any]] = field(default_factory=list)
    exit_code: int | None = None
    complete: bool = False
    last_contact: float = field(default_factory=time.monotonic)
    silence_s: float = 300.0
    """A run counts as crashed after this many seconds without contact."""

    @property
    def state(self) -> str:
        if not self.complete:
            return "running" if time.monotonic() - self.last_contact < self.silence_s else "crashed"
        return "finished" if self.exit_code == 0 else "failed"

    def curve(self, name: str) -> list[Any]:
        """The logged values of one quantity, in order."""
        return [row[name] for row in self.history if name in row]


@dataclass
class Artifact:
    """One version of an artifact, as it arrived."""

    described: dict[str, Any]
    files: dict[str, bytes] = field(default_factory=dict)
    manifest: bytes = b""
    committed: bool = False

    @property
    def name(self) -> str:
        return str(self.described["artifactCollectionName"])

    @property
    def aliases(self) -> set[str]:
        return {each["alias"] for each in self.described.get("aliases") or ()}
