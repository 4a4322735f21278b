"""Say what will run here, what will not, and why. Asks the hub and W&B for at most two seconds each."""

from __future__ import annotations

import argparse
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from bertspec.cli import bench, console

if TYPE_CHECKING:
    from bertspec.sources.places import Places

__all__ = ["EPILOG", "HELP", "NAME", "Finding", "add_arguments", "execute", "findings"]

NAME = "doctor"
HELP = "say what will run here, and why not"
EPILOG = """\
examples:
  bertspec doctor
  bertspec doctor --json

Exit status 1 where the main job (tiny encoders on the bundled tasks) cannot run.
--json writes a list of objects: subject, state (ok, limited, broken), detail.
"""

State = Literal["ok", "limited", "broken"]
_LEAST_FREE_BYTES = 100 << 20


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    state: State
    """``limited`` leaves something out; ``broken`` stops the main job."""
    detail: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the store is."""
    bench.add_store(parser)
    parser.add_argument("--json", action="store_true", help="write the findings for machines")


def execute(arguments: argparse.Namespace) -> int:
    """Write the findings to standard output."""
    found = list(findings(arguments))
    if arguments.json:
        console.show_json([asdict(finding) for finding in found])
    else:
        shown = console.table("", "", "")
        for finding in found:
            shown.add_row(_MARKS[finding.state], finding.subject, finding.detail)
        console.show_table(shown)
    return 1 if any(finding.state == "broken" for finding in found) else 0


def findings(arguments: argparse.Namespace) -> Iterator[Finding]:
    """Look at everything, the packages first."""
    yield from _packages()
    yield from _devices()
    yield from _sources()
    yield _wandb()
    yield from _store(arguments)


_MARKS = {"ok": "✓", "limited": "–", "broken": "✗"}


def _packages() -> Iterator[Finding]:
    import platform
    from importlib import metadata

    from packaging.requirements import Requirement

    yield Finding("python", "ok", platform.python_version())
    for text in metadata.requires("bertspec") or ():
        wanted = Requirement(text)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        try:
            found = metadata.version(wanted.name)
        except metadata.PackageNotFoundError:
            yield Finding(wanted.name, "broken", f"not installed; needed: {wanted.specifier}")
            continue
        fits = wanted.specifier.contains(found, prereleases=True)
        yield Finding(
            wanted.name, "ok" if fits else "broken", found if fits else f"{found}; needed: {wanted.specifier}"
        )


def _devices() -> Iterator[Finding]:
    from bertspec.capabilities import lacks_gpu

    try:
        from bertspec.device import computes_bf16, cores
    except ImportError as broken:
        yield Finding("cpu", "broken", f"torch cannot be imported: {broken}")
        return
    yield Finding("cpu", "ok", f"{cores()} cores, {'bf16' if computes_bf16('cpu') else 'fp32'}")
    reason = lacks_gpu()
    if reason is not None:
        yield Finding("gpu", "limited", f"@gpu scenarios do not run: {reason}")
        return
    import torch

    yield Finding("gpu", "ok", f"{torch.cuda.get_device_name()}, {'bf16' if computes_bf16('cuda') else 'fp32'}")


def _sources() -> Iterator[Finding]:
    from bertspec.capabilities import lacks_minilm, lacks_remote
    from bertspec.errors import BertspecError
    from bertspec.sources.places import Places

    try:
        places = Places.from_environment(bench.root())
    except BertspecError as wrong:
        yield Finding("sources", "broken", str(wrong))
        return
    if places.mirror is None:
        yield Finding("mirror", "limited", "BERTSPEC_MIRROR is not set")
    else:
        yield Finding("mirror", "ok", f"{places.mirror}, {_held(places.mirror)} models and data sets")
    yield _hub(places)
    remote, minilm = lacks_remote(places, download=True), lacks_minilm(places)
    yield Finding(
        "real data", "limited" if remote else "ok",
        f"@hub and @mirror scenarios do not run: {remote}" if remote
        else "@hub and @mirror scenarios run" + ("" if places.mirror else " with --download"),
    )  # fmt: skip
    yield Finding(
        "minilm", "limited" if minilm else "ok", f"@minilm scenarios {'do not run: ' + minilm if minilm else 'run'}"
    )
    if places.pins.file is not None:
        yield Finding("lock", "ok", f"{places.pins.file}, {len(places.pins.encoders) + len(places.pins.data)} names")


def _held(mirror: Path) -> int:
    return sum(1 for owner in mirror.iterdir() if owner.is_dir() for _ in owner.iterdir())


def _hub(places: Places) -> Finding:
    if places.endpoint is None:
        return Finding("hub", "limited", "HF_HUB_OFFLINE is set: the hub is not asked")
    token = "with a token" if _has_hub_token() else "without a token"
    if places.hub_answers():
        return Finding("hub", "ok", f"{places.address} answers, {token}")
    return Finding("hub", "limited", f"{places.address} does not answer within 2 s")


def _has_hub_token() -> bool:
    from huggingface_hub import get_token

    return get_token() is not None


def _wandb() -> Finding:
    from bertspec.tracking import connection

    found = connection()
    return Finding("W&B", "ok" if found.mode == "online" else "limited", f"{found.mode}: {found.reason}")


def _store(arguments: argparse.Namespace) -> Iterator[Finding]:
    kept = bench.store(arguments)
    above = next(folder for folder in (kept.root, *kept.root.parents) if folder.is_dir())
    free = shutil.disk_usage(above).free
    if not os.access(above, os.W_OK):
        yield Finding("store", "broken", f"{kept.root} cannot be written")
        return
    state: State = "ok" if free >= _LEAST_FREE_BYTES else "broken"
    yield Finding("store", state, f"{kept.root}, {kept.count()} runs, {free / 2**30:.1f} GiB free")
    aside = list(kept.root.glob("damaged-*"))
    if aside:
        yield Finding("damaged runs", "limited", f"{len(aside)} set aside in {kept.root}: look, and delete them")
