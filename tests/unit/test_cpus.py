from __future__ import annotations

import os
from pathlib import Path

import pytest

from bertspec import cpus

V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
V1 = "30 23 0:26 {shown} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"


@pytest.fixture(autouse=True)
def many_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    for name in ("OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)


def machine(root: Path, *, mounts: str, groups: str, **limits: str) -> Path:
    """A folder with what Linux says about cgroups; a limit's name is its path."""
    files = {"proc/self/mountinfo": mounts, "proc/self/cgroup": groups, **limits}
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    return root


def v2(root: Path, own: str, limits: dict[str, str]) -> int:
    files = {f"sys/fs/cgroup/{path}cpu.max": limit for path, limit in limits.items()}
    return cpus.allowed(machine(root, mounts=V2, groups=f"0::{own}\n", **files))


def v1(root: Path, *, shown: str, own: str, quota: str, period: str = "100000\n") -> int:
    folder = "sys/fs/cgroup/cpu,cpuacct"
    files = {f"{folder}/cpu.cfs_quota_us": quota, f"{folder}/cpu.cfs_period_us": period}
    groups = f"5:cpu,cpuacct:{own}\n1:name=systemd:{own}\n"
    return cpus.allowed(machine(root, mounts=V1.format(shown=shown), groups=groups, **files))


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("200000 100000\n", 2),
        ("150000 100000\n", 1),
        ("50000 100000\n", 1),
        ("6400000 100000\n", 8),
        ("max 100000\n", 8),
        ("", 8),
        ("nonsense\n", 8),
        ("100000 0\n", 8),
    ],
)
def test_a_quota_of_version_2_is_counted_in_whole_cpus(tmp_path: Path, limit: str, expected: int) -> None:
    assert v2(tmp_path, "/", {"": limit}) == expected


def test_the_smallest_quota_on_the_way_up_counts(tmp_path: Path) -> None:
    limits = {"a/b/": "max 100000", "a/": "300000 100000", "other/": "100000 100000"}
    assert v2(tmp_path, "/a/b", limits) == 3


@pytest.mark.parametrize("own", ["/docker/abc", "/../../docker/abc"])
def test_a_container_that_sees_the_host_s_path_reads_what_is_mounted(tmp_path: Path, own: str) -> None:
    assert v2(tmp_path, own, {"": "400000 100000"}) == 4


@pytest.mark.parametrize(("quota", "expected"), [("300000\n", 3), ("-1\n", 8), ("", 8)])
def test_a_quota_of_version_1_counts(tmp_path: Path, quota: str, expected: int) -> None:
    assert v1(tmp_path, shown="/", own="/", quota=quota) == expected


@pytest.mark.parametrize("shown", ["/docker/abc", "/"])
def test_a_quota_of_version_1_counts_where_the_mount_shows_the_container_alone(tmp_path: Path, shown: str) -> None:
    assert v1(tmp_path, shown=shown, own="/docker/abc", quota="200000\n") == 2


@pytest.mark.parametrize("text", ["", "25 23 0:22 / /proc rw - proc proc rw\n"])
def test_a_machine_without_cgroups_has_its_affinity(tmp_path: Path, text: str) -> None:
    assert cpus.allowed(tmp_path) == 8
    assert cpus.allowed(machine(tmp_path, mounts=text, groups="")) == 8


def test_affinity_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3, 5})
    assert cpus.allowed(tmp_path) == 2


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"OMP_NUM_THREADS": "3"}, 3),
        ({"OMP_NUM_THREADS": " 4,2"}, 4),
        ({"MKL_NUM_THREADS": "2"}, 2),
        ({"OMP_NUM_THREADS": "6", "OMP_THREAD_LIMIT": "5"}, 5),
        ({"OMP_NUM_THREADS": "0"}, None),
        ({"OMP_NUM_THREADS": "-1"}, None),
        ({"OMP_NUM_THREADS": "many", "MKL_NUM_THREADS": ""}, None),
    ],
    ids=str,
)
def test_the_environment_asks_for_threads_as_it_asks_openmp(
    environment: dict[str, str], expected: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, number in environment.items():
        monkeypatch.setenv(name, number)
    assert cpus.requested_threads() == expected
