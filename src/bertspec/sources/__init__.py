"""Where models and data come from: a mirror folder, what is installed, the hub; in this order."""

from __future__ import annotations

import functools
import glob
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from bertspec.errors import SourceError, UnknownName, Unreachable
from bertspec.files import is_folder
from bertspec.network import answers, redact
from bertspec.sources.pins import Pins

__all__ = ["Sources"]

Kind = Literal["model", "dataset"]

_hub_answers = functools.cache(answers)
"""One probe per process."""


@dataclass(frozen=True, slots=True)
class Sources:
    """The mirror folder and the hub that this process uses."""

    mirror: Path | None
    """A folder that holds what the hub holds, under the same ids; or None."""
    endpoint: str | None
    """The address of the hub; None never asks one."""
    pins: Pins = field(default_factory=Pins)
    """What the lock file promises."""

    @classmethod
    def from_environment(cls, root: Path | None = None) -> Self:
        """Read ``BERTSPEC_MIRROR``, ``HF_ENDPOINT`` and ``HF_HUB_OFFLINE``, and the lock file of a root folder.

        Raises:
            SourceError: ``BERTSPEC_MIRROR`` names something that is not a folder.
            InvalidConfig: the lock file is damaged.
        """
        from huggingface_hub import constants

        named = os.environ.get("BERTSPEC_MIRROR")
        mirror = Path(named).expanduser().absolute() if named else None
        if mirror is not None and not mirror.is_dir():
            raise SourceError(
                "the mirror folder does not exist",
                given=str(mirror),
                allowed="a folder that holds models and data sets under their hub ids",
                where="the environment variable BERTSPEC_MIRROR",
            )
        offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "TRUE", "YES", "ON"}
        pins = Pins.beside(root) if root is not None else Pins()
        return cls(mirror=mirror, endpoint=None if offline else constants.ENDPOINT, pins=pins)

    def in_mirror(self, name: str) -> Path | None:
        """The mirror's folder for a hub id, or None if it has no such folder."""
        if self.mirror is None:
            return None
        try:
            folder = (self.mirror / name).resolve()
            inside = folder.is_relative_to(self.mirror.resolve())
            return folder if inside and is_folder(folder) else None
        except (OSError, RuntimeError, ValueError):  # links form a loop, or the name is none that a folder can have
            return None

    def hub_answers(self) -> bool:
        """Whether the hub answers; asked once per process, proxies honoured."""
        return self.endpoint is not None and _hub_answers(self.endpoint)

    def download(
        self, name: str, kind: Kind, *, revision: str | None, select: Callable[[list[str]], Iterable[str]]
    ) -> tuple[Path, str]:
        """Download files of a model or a data set from the hub.

        Args:
            name: its hub id.
            kind: which of the two it is.
            revision: a branch, tag or commit; None takes the default branch.
            select: picks the files to download, of all that the hub lists.

        Returns:
            The local folder, and the commit that the revision resolved to.

        Raises:
            Unreachable: the hub does not answer.
            UnknownName: the hub has no such model or data set, or it is private.
            SourceError: the hub refuses, or the download breaks off.
        """
        from huggingface_hub import snapshot_download

        commit, files = self._listing(name, kind, revision)
        patterns = [glob.escape(file) for file in select(files)]
        try:
            folder = snapshot_download(
                name, repo_type=kind, revision=commit, allow_patterns=patterns, endpoint=self.endpoint
            )
        except OSError as broken:
            raise SourceError(
                f"downloading {kind} {name!r} broke off: {self._message(broken)}", where=self.describe()
            ) from broken
        return Path(folder), commit

    @property
    def address(self) -> str:
        """The hub's address without a password."""
        return redact(self.endpoint or "")

    def describe(self) -> str:
        """All sources in one line, for messages."""
        mirror = f"the mirror {self.mirror}" if self.mirror else "no mirror (BERTSPEC_MIRROR is not set)"
        hub = f"the hub {self.address}" if self.endpoint else "no hub (offline)"
        return f"{mirror}, what is installed, {hub}"

    def _listing(self, name: str, kind: Kind, revision: str | None) -> tuple[str, list[str]]:
        from huggingface_hub import HfApi, errors

        if not self.hub_answers():
            raise Unreachable(
                f"{kind} {name!r} is not available locally, and the hub does not answer",
                given=name,
                allowed="a reachable hub, a mirror that holds it, or a folder of your own",
                where=self.describe(),
            )
        try:
            info: Any = HfApi(endpoint=self.endpoint).repo_info(name, revision=revision, repo_type=kind)
        except errors.RepositoryNotFoundError:
            known = ["a hub id", "a folder", "a name from configs/"]
            raise UnknownName(kind, name, known, where=self.describe()) from None
        except (errors.HfHubHTTPError, errors.HFValidationError, OSError) as refusal:
            raise SourceError(
                f"the hub refused {kind} {name!r}: {self._message(refusal)}", where=self.describe()
            ) from refusal
        return info.sha, [file.rfilename for file in info.siblings or ()]

    def _message(self, refusal: Exception) -> str:
        """The library's message on one line, without the password of an address."""
        return " ".join(str(refusal).replace(self.endpoint or "", self.address).split())
