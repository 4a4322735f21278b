"""Download from the hub what a spec names, at one revision, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from bertspec.errors import SourceError, UnknownName, Unreachable
from bertspec.sources import weights
from bertspec.sources.places import Places

__all__ = ["checkpoint", "dataset"]

_CHECKPOINT_SUFFIXES = (weights.SAFE, ".json", ".txt", ".model")


def checkpoint(name: str, revision: str | None, places: Places) -> tuple[Path, str]:
    """The local folder of a model's top-level safetensors, config and tokenizer files.

    Pickles are never downloaded.

    Returns:
        The folder and the commit that the revision resolved to.

    Raises:
        Unreachable: the hub does not answer.
        UnknownName: the hub knows no such model, or shows it only to others.
        UnsafeCheckpoint: the model has pickled weights only.
    """
    commit, files = _listing(name, revision, "model", places)
    top = [file for file in files if "/" not in file]
    weights.check(top, f"{name} on the hub {places.address}")
    wanted = [file for file in top if file.endswith(_CHECKPOINT_SUFFIXES)]
    return _download(name, commit, "model", wanted, places), commit


def dataset(name: str, subset: str | None, revision: str | None, places: Places) -> tuple[Path, str]:
    """The local folder of a data set's README and the files of one subset.

    Returns:
        The folder and the commit that the revision resolved to.

    Raises:
        Unreachable: the hub does not answer.
        UnknownName: the hub knows no such data set, or shows it only to others.
    """
    commit, files = _listing(name, revision, "dataset", places)
    own = [file for file in files if subset is not None and f"{subset}/" in f"/{file}"]
    wanted = ["README.md", *(own or files)]
    return _download(name, commit, "dataset", wanted, places), commit


def _listing(
    name: str, revision: str | None, kind: Literal["model", "dataset"], places: Places
) -> tuple[str, list[str]]:
    from huggingface_hub import HfApi, errors

    if not places.hub_answers():
        raise Unreachable(
            f"{kind} {name!r} cannot be had: no place holds it, and the hub does not answer",
            given=name,
            allowed="a reachable hub, a mirror that holds it, or a folder of your own",
            where=places.describe(),
        )
    try:
        found: Any = HfApi(endpoint=places.endpoint).repo_info(name, revision=revision, repo_type=kind)
    except errors.RepositoryNotFoundError:
        raise UnknownName(
            kind, name, ["a hub id", "a folder", "a name from configs/"], where=places.describe()
        ) from None
    except (errors.HfHubHTTPError, errors.HFValidationError, OSError) as refusal:
        raise SourceError(
            f"the hub refused {kind} {name!r}: {_told(refusal, places)}", where=places.describe()
        ) from refusal
    return found.sha, [file.rfilename for file in found.siblings or ()]


def _download(name: str, commit: str, kind: Literal["model", "dataset"], files: list[str], places: Places) -> Path:
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(
            name, repo_type=kind, revision=commit, allow_patterns=files, endpoint=places.endpoint
        )
    except OSError as broken:
        raise SourceError(
            f"downloading {kind} {name!r} broke off: {_told(broken, places)}", where=places.describe()
        ) from broken
    return Path(folder)


def _told(refusal: Exception, places: Places) -> str:
    """What the library says, on one line and without the password of an address."""
    return " ".join(str(refusal).replace(places.endpoint or "", places.address).split())
