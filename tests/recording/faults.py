"""How a service fails."""

from __future__ import annotations

import enum

__all__ = ["Fault"]


class Fault(enum.Enum):
    """What happens to a request."""

    NONE = "it is answered"
    HANGING = "nothing comes back"
    UNAVAILABLE = "the answer is 503"
    FORBIDDEN = "the answer is 401"
    DEAD = "the connection is closed"
