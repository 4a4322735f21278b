"""The locations that are asked for a model or a data set."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from bertspec.errors import SourceError
from bertspec.network import answers, redact
from bertspec.sources.pins import Pins

__all__ = ["Locations"]


@dataclass(frozen=True, slots=True)
class Locations:
    """The mirror folder and the hub that this process uses."""

    mirror: Path | None
    """A folder that holds what the hub holds, under the same ids; or none."""
    endpoint: str | None
    """The address of the hub; none means that it may not be asked."""
    pins: Pins = field(default_factory=Pins)
    """What the lock file promises about the names that are asked for."""

    @classmethod
    def from_environment(cls, root: Path | None = None) -> Self:
        """Read ``BERTSPEC_MIRROR``, ``HF_ENDPOINT`` and ``HF_HUB_OFFLINE``, and the lock file of a root folder.

        Raises:
            SourceError: ``BERTSPEC_MIRROR`` is set to something that is not a folder.
            InvalidConfig: the lock file is not one.
        """
        from huggingface_hub import constants

        named = os.environ.get("BERTSPEC_MIRROR")
        mirror = Path(named).expanduser().absolute() if named else None
        if mirror is not None and not mirror.is_dir():
            raise SourceError(
                "the mirror folder is not there",
                given=str(mirror),
                allowed="a folder that holds models and data sets under their hub ids",
                where="the environment variable BERTSPEC_MIRROR",
            )
        offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "TRUE", "YES", "ON"}
        pins = Pins.beside(root) if root is not None else Pins()
        return cls(mirror=mirror, endpoint=None if offline else constants.ENDPOINT, pins=pins)

    def in_mirror(self, name: str) -> Path | None:
        """The mirror's folder for a hub id, or none where it has no such folder."""
        if self.mirror is None:
            return None
        folder = (self.mirror / name).resolve()
        inside = folder.is_relative_to(self.mirror.resolve())
        return folder if inside and folder.is_dir() else None

    def hub_answers(self) -> bool:
        """Whether the hub answers; asked once per process, proxies honoured."""
        return self.endpoint is not None and _probe(self.endpoint)

    @property
    def address(self) -> str:
        """The hub's address as messages show it: one that carries a password is shown without."""
        return redact(self.endpoint or "")

    def describe(self) -> str:
        """The locations in one line, for messages."""
        mirror = f"the mirror {self.mirror}" if self.mirror else "no mirror (BERTSPEC_MIRROR is not set)"
        hub = f"the hub {self.address}" if self.endpoint else "no hub (offline)"
        return f"{mirror}, what is installed, {hub}"


_probe = functools.cache(answers)
