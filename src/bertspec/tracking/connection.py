"""Whether W&B can be reached, found out without ever waiting long."""

from __future__ import annotations

import contextlib
import logging
import netrc
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bertspec.errors import SourceError, Unreachable
from bertspec.network import PROBE_TIMEOUT_S, answers, redact

__all__ = ["Connection", "connection", "service_api", "without_secrets"]

_log = logging.getLogger("bertspec.tracking")

_QUESTION_S = 10


@dataclass(frozen=True, slots=True)
class Connection:
    """How runs are logged from here."""

    mode: Literal["online", "offline", "disabled"]
    reason: str
    url: str | None = None

    @property
    def surprising(self) -> bool:
        """Whether a user who has a key would have expected something else."""
        return self.mode == "offline" and "does not answer" in self.reason


def connection(mode: str = "auto") -> Connection:
    """Settle between online and offline: ``WANDB_MODE`` wins, then a key and one probe decide."""
    asked = os.environ.get("WANDB_MODE", mode)  # online means that it is tried, whatever a probe would say
    for settled in ("online", "offline", "disabled"):
        if asked == settled or (asked, settled) == ("dryrun", "offline"):
            where = "WANDB_MODE" if "WANDB_MODE" in os.environ else "the caller"
            return Connection(settled, f"{asked}, as {where} says")
    try:
        import wandb

        url: str = wandb.setup().settings.base_url
    except Exception as trouble:  # noqa: BLE001 - a tracker never costs a run
        return Connection("offline", f"W&B's settings cannot be read: {without_secrets(trouble)}")
    shown = without_secrets(url)
    if not has_key(url):
        return Connection("offline", f"no key for {shown} (wandb login, or WANDB_API_KEY)", url)
    if not answers(url):
        return Connection("offline", f"W&B at {shown} does not answer within {PROBE_TIMEOUT_S:g} s", url)
    return Connection("online", f"{shown} answers, with a key", url)


def has_key(url: str) -> bool:
    """Whether W&B's own locations hold a key for this service."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    from wandb.errors import AuthenticationError
    from wandb.sdk.lib.wbauth.wbnetrc import read_netrc_auth  # its own idea of which entry is for which host

    try:
        return read_netrc_auth(host=url) is not None
    except AuthenticationError as trouble:
        _log.warning("the netrc file's key is none of W&B's: %s", without_secrets(trouble))
        return False


def service_api() -> Any:
    """W&B's public client, once the service has answered and said who the key belongs to.

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
        api = wandb.Api(timeout=_QUESTION_S)
        api.default_entity  # noqa: B018 - asks the service who the key belongs to
    except Exception as refusal:  # noqa: BLE001 - the client raises what it likes
        raise SourceError(f"W&B at {shown} refuses: {without_secrets(refusal)}") from None
    return api


def without_secrets(text: object) -> str:
    """The same text without the user part of any address, and without any key that this process could know."""
    said = redact(text)
    for secret in _secrets():
        said = said.replace(secret, "…")
    return said


def _secrets() -> list[str]:
    """The longest first: one may be part of another. Shorter ones than eight letters are words."""
    known = [os.environ.get(name, "") for name in ("WANDB_API_KEY", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")]
    with contextlib.suppress(ImportError, OSError, UnicodeDecodeError):
        from huggingface_hub import constants

        known.append(Path(constants.HF_TOKEN_PATH).read_text("utf-8").strip())  # where `hf auth login` keeps it
    with contextlib.suppress(OSError, netrc.NetrcParseError):
        known += [password or "" for _, _, password in netrc.netrc(os.environ.get("NETRC")).hosts.values()]
    return sorted((secret for secret in known if len(secret) >= 8), key=len, reverse=True)
