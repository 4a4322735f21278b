"""Check what runs on this machine, what does not, and why. The hub and W&B get two seconds each to answer."""

from __future__ import annotations

import argparse
import platform
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from bertspec.cli import console, options
from bertspec.errors import BertspecError
from bertspec.printing import brief, counted

if TYPE_CHECKING:
    from packaging.requirements import Requirement

    from bertspec.sources import Sources
    from bertspec.store import Store

__all__ = ["EPILOG", "HELP", "NAME", "TAGS", "Finding", "add_arguments", "examine", "execute"]

NAME = "doctor"
HELP = "check what runs on this machine, and why something does not"
EPILOG = """\
examples:
  bertspec doctor
  bertspec doctor --json | jq '.findings[] | select(.state != "ok")'

Exit status 1 if the main job (tiny encoders on the bundled tasks) cannot run. No token is ever shown.
--json writes one object: main_job (whether it can run) and findings, a list of objects with
group (machine, packages, sources, tracking, store, scenarios), subject, state (ok, limited, broken) and detail.
"""

TAGS = ("bundled", "minilm", "mirror", "hub", "gpu", "performance", "full")
"""The tags of scenarios that need something of the machine or of the way pytest is called; bundled needs nothing."""

_MARKS = {"ok": "✓", "limited": "–", "broken": "✗"}
_LEAST_FREE_BYTES = 100 << 20
_NAMED = 12
"""Ids of a mirror that are listed; the others are counted."""

Group = Literal["machine", "packages", "sources", "tracking", "store", "scenarios"]
State = Literal["ok", "limited", "broken"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    group: Group
    subject: str
    state: State
    """``limited``: something cannot be used; ``broken``: the main job cannot run."""
    detail: str


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--store`` and ``--json``."""
    options.add_store(parser)
    parser.add_argument("--json", action="store_true", help="write the findings as JSON")


def execute(arguments: argparse.Namespace) -> int:
    """Write the findings to standard output."""
    from bertspec.store import Store, project_root, store_folder

    findings = list(examine(Store(store_folder(arguments.store)), project_root()))
    broken = [finding.subject for finding in findings if finding.state == "broken"]
    if arguments.json:
        console.show_json({"main_job": not broken, "findings": [asdict(finding) for finding in findings]})
        return 1 if broken else 0
    table = console.table("", "", "")
    for number, (group, members) in enumerate(groupby(findings, key=lambda finding: finding.group)):
        if number:
            table.add_section()
        table.add_row("", group, style="bold")
        for finding in members:
            table.add_row(_MARKS[finding.state], finding.subject, finding.detail)
    console.show_table(table, fold=True)
    console.show_lines("", f"bertspec cannot run here: {', '.join(broken)}." if broken else "bertspec can run here.")
    return 1 if broken else 0


def examine(store: Store, root: Path) -> Iterator[Finding]:
    """Check everything, group by group; a problem is a finding and never an error.

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
        from bertspec.device import computes_bf16, cores, default_threads
    except (ImportError, OSError) as broken:  # a half-installed torch raises either
        yield Finding("machine", "cpu", "broken", f"torch cannot be imported: {broken}")
        return
    precision = "bf16" if computes_bf16("cpu") else "fp32"
    threads = f", {counted(default_threads(), 'thread')} by default" if default_threads() != cores() else ""
    yield Finding("machine", "cpu", "ok", f"{counted(cores(), 'core')}{threads}, {precision}")
    from bertspec.capabilities import lacks_gpu

    reason = lacks_gpu()
    if reason is not None:
        yield Finding("machine", "gpu", "limited", "no CUDA device; runs use the CPU")
        return
    import torch

    try:
        memory = torch.cuda.get_device_properties(0).total_memory / 2**30
        precision = "bf16" if computes_bf16("cuda") else "fp32"
        name = torch.cuda.get_device_name()
    except RuntimeError as failure:  # the first call that reaches the driver
        yield Finding("machine", "gpu", "broken", f"cannot be used: {brief(failure)}")
        return
    yield Finding("machine", "gpu", "ok", f"{name}, {memory:.0f} GiB, {precision}")


def _packages() -> Iterator[Finding]:
    """The packages that bertspec depends on, and the extra that brings real weights."""
    from packaging.requirements import Requirement

    if not _declared():
        yield Finding("packages", "bertspec", "broken", "not installed: its requirements are not known")
    for text in sorted(_declared().get("requires_dist", ()), key=str.lower):
        wanted = Requirement(text)
        if wanted.marker is None or wanted.marker.evaluate({"extra": ""}):
            yield _package(wanted, missing="broken")
        elif wanted.marker.evaluate({"extra": "minilm"}):
            yield _package(wanted, missing="limited")


def _declared() -> dict[str, Any]:
    """The metadata of the installed bertspec; empty if it is not installed."""
    try:
        return metadata.metadata("bertspec").json
    except metadata.PackageNotFoundError:
        return {}


def _package(wanted: Requirement, *, missing: State) -> Finding:
    try:
        version = metadata.version(wanted.name)
    except metadata.PackageNotFoundError:
        return Finding("packages", wanted.name, missing, f"not installed; needed: {wanted.specifier}")
    fits = wanted.specifier.contains(version, prereleases=True)
    # Another version may well work; it has not been tested.
    return Finding("packages", wanted.name, "ok" if fits else "limited", version + _range(wanted.specifier, fits=fits))


def _sources(root: Path) -> Iterator[Finding]:
    try:
        sources = _sources_of(root)
    except BertspecError as wrong:
        yield Finding("sources", "settings", "broken", str(wrong))
        return
    if sources.mirror is None:
        yield Finding("sources", "mirror", "limited", "no mirror: BERTSPEC_MIRROR is not set")
    else:
        yield _mirror(sources.mirror)
    yield _hub(sources)
    if sources.pins.file is not None:
        names = len(sources.pins.encoders) + len(sources.pins.data)
        yield Finding("sources", "lock", "ok", f"{sources.pins.file} pins {counted(names, 'name')}")


def _mirror(folder: Path) -> Finding:
    try:
        ids = sorted(
            f"{owner.name}/{each.name}" for owner in folder.iterdir() if owner.is_dir() for each in owner.iterdir()
        )
    except OSError as refusal:
        return Finding("sources", "mirror", "limited", f"{folder} cannot be read: {refusal.strerror}")
    more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
    content = f"{folder} holds {', '.join(ids[:_NAMED]) or 'nothing'}{more}"
    return Finding("sources", "mirror", "ok" if ids else "limited", content)


def _hub(sources: Sources) -> Finding:
    if sources.endpoint is None:
        return Finding("sources", "hub", "limited", "not used: HF_HUB_OFFLINE is set")
    if not sources.hub_answers():
        return Finding("sources", "hub", "limited", f"{sources.address} does not answer within 2 s")
    from huggingface_hub import get_token

    return Finding("sources", "hub", "ok", f"{sources.address} answers; {'a' if get_token() else 'no'} token is set")


def _wandb() -> Finding:
    from bertspec.tracking import connection

    known = connection()
    return Finding("tracking", "W&B", "ok" if known.mode == "online" else "limited", f"{known.mode}: {known.reason}")


def _store(store: Store) -> Iterator[Finding]:
    above = next(folder for folder in (store.root, *store.root.parents) if folder.exists())
    problem = _unwritable(above)
    if problem is not None:
        yield Finding("store", "folder", "broken", f"{store.root} cannot be written: {problem}")
        return
    free = shutil.disk_usage(above).free
    short = "" if free >= _LEAST_FREE_BYTES else ": too little"
    yield Finding("store", "folder", "broken" if short else "ok", f"{store.root}, {free / 2**30:.1f} GiB free{short}")
    try:
        whole = sum(1 for _ in store.runs())  # reading a damaged run sets it aside
    except BertspecError as refusal:
        yield Finding("store", "runs", "broken", str(refusal))
        return
    yield Finding("store", "runs", "ok", f"{whole} finished")
    aside = sorted(store.root.glob("damaged-*"))
    if aside:
        detail = f"{counted(len(aside), 'run')} set aside in {store.root}/damaged-*; trained again when needed"
        yield Finding("store", "damaged", "limited", detail)


def _unwritable(folder: Path) -> str | None:
    """Why no file can be written; by trying, because permissions do not show a read-only disk."""
    if not folder.is_dir():
        return f"{folder} is not a folder"
    try:
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as refusal:
        return refusal.strerror or str(refusal)


def _scenarios(root: Path, broken: list[str]) -> Iterator[Finding]:
    """Whether the scenarios of each tag run, and how."""
    from bertspec.capabilities import lacks_gpu, lacks_minilm, lacks_remote

    if broken:
        yield from (_tag(name, f"broken: {', '.join(broken)}") for name in TAGS)
        return
    sources = _sources_of(root)
    remote = lacks_remote(sources, download=True)
    reasons = {"minilm": lacks_minilm(sources), "mirror": remote, "hub": remote, "gpu": lacks_gpu()}
    remotely = "" if sources.mirror else "with --download"
    ways = {"mirror": remotely, "hub": remotely, "performance": "without -n", "full": "with -m full; it takes hours"}
    yield from (_tag(name, reasons.get(name), ways.get(name, "")) for name in TAGS)


def _tag(name: str, reason: str | None, how: str = "") -> Finding:
    runs = f"runs {how}".strip()
    return Finding("scenarios", f"@{name}", "limited" if reason else "ok", f"not run: {reason}" if reason else runs)


def _sources_of(root: Path) -> Sources:
    from bertspec.sources import Sources

    return Sources.from_environment(root)


def _contains(wanted: str, version: str) -> bool:
    from packaging.specifiers import SpecifierSet

    return SpecifierSet(wanted).contains(version, prereleases=True)


def _range(wanted: object, *, fits: bool) -> str:
    return "" if fits or wanted is None else f", outside of the tested range: {wanted}"
