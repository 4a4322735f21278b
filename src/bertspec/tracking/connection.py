"""The connection to W&B: whether it can be used, the public client, time limits, and messages without secrets."""

from __future__ import annotations

import contextlib
import logging
import netrc
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bertspec.errors import SourceError, Unreachable
from bertspec.network import PROBE_TIMEOUT_S, answers, redact

__all__ = ["Connection", "abandon", "connection", "has_key", "service_api", "within", "without_secrets"]

_log = logging.getLogger("bertspec.tracking")

_REQUEST_TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class Connection:
    """How runs are logged on this machine."""

    mode: Literal["online", "offline", "disabled"]
    reason: str
    url: str | None = None

    @property
    def surprising(self) -> bool:
        """Whether a user who has a key would expect something else."""
        return self.mode == "offline" and "does not answer" in self.reason


def connection(mode: str = "auto") -> Connection:
    """Choose between online and offline. ``WANDB_MODE`` comes first; after it, a key and one probe decide.

    Args:
        mode: ``online``, ``offline`` or ``disabled`` without a probe, or ``auto``.
    """
    asked = os.environ.get("WANDB_MODE", mode)
    for settled in ("online", "offline", "disabled"):
        if asked == settled or (asked, settled) == ("dryrun", "offline"):
            where = "WANDB_MODE" if "WANDB_MODE" in os.environ else "the caller"
            return Connection(settled, f"{asked}, as {where} says")
    try:
        import wandb

        url: str = wandb.setup().settings.base_url
    except Exception as error:  # noqa: BLE001 - a tracker never costs a run
        return Connection("offline", f"W&B's settings cannot be read: {without_secrets(error)}")
    shown = without_secrets(url)
    if not has_key(url):
        return Connection("offline", f"no key for {shown} (wandb login, or WANDB_API_KEY)", url)
    if not answers(url):
        return Connection("offline", f"W&B at {shown} does not answer within {PROBE_TIMEOUT_S:g} s", url)
    return Connection("online", f"{shown} answers, with a key", url)


def has_key(url: str) -> bool:
    """Whether W&B's tools have a key for this service."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    from wandb.errors import AuthenticationError
    from wandb.sdk.lib.wbauth.wbnetrc import read_netrc_auth  # W&B's own rule of which entry is for which host

    try:
        return read_netrc_auth(host=url) is not None
    except AuthenticationError as error:
        _log.warning("the key in the netrc file is not a W&B key: %s", without_secrets(error))
        return False


def service_api() -> Any:
    """W&B's public client, after the service has answered and confirmed the key.

    Raises:
        Unreachable: the service does not answer.
        SourceError: there is no key, or the service refuses it.
    """
    import wandb

    url = wandb.setup().settings.base_url
    shown = without_secrets(url)
    if not has_key(url):
        raise SourceError(f"there is no key for W&B at {shown}", allowed="wandb login, or WANDB_API_KEY")
    if not answers(url):
        raise Unreachable(
            f"W&B at {shown} does not answer within {PROBE_TIMEOUT_S:g} s",
            allowed="the same command later; what was logged offline is kept",
        )
    try:
        api = wandb.Api(timeout=_REQUEST_TIMEOUT_S)
        api.default_entity  # noqa: B018 - a request that needs a valid key
    except Exception as refusal:  # noqa: BLE001 - the client raises errors of many types
        raise SourceError(f"W&B at {shown} refuses: {without_secrets(refusal)}") from None
    return api


def within(limit_s: float, act: Callable[[], object]) -> None:
    """Call a function that may block for minutes, and stop waiting for it after ``limit_s`` seconds.

    Raises:
        TimeoutError: it took longer; it may go on in the background.
        Exception: the function's own error.
    """
    raised: list[BaseException] = []

    def call() -> None:
        try:
            act()
        except BaseException as error:  # noqa: BLE001 - raised again by the caller's thread
            raised.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(limit_s)
    if thread.is_alive():
        raise TimeoutError(f"not finished within {limit_s:g} s")
    if raised:
        raise raised[0]


def abandon() -> None:
    """Kill W&B's own process. It waits for a service that is gone, and would delay our exit by minutes.

    Its records stay on disk. The next run starts a new process.
    """
    import wandb

    owned: Any = wandb.setup()
    for name in ("_connection", "_proc", "_process"):  # wandb 0.31 has no public way to it
        owned = getattr(owned, name, None)
    if owned is not None:
        owned.kill()
        owned.wait()
    with contextlib.suppress(Exception, SystemExit):  # it complains that its process is gone
        within(2.0, wandb.teardown)


def without_secrets(text: object) -> str:
    """The text without user names and passwords in addresses, and without any key that this process could know."""
    cleaned = redact(text)
    for secret in _secrets():
        cleaned = cleaned.replace(secret, "…")
    return cleaned


def _secrets() -> list[str]:
    """The longest first, because one may be part of another. Anything below 8 letters may be an ordinary word."""
    known = [os.environ.get(name, "") for name in ("WANDB_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")]
    with contextlib.suppress(ImportError, OSError, UnicodeDecodeError):
        from huggingface_hub import constants

        known.append(Path(constants.HF_TOKEN_PATH).read_text("utf-8").strip())  # where `hf auth login` keeps it
    with contextlib.suppress(OSError, netrc.NetrcParseError):
        known += [password or "" for _, _, password in netrc.netrc(os.environ.get("NETRC")).hosts.values()]
    return sorted((secret for secret in known if len(secret) >= 8), key=len, reverse=True)
