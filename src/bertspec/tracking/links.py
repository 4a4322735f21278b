"""Where runs are shown: the addresses that W&B gave them, one small file each."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

__all__ = ["keep", "link"]


def keep(directory: Path, run: str, url: str) -> None:
    """Remember the address of a run, by its id in W&B.

    Raises:
        OSError: the folder cannot be written.
    """
    folder = directory / "links"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{run}.url").write_text(url, "utf-8")


def link(directory: Path, fingerprint: str) -> str | None:
    """The address of a run, or none where it was never shown online; nothing but the web is an address."""
    try:
        url = (directory / "links" / f"{fingerprint[:16]}.url").read_text("utf-8").strip()
        parts = urlsplit(url)
    except (OSError, ValueError):
        return None
    return url if parts.scheme in ("http", "https") and parts.netloc else None
