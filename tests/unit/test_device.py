from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from typing import Literal

import pytest
import torch

from bertspec import cpus, device
from bertspec.config import RecipeConfig
from bertspec.errors import DeviceError

CUBLAS = "CUBLAS_WORKSPACE_CONFIG"


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


@pytest.mark.parametrize(("requested", "expected"), [("1", 1), ("99", 3), ("", 3)])
def test_a_recipe_that_names_no_threads_has_those_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, recipe: RecipeConfig, requested: str, expected: int
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", requested)
    monkeypatch.setattr(cpus, "allowed", lambda: 3)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"num_physical_cores": 4})
    assert device.choose("cpu", recipe.model_copy(update={"threads": None})).threads == expected


def test_a_thread_of_every_core_is_the_default_where_nothing_is_requested(
    monkeypatch: pytest.MonkeyPatch, recipe: RecipeConfig
) -> None:
    monkeypatch.setattr(cpus, "requested_threads", lambda: None)
    monkeypatch.setattr(cpus, "allowed", lambda: 16)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"num_physical_cores": 8})
    assert device.choose("cpu", recipe.model_copy(update={"threads": None})).threads == 8


def fp32_settings() -> dict[str, str]:
    backends = torch.backends
    parts = {"all": backends, "cuda": backends.cuda.matmul, "mkldnn": backends.mkldnn.matmul}
    return {name: part.fp32_precision for name, part in parts.items()}


def everywhere(precision: str) -> None:
    torch.backends.fp32_precision = precision


@pytest.mark.parametrize(
    ("leak", "value"),
    [
        (torch.set_float32_matmul_precision, "medium"),
        (torch.set_float32_matmul_precision, "high"),
        (everywhere, "tf32"),
    ],
    ids=["medium", "high", "everywhere"],
)
def test_fp32_is_fp32_whatever_another_library_has_set(leak: Callable[[str], None], value: str) -> None:
    leak(value)
    before = fp32_settings()
    try:
        with device.Device("cpu", "fp32", 1).session(1):
            assert set(fp32_settings().values()) == {"ieee"}
        assert fp32_settings() == before
    finally:
        torch.set_float32_matmul_precision("highest")
        everywhere("none")


def test_a_setting_that_was_inherited_is_inherited_after_a_session() -> None:
    with device.Device("cpu", "fp32", 1).session(1):
        pass
    everywhere("tf32")
    try:
        assert torch.backends.mkldnn.conv.fp32_precision == "tf32"
    finally:
        everywhere("none")


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_an_autocast_around_a_session_changes_nothing(precision: Literal["fp32", "bf16"]) -> None:
    """Torch would keep the bf16 weights of the first step until the outer autocast ends."""
    chosen, layer, states = device.Device("cpu", precision, 1), torch.nn.Linear(4, 4), torch.ones(2, 4)
    with torch.autocast("cpu", torch.bfloat16), chosen.session(1):
        assert (states @ states.T).dtype == torch.float32
        with chosen.autocast():
            layer(states)
        with torch.no_grad():
            layer.weight.zero_()
            layer.bias.zero_()
        with chosen.autocast():
            after = layer(states)
    assert after.dtype == {"fp32": torch.float32, "bf16": torch.bfloat16}[precision]
    assert not after.any()


def test_a_session_restores_the_default_type_and_a_warning_of_kernels() -> None:
    torch.set_default_dtype(torch.float64)
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        with device.Device("cpu", "fp32", 1).session(1):
            assert torch.get_default_dtype() == torch.float32
            assert torch.get_deterministic_debug_mode() == 2
        assert torch.get_default_dtype() == torch.float64
        assert torch.is_deterministic_algorithms_warn_only_enabled()
    finally:
        torch.set_default_dtype(torch.float32)
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize(
    "text",
    [
        "CUDA out of memory. Tried to allocate 2.00 GiB.",
        "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED",
        "HIP out of memory. Tried to allocate 2.00 GiB.",
        "Triton Error [CUDA]: out of memory",
        "[enforce fail at alloc_cpu.cpp:124] err == 0. DefaultCPUAllocator: can't allocate memory: you tried",
        "DefaultCPUAllocator: not enough memory: you tried to allocate 4 bytes.",
        "could not create a memory object",
        "std::bad_alloc",
    ],
)
def test_every_library_s_words_for_too_little_memory_are_known(text: str) -> None:
    assert device.Device("cuda", "fp32", 1).is_out_of_memory(RuntimeError(text))
    assert not device.Device("cuda", "fp32", 1).is_out_of_memory(ValueError(text))


@pytest.mark.parametrize("error", [MemoryError(), torch.OutOfMemoryError()], ids=repr)
def test_an_error_without_words_is_known_by_its_type(error: Exception) -> None:
    assert device.Device("cpu", "fp32", 1).is_out_of_memory(error)


@pytest.mark.parametrize("text", ["CUDA error: device-side assert triggered", "shapes cannot be multiplied"])
def test_other_errors_are_no_lack_of_memory(text: str) -> None:
    assert not device.Device("cuda", "fp32", 1).is_out_of_memory(RuntimeError(text))


def test_a_failure_of_the_device_is_told_from_one_of_the_program() -> None:
    gpu, cpu = device.Device("cuda", "fp32", 1), device.Device("cpu", "fp32", 1)
    assert gpu.has_failed(RuntimeError("CUDA error: unspecified launch failure"))
    assert gpu.has_failed(RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED"))
    assert gpu.has_failed(torch.AcceleratorError())
    assert not gpu.has_failed(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))
    assert not cpu.has_failed(RuntimeError("CUDA error: unspecified launch failure"))


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CUDA device that answers questions, and computes nothing."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: False)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: (9, 0))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA H100 80GB HBM3")
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91002)
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setenv(CUBLAS, "")
    monkeypatch.delenv(CUBLAS)


@pytest.mark.usefixtures("gpu")
def test_cublas_is_made_repeatable_before_it_starts(recipe: RecipeConfig) -> None:
    assert device.choose("auto", recipe).kind == "cuda"
    assert os.environ[CUBLAS] == ":4096:8"


@pytest.mark.usefixtures("gpu")
def test_a_value_of_the_user_s_own_is_kept(recipe: RecipeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CUBLAS, ":16:8")
    device.choose("cuda", recipe)
    assert os.environ[CUBLAS] == ":16:8"


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("value", [None, ":4096:2"])
def test_deterministic_kernels_that_cublas_cannot_give_are_refused_before_training(
    recipe: RecipeConfig, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    if value is not None:
        monkeypatch.setenv(CUBLAS, value)
    device.choose("cuda", recipe)
    torch.use_deterministic_algorithms(True)
    try:
        with pytest.raises(DeviceError, match=f"allowed: {CUBLAS}=:4096:8 or {CUBLAS}=:16:8, set before Python"):
            device.choose("cuda", recipe)
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("gpu")
def test_a_gpu_whose_driver_does_not_work_is_refused(recipe: RecipeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError("The NVIDIA driver on your system is too old (found version 11040).\nPlease update it.")

    monkeypatch.setattr(torch.cuda, "get_device_capability", fail)
    with pytest.raises(DeviceError, match=r"the CUDA device cannot be used: The NVIDIA driver .* 11040\)\.; allowed"):
        device.choose("auto", recipe)


@pytest.mark.usefixtures("gpu")
def test_the_environment_of_a_gpu_names_it_and_its_libraries(recipe: RecipeConfig) -> None:
    environment = device.choose("cuda", recipe).environment()
    assert environment.device_name == "NVIDIA H100 80GB HBM3"
    assert (environment.versions["cuda"], environment.versions["cudnn"]) == ("13.0", "91002")
