"""Time limits for a client that has none of its own where its service dies."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any

__all__ = ["abandon", "within"]

_log = logging.getLogger("bertspec.tracking")


def within(limit_s: float, act: Callable[[], object]) -> None:
    """Do something that may block for minutes, and go on without it after a while.

    Raises:
        TimeoutError: it took longer; it may go on in the background.
        Exception: what it raised itself.
    """
    raised: list[BaseException] = []

    def acting() -> None:
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - handed on to the caller
            raised.append(error)

    thread = threading.Thread(target=acting, daemon=True)
    thread.start()
    thread.join(limit_s)
    if thread.is_alive():
        raise TimeoutError(f"no end within {limit_s:g} s")
    if raised:
        raise raised[0]


def abandon() -> None:
    """Stop W&B's own process, which waits on a service that has gone: else it holds up our end for minutes.

    What it has recorded lies on the disk. The next run starts another one.
    """
    import wandb

    owned: Any = wandb.setup()
    for name in ("_connection", "_proc", "_process"):  # the client 0.31 offers no other way to it
        owned = getattr(owned, name, None)
    if owned is not None:
        owned.kill()
        owned.wait()
    with contextlib.suppress(Exception, SystemExit):  # it complains about what was just stopped
        within(2.0, wandb.teardown)
