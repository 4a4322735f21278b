"""Download from the hub what a config names, at one revision, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from bertspec.errors import SourceError, UnknownName, Unreachable
from bertspec.sources import weights
from bertspec.sources.locations import Locations

__all__ = ["checkpoint", "dataset"]

_CHECKPOINT_SUFFIXES = (weights.SAFE, ".json", ".txt", ".model")


def checkpoint(name: str, revision: str | None, locations: Locations) -> tuple[Path, str]:
    """The local folder of a model's top-level safetensors, config and tokenizer files.

    Pickles are never downloaded.

    Returns:
        The folder and the commit that the revision resolved to.

    Raises:
        Unreachable: the hub does not answer.
        UnknownName: the hub knows no such model, or shows it only to others.
        UnsafeCheckpoint: the model has pickled weights only.
    """
    commit, files = _listing(name, revision, "model", locations)
    top = [file for file in files if "/" not in file]
    weights.check(top, f"{name} on the hub {locations.address}")
    wanted = [file for file in top if file.endswith(_CHECKPOINT_SUFFIXES)]
    return _download(name, commit, "model", wanted, locations), commit


def dataset(name: str, subset: str | None, revision: str | None, locations: Locations) -> tuple[Path, str]:
    """The local folder of a data set's README and the files of one subset.

    Returns:
        The folder and the commit that the revision resolved to.

    Raises:
        Unreachable: the hub does not answer.
        UnknownName: the hub knows no such data set, or shows it only to others.
    """
    commit, files = _listing(name, revision, "dataset", locations)
    own = [file for file in files if subset is not None and f"{subset}/" in f"/{file}"]
    wanted = ["README.md", *(own or files)]
    return _download(name, commit, "dataset", wanted, locations), commit


def _listing(
    name: str, revision: str | None, kind: Literal["model", "dataset"], locations: Locations
) -> tuple[str, list[str]]:
    from huggingface_hub import HfApi, errors

    if not locations.hub_answers():
        raise Unreachable(
            f"{kind} {name!r} cannot be had: no place holds it, and the hub does not answer",
            given=name,
            allowed="a reachable hub, a mirror that holds it, or a folder of your own",
            where=locations.describe(),
        )
    try:
        found: Any = HfApi(endpoint=locations.endpoint).repo_info(name, revision=revision, repo_type=kind)
    except errors.RepositoryNotFoundError:
        raise UnknownName(
            kind, name, ["a hub id", "a folder", "a name from configs/"], where=locations.describe()
        ) from None
    except (errors.HfHubHTTPError, errors.HFValidationError, OSError) as refusal:
        raise SourceError(
            f"the hub refused {kind} {name!r}: {_told(refusal, locations)}", where=locations.describe()
        ) from refusal
    return found.sha, [file.rfilename for file in found.siblings or ()]


def _download(
    name: str, commit: str, kind: Literal["model", "dataset"], files: list[str], locations: Locations
) -> Path:
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(
            name, repo_type=kind, revision=commit, allow_patterns=files, endpoint=locations.endpoint
        )
    except OSError as broken:
        raise SourceError(
            f"downloading {kind} {name!r} broke off: {_told(broken, locations)}", where=locations.describe()
        ) from broken
    return Path(folder)


def _told(refusal: Exception, locations: Locations) -> str:
    """What the library says, on one line and without the password of an address."""
    return " ".join(str(refusal).replace(locations.endpoint or "", locations.address).split())
