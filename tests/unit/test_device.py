from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from bertspec import device
from bertspec.config import RecipeConfig
from bertspec.errors import DeviceError


@pytest.fixture
def without_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)


@pytest.mark.usefixtures("without_cuda")
def test_cuda_that_is_not_there_is_refused(recipe: RecipeConfig) -> None:
    with pytest.raises(DeviceError, match="this machine has no CUDA device; given: 'cuda'; allowed: cpu, auto"):
        device.choose("cuda", recipe)


@pytest.mark.usefixtures("without_cuda")
@pytest.mark.parametrize(
    ("able", "precision", "expected"),
    [(True, "auto", "bf16"), (True, "fp32", "fp32"), (True, "bf16", "bf16"), (False, "auto", "fp32")],
)
def test_bf16_is_used_where_the_hardware_has_it(
    monkeypatch: pytest.MonkeyPatch, recipe: RecipeConfig, able: bool, precision: str, expected: str
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": able, "num_physical_cores": 4})
    chosen = device.choose("auto", recipe.model_copy(update={"precision": precision}))
    assert (chosen.kind, chosen.precision) == ("cpu", expected)


@pytest.mark.usefixtures("without_cuda")
def test_bf16_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch, recipe: RecipeConfig) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    with pytest.raises(DeviceError, match="no bf16 arithmetic"):
        device.choose("cpu", recipe.model_copy(update={"precision": "bf16"}))


def test_a_recipe_may_name_its_threads(recipe: RecipeConfig) -> None:
    assert device.choose("cpu", recipe.model_copy(update={"threads": 3})).threads == 3
    assert device.choose("cpu", recipe.model_copy(update={"threads": None})).threads >= 1


def test_a_session_is_seeded_and_leaves_nothing_behind(recipe: RecipeConfig) -> None:
    chosen = device.choose("cpu", recipe.model_copy(update={"threads": 1}))
    before = (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.random.get_rng_state())
    draws = []
    for _ in range(2):
        with chosen.session(seed=7):
            assert torch.get_num_threads() == 1
            assert torch.are_deterministic_algorithms_enabled()
            draws.append(torch.rand(3))
    assert torch.equal(*draws)
    assert (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before[:2]
    assert torch.equal(torch.random.get_rng_state(), before[2])


def test_the_environment_names_what_could_change_a_number(recipe: RecipeConfig) -> None:
    environment = device.choose("cpu", recipe).environment()
    assert environment.versions["torch"] == torch.__version__
    assert environment.threads == 1


def test_the_peak_is_of_this_process_and_not_of_the_one_that_started_it(recipe: RecipeConfig) -> None:
    grown = bytearray(b"1") * 700_000_000  # more than torch and this test take
    code = "from bertspec import device\nprint(device.Device('cpu', 'fp32', 1).peak_memory_bytes())\n"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(child.stdout) < 700_000_000 < device.choose("cpu", recipe).peak_memory_bytes()
    del grown


def test_memory_has_a_peak(recipe: RecipeConfig) -> None:
    assert device.choose("cpu", recipe).peak_memory_bytes() > 1e6
