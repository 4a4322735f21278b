from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from bertspec import capabilities, cli, cpus, device
from bertspec.cli.commands import doctor
from bertspec.cli.commands.doctor import Finding
from bertspec.pytest_plugin.capabilities import CAPABILITIES
from bertspec.sources import Sources
from bertspec.store import Store

from .conftest import NEW


def look(folder: Path, group: str | None = None) -> dict[str, Finding]:
    findings = doctor.examine(Store(folder / ".bertspec"), folder)
    return {finding.subject: finding for finding in findings if group in (None, finding.group)}


@pytest.fixture
def declared(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The metadata of bertspec's package."""
    facts: dict[str, Any] = {"requires_python": ">=3.11", "requires_dist": ["numpy>=1"]}
    monkeypatch.setattr(doctor, "_declared", lambda: facts)
    return facts


@pytest.mark.usefixtures("folder")
def test_the_main_job_runs_where_nothing_is_broken(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor"]) == 0
    assert capsys.readouterr().out.endswith("bertspec can run here.\n")


@pytest.mark.usefixtures("folder")
def test_the_answer_for_machines_has_the_documented_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--json"]) == 0
    output = json.loads(capsys.readouterr().out)
    assert (set(output), output["main_job"]) == ({"main_job", "findings"}, True)
    for finding in output["findings"]:
        assert set(finding) == {"group", "subject", "state", "detail"}
        assert finding["group"] in doctor.EPILOG


def test_every_tag_that_asks_for_something_is_answered(folder: Path) -> None:
    output = look(folder, "scenarios")
    assert set(output) == {f"@{name}" for name in ("bundled", *CAPABILITIES)}
    assert output["@bundled"].detail == "runs"


def test_a_store_that_cannot_be_written_is_a_no(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "file").write_text("", "utf-8")
    assert cli.main(["doctor", "--store", str(folder / "file")]) == 1
    output = capsys.readouterr().out
    assert f"{folder}/file cannot be written: {folder}/file is not a folder" in output
    assert "@bundled" in output
    assert output.endswith("bertspec cannot run here: folder.\n")


def test_a_misspelt_mirror_is_a_no(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BERTSPEC_MIRROR", "/nowhere/to/be/found")
    output = look(folder)
    assert output["settings"].state == "broken"
    assert output["@bundled"].detail == "not run: broken: settings"


def test_a_mirror_is_told_with_what_it_holds(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(14):
        (folder / "mirror" / "owner" / f"data-{number:02}").mkdir(parents=True)
    monkeypatch.setenv("BERTSPEC_MIRROR", str(folder / "mirror"))
    output = look(folder)
    assert output["mirror"].detail.startswith(f"{folder}/mirror holds owner/data-00, ")
    assert output["mirror"].detail.endswith("owner/data-11 and 2 more")
    assert output["@mirror"].state == output["@hub"].state == "ok"


def test_an_empty_mirror_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BERTSPEC_MIRROR", str(folder))
    assert look(folder, "sources")["mirror"] == Finding("sources", "mirror", "limited", f"{folder} holds nothing")


def test_a_hub_that_answers_lets_its_scenarios_run_with_download(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "planted-token")
    monkeypatch.setattr(Sources, "from_environment", lambda _: Sources(None, "https://me:planted@hub.example"))
    monkeypatch.setattr(Sources, "hub_answers", lambda _: True)
    output = look(folder)
    assert output["hub"].detail == "https://hub.example answers; a token is set"
    assert output["@hub"].detail == "runs with --download"
    assert not any("planted" in finding.detail for finding in output.values())


def test_a_hub_that_is_silent_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sources, "from_environment", lambda _: Sources(None, "https://hub.example"))
    monkeypatch.setattr(Sources, "hub_answers", lambda _: False)
    assert look(folder, "sources")["hub"].detail == "https://hub.example does not answer within 2 s"


@pytest.mark.parametrize(
    ("requirement", "state", "detail"),
    [
        ("numpy>=1", "ok", metadata.version("numpy")),
        ("numpy<1", "limited", f"{metadata.version('numpy')}, outside of the tested range: <1"),
        ("no-such-package>=1", "broken", "not installed; needed: >=1"),
        ('no-such-package>=1; extra == "minilm"', "limited", "not installed; needed: >=1"),
    ],
)
def test_a_package_is_compared_with_the_declared_range(
    folder: Path, declared: dict[str, Any], requirement: str, state: str, detail: str
) -> None:
    declared["requires_dist"] = [requirement]
    (finding,) = look(folder, "packages").values()
    assert (finding.state, finding.detail) == (state, detail)


def test_a_package_for_other_machines_is_not_looked_for(folder: Path, declared: dict[str, Any]) -> None:
    declared["requires_dist"] = ['no-such-package>=1; python_version < "3"']
    assert look(folder, "packages") == {}


def test_a_python_that_is_too_old_is_a_no(folder: Path, declared: dict[str, Any]) -> None:
    declared["requires_python"] = ">=99"
    assert look(folder, "machine")["python"].state == "broken"


def test_the_ranges_are_those_of_the_installed_package() -> None:
    assert doctor._declared()["name"] == "bertspec"


def test_damaged_runs_are_set_aside_and_told(folder: Path, kept: Store) -> None:
    (kept.folder(NEW) / "arrays.npz").write_bytes(b"")
    output = look(folder, "store")
    assert output["runs"].detail == "1 finished"
    assert output["damaged"].detail.startswith(f"1 run set aside in {kept.root}/damaged-*")


def test_a_full_disk_is_a_no(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "_LEAST_FREE_BYTES", 1 << 80)
    assert look(folder, "store")["folder"].state == "broken"


def test_a_gpu_is_told_by_its_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    class Card:
        total_memory = 80 << 30

    monkeypatch.setattr(capabilities, "lacks_gpu", lambda: None)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "a card")
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: Card)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    assert look(folder, "machine")["gpu"].detail == "a card, 80 GiB, bf16"


def test_a_gpu_whose_driver_does_not_work_is_told_with_the_reason(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    def fail(*_: object) -> None:
        raise RuntimeError("The NVIDIA driver on your system is too old.\nPlease update it.")

    monkeypatch.setattr(capabilities, "lacks_gpu", lambda: None)
    monkeypatch.setattr(torch.cuda, "get_device_properties", fail)
    gpu = look(folder, "machine")["gpu"]
    assert (gpu.state, gpu.detail) == ("broken", "cannot be used: The NVIDIA driver on your system is too old.")


def test_a_number_of_threads_that_the_environment_asks_for_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpus, "allowed", lambda: 4)
    monkeypatch.setattr(cpus, "requested_threads", lambda: 1)
    monkeypatch.setattr(device, "cores", lambda: 4)
    assert look(folder, "machine")["cpu"].detail.startswith("4 cores, 1 thread by default, ")
