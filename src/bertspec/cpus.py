"""The CPUs that this process may use, and the threads that its environment asks for."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

__all__ = ["allowed", "requested_threads"]

_THREADS = ("OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "MKL_NUM_THREADS")


def allowed(root: Path = Path("/")) -> int:
    """Count the CPUs that the affinity of this process and the quotas of its cgroups allow, at least 1.

    A quota of 1.5 CPUs allows one: a second thread would be stopped half of the time, and the first waits for it.

    Args:
        root: the folder that holds ``proc`` and ``sys``.
    """
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([affinity, *(int(quota) for quota in _quotas(root))]))


def requested_threads() -> int | None:
    """Return the smallest number of threads that a variable of OpenMP or MKL asks for; None if none does.

    As in OpenMP, the first number of a list counts, and what is no number above 0 is ignored.
    """
    requested = [os.environ.get(name, "").split(",")[0].strip() for name in _THREADS]
    return min((int(number) for number in requested if number.isdecimal() and int(number) > 0), default=None)


def _quotas(root: Path) -> Iterator[float]:
    """Yield the quotas, in CPUs, of the cgroups that this process is in: each limits those below it."""
    own = {}
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        own.update(dict.fromkeys(controllers.split(","), PurePosixPath(path)))
    for controller, shown, mount in _mounts(root):
        if controller not in own:
            continue
        # A container may see its own cgroup at the mount, and the host's path to it in proc.
        visible = own[controller].is_relative_to(shown) and ".." not in own[controller].parts
        folder = own[controller].relative_to(shown) if visible else PurePosixPath()
        limits = (_quota(mount / each) for each in (folder, *folder.parents))
        yield from (limit for limit in limits if limit is not None)


def _mounts(root: Path) -> Iterator[tuple[str, str, Path]]:
    """Yield the hierarchies that may limit CPUs: their controller ('' in version 2), the cgroup shown and its mount."""
    for line in _lines(root / "proc/self/mountinfo"):
        mount, _, system = line.partition(" - ")
        kind, _, options = [*system.split(), "", "", ""][:3]
        if kind == "cgroup2" or (kind == "cgroup" and "cpu" in options.split(",")):
            shown, at = mount.split()[3:5]
            yield "" if kind == "cgroup2" else "cpu", shown, root / at.lstrip("/")


def _quota(folder: Path) -> float | None:
    """Read the limit of one cgroup, in CPUs; None if it has none."""
    files = [folder / "cpu.max"], [folder / "cpu.cfs_quota_us", folder / "cpu.cfs_period_us"]
    for version in files:
        words = " ".join(line for file in version for line in _lines(file)).split()
        if len(words) == 2 and all(word.isdecimal() for word in words) and int(words[1]):  # not "max", not -1
            return int(words[0]) / int(words[1])
    return None


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text("utf-8", errors="replace").splitlines()
    except OSError:
        return []
