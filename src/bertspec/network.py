"""What bertspec itself asks the network, and what its messages may show of an address."""

from __future__ import annotations

import re
import threading

__all__ = ["PROBE_TIMEOUT_S", "answers", "redact"]

PROBE_TIMEOUT_S = 2.0
"""How long a service may take to answer a probe, name look-up included."""

_USERINFO = re.compile(r"(?<=://)[^/@\s'\"]+@")


def answers(url: str, *, busy_counts: bool = False) -> bool:
    """Whether a service answers one HEAD request within ``PROBE_TIMEOUT_S``; proxies are honoured.

    Args:
        url: the address of the service.
        busy_counts: whether a service that answers with a server error (status 500 and above) counts as there.
    """
    answered = threading.Event()
    # In a thread, because a name look-up has no time limit of its own.
    thread = threading.Thread(target=_send_head, args=(url, answered), kwargs={"busy_counts": busy_counts}, daemon=True)
    thread.start()
    thread.join(PROBE_TIMEOUT_S)
    return answered.is_set()


def redact(text: object) -> str:
    """The text with user names and passwords removed from every address in it."""
    return _USERINFO.sub("", str(text))


def _send_head(url: str, answered: threading.Event, *, busy_counts: bool) -> None:
    import http.client  # late: errors.py imports this module, and every import of bertspec needs errors.py
    import urllib.error
    import urllib.request

    try:
        request = urllib.request.Request(url, method="HEAD")  # noqa: S310 - the user's own endpoint
        # A new opener, because the shared one remembers the proxies of the first call in the process.
        with urllib.request.build_opener().open(request, timeout=PROBE_TIMEOUT_S):
            answered.set()
    except urllib.error.HTTPError as refusal:
        if refusal.code < 500 or busy_counts:  # below 500 the service is up, and refuses HEAD
            answered.set()
    except (OSError, ValueError, http.client.HTTPException):
        return
