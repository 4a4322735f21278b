"""What ``bertspec doctor`` looks at. Nothing here stops at the first trouble: trouble is what it looks for."""

from __future__ import annotations

import platform
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bertspec.errors import BertspecError

if TYPE_CHECKING:
    from packaging.requirements import Requirement

    from bertspec.sources import Sources
    from bertspec.store import Store

__all__ = ["TAGS", "Finding", "examine"]

Group = Literal["machine", "packages", "sources", "tracking", "store", "scenarios"]
State = Literal["ok", "limited", "broken"]

TAGS = ("bundled", "minilm", "mirror", "hub", "gpu", "performance", "full")
"""The tags that ask something of a machine, or of the way it is asked; bundled asks nothing."""
_LEAST_FREE_BYTES = 100 << 20
_NAMED = 12
"""Ids of a mirror that are named; of the others the number is told."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    group: Group
    subject: str
    state: State
    """``limited`` leaves something out; ``broken`` stops the main job."""
    detail: str


def examine(store: Store, root: Path) -> Iterator[Finding]:
    """Look at everything, group by group.

    Args:
        store: where finished runs are kept.
        root: the folder whose configs and lock file count.
    """
    broken = []
    for finding in _causes(store, root):
        yield finding
        if finding.state == "broken":
            broken.append(finding.subject)
    yield from _scenarios(root, broken)


def _causes(store: Store, root: Path) -> Iterator[Finding]:
    yield from _machine()
    yield from _packages()
    yield from _sources(root)
    yield _wandb()
    yield from _store(store)


def _machine() -> Iterator[Finding]:
    wanted = _declared().get("requires_python")
    fits = wanted is None or _contains(wanted, platform.python_version())
    yield Finding(
        "machine", "python", "ok" if fits else "broken", platform.python_version() + _range(wanted, fits=fits)
    )
    try:
        from bertspec.device import computes_bf16, cores
    except (ImportError, OSError) as broken:  # a half-installed torch raises either
        yield Finding("machine", "cpu", "broken", f"torch cannot be imported: {broken}")
        return
    yield Finding("machine", "cpu", "ok", f"{_some(cores(), 'core')}, {'bf16' if computes_bf16('cpu') else 'fp32'}")
    from bertspec.capabilities import lacks_gpu

    reason = lacks_gpu()
    if reason is not None:
        yield Finding("machine", "gpu", "limited", "no CUDA device; runs take the CPU")
        return
    import torch

    memory = torch.cuda.get_device_properties(0).total_memory / 2**30
    precision = "bf16" if computes_bf16("cuda") else "fp32"
    yield Finding("machine", "gpu", "ok", f"{torch.cuda.get_device_name()}, {memory:.0f} GiB, {precision}")


def _packages() -> Iterator[Finding]:
    """Each package that bertspec names itself, and the extra that brings real weights."""
    from packaging.requirements import Requirement

    if not _declared():
        yield Finding("packages", "bertspec", "broken", "not installed, so that it cannot tell what it needs")
    for text in sorted(_declared().get("requires_dist", ()), key=str.lower):
        wanted = Requirement(text)
        if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
            yield _package(wanted, missing="broken")
        elif wanted.marker.evaluate({"extra": "minilm"}):
            yield _package(wanted, missing="limited")


def _declared() -> dict[str, Any]:
    """What bertspec's own package says of itself; nothing where it is not installed."""
    try:
        return metadata.metadata("bertspec").json
    except metadata.PackageNotFoundError:
        return {}


def _package(wanted: Requirement, *, missing: State) -> Finding:
    try:
        found = metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        return Finding("packages", wanted.name, missing, f"not installed; needed: {wanted.specifier}")
    fits = wanted.specifier.contains(found, prereleases=True)
    # One that does not fit may well work; what is certain is that nobody tested it.
    return Finding("packages", wanted.name, "ok" if fits else "limited", found + _range(wanted.specifier, fits=fits))


def _sources(root: Path) -> Iterator[Finding]:
    try:
        sources = _places(root)
    except BertspecError as wrong:
        yield Finding("sources", "settings", "broken", str(wrong))
        return
    if sources.mirror is None:
        yield Finding("sources", "mirror", "limited", "none: BERTSPEC_MIRROR is not set")
    else:
        yield _mirror(sources.mirror)
    yield _hub(sources)
    if sources.pins.file is not None:
        names = len(sources.pins.encoders) + len(sources.pins.data)
        yield Finding("sources", "lock", "ok", f"{sources.pins.file} holds {_some(names, 'name')}")


def _mirror(folder: Path) -> Finding:
    try:
        held = sorted(
            f"{owner.name}/{each.name}" for owner in folder.iterdir() if owner.is_dir() for each in owner.iterdir()
        )
    except OSError as refusal:
        return Finding("sources", "mirror", "limited", f"{folder} cannot be read: {refusal.strerror}")
    more = f" and {len(held) - _NAMED} more" if len(held) > _NAMED else ""
    return Finding(
        "sources",
        "mirror",
        "ok" if held else "limited",
        f"{folder} holds {', '.join(held[:_NAMED]) or 'nothing'}{more}",
    )


def _hub(sources: Sources) -> Finding:
    if sources.endpoint is None:
        return Finding("sources", "hub", "limited", "not asked: HF_HUB_OFFLINE is set")
    if not sources.hub_answers():
        return Finding("sources", "hub", "limited", f"{sources.address} does not answer within 2 s")
    from huggingface_hub import get_token

    return Finding("sources", "hub", "ok", f"{sources.address} answers; {'a' if get_token() else 'no'} token is set")


def _wandb() -> Finding:
    from bertspec.tracking import connection

    found = connection()
    return Finding("tracking", "W&B", "ok" if found.mode == "online" else "limited", f"{found.mode}: {found.reason}")


def _store(kept: Store) -> Iterator[Finding]:
    above = next(folder for folder in (kept.root, *kept.root.parents) if folder.exists())
    problem = _unwritable(above)
    if problem is not None:
        yield Finding("store", "folder", "broken", f"{kept.root} cannot be written: {problem}")
        return
    free = shutil.disk_usage(above).free
    short = "" if free >= _LEAST_FREE_BYTES else ": too little"
    yield Finding("store", "folder", "broken" if short else "ok", f"{kept.root}, {free / 2**30:.1f} GiB free{short}")
    whole = sum(1 for _ in kept.runs())  # one that is damaged is set aside by being read
    yield Finding("store", "runs", "ok", f"{whole} finished")
    aside = sorted(kept.root.glob("damaged-*"))
    if aside:
        yield Finding(
            "store",
            "damaged",
            "limited",
            f"{_some(len(aside), 'run')} set aside in {kept.root}/damaged-*; made again when asked for",
        )


def _unwritable(folder: Path) -> str | None:
    """Why nothing can be written there; tried, because permissions do not tell of a read-only disk."""
    if not folder.is_dir():
        return f"{folder} is no folder"
    try:
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as refusal:
        return refusal.strerror or str(refusal)


def _scenarios(root: Path, broken: list[str]) -> Iterator[Finding]:
    """Every tag that asks something of a machine, or of the way it is asked."""
    from bertspec.capabilities import lacks_gpu, lacks_minilm, lacks_remote

    if broken:
        yield from (_tag(name, f"broken: {', '.join(broken)}") for name in TAGS)
        return
    sources = _places(root)
    remote = lacks_remote(sources, download=True)
    reasons = {"minilm": lacks_minilm(sources), "mirror": remote, "hub": remote, "gpu": lacks_gpu()}
    asking = "" if sources.mirror else "with --download"
    ways = {"mirror": asking, "hub": asking, "performance": "without -n", "full": "where -m full asks for hours of it"}
    yield from (_tag(name, reasons.get(name), ways.get(name, "")) for name in TAGS)


def _tag(name: str, reason: str | None, how: str = "") -> Finding:
    runs = f"runs {how}".strip()
    return Finding("scenarios", f"@{name}", "limited" if reason else "ok", f"not run: {reason}" if reason else runs)


def _places(root: Path) -> Sources:
    from bertspec.sources import Sources

    return Sources.from_environment(root)


def _contains(wanted: str, found: str) -> bool:
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(wanted).contains(found, prereleases=True)


def _range(wanted: object, *, fits: bool) -> str:
    return "" if fits or wanted is None else f", outside of what was tested: {wanted}"


def _some(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
