"""The device of a run: precision, threads, seeding, synchronised clocks, memory peaks."""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor

from bertspec import cpus
from bertspec.config import RecipeConfig
from bertspec.errors import DeviceError
from bertspec.printing import brief
from bertspec.records import version_of
from bertspec.results import Environment

__all__ = ["Device", "choose", "computes_bf16", "cores", "default_threads"]

T = TypeVar("T")

_OUT_OF_MEMORY = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "could not create a primitive",
    "could not create a memory object",
    "bad_alloc",
    "_alloc_failed",
    "allocation_failed",
)
"""Parts of messages in lower case: torch, oneDNN and the libraries of CUDA raise plain RuntimeErrors."""

_DEVICE_FAILED = ("CUDA error", "cuDNN error", "CUDA driver", "HIP error")

_CUBLAS = "CUBLAS_WORKSPACE_CONFIG"
_REPEATABLE = (":4096:8", ":16:8")
"""With one of these values of the variable, the products of cuBLAS have the same bits every time."""


@dataclass(frozen=True, slots=True)
class Device:
    """Where a run computes, and how."""

    kind: Literal["cpu", "cuda"]
    precision: Literal["fp32", "bf16"]
    """The compute type of matrix products; weights and optimizer state are fp32 in any case."""
    threads: int
    """CPU threads of the computation."""

    @property
    def torch(self) -> torch.device:
        """The device as torch's type."""
        return torch.device(self.kind)

    def autocast(self) -> AbstractContextManager[None]:
        """Compute in ``precision`` inside this context."""
        return _autocast(self.kind, enabled=self.precision == "bf16")

    @contextmanager
    def session(self, seed: int) -> Iterator[None]:
        """Seed torch, and set what changes numbers in this process; all is restored at the end.

        That is the number of threads, products of fp32 numbers in fp32, the default type, no autocast around the
        session and, on a CPU, deterministic kernels.
        """
        memory: Any = torch.utils.deterministic  # the library has no types here
        devices = [torch.cuda.current_device()] if self.kind == "cuda" else []
        strict = 2 if self.kind == "cpu" else torch.get_deterministic_debug_mode()
        with ExitStack() as restored:
            restored.enter_context(torch.random.fork_rng(devices=devices))
            torch.manual_seed(seed)
            _set(restored, torch.get_num_threads(), torch.set_num_threads, self.threads)
            _set(restored, torch.get_deterministic_debug_mode(), torch.set_deterministic_debug_mode, strict)
            _set(restored, torch.get_default_dtype(), torch.set_default_dtype, torch.float32)
            # Filling every new tensor costs 8 % of a step, and only makes reads of uninitialized memory repeatable.
            fill = partial(setattr, memory, "fill_uninitialized_memory")
            _set(restored, memory.fill_uninitialized_memory, fill, False)
            restored.enter_context(_exact_fp32())
            restored.enter_context(_autocast(self.kind, enabled=False))
            yield

    def random_state(self) -> dict[str, Tensor]:
        """The state of the torch generators that a run draws from."""
        state = {"cpu": torch.get_rng_state()}
        return {**state, "cuda": torch.cuda.get_rng_state()} if self.kind == "cuda" else state

    def restore_random_state(self, state: dict[str, Tensor]) -> None:
        """Restore the generators to the state that :meth:`random_state` returned."""
        torch.set_rng_state(state["cpu"])
        if self.kind == "cuda":
            torch.cuda.set_rng_state(state["cuda"])

    def is_out_of_memory(self, error: BaseException) -> bool:
        """Whether an error means that this device is out of memory."""
        if isinstance(error, torch.OutOfMemoryError | MemoryError):
            return True
        return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _OUT_OF_MEMORY)

    def has_failed(self, error: BaseException) -> bool:
        """Whether an error comes from the device and its driver, and not from a program on it."""
        if self.kind == "cpu" or not isinstance(error, RuntimeError):
            return False
        return isinstance(error, torch.AcceleratorError) or any(words in str(error) for words in _DEVICE_FAILED)

    def release_memory(self) -> None:
        """Return the memory that torch has cached."""
        if self.kind == "cuda":
            torch.cuda.empty_cache()

    def clock(self) -> float:
        """Seconds on a monotonic clock, after the device has finished all submitted work."""
        if self.kind == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def peak_memory_bytes(self) -> int:
        """Peak memory: since :meth:`forget_peak` on a GPU, of the whole process on a CPU."""
        return torch.cuda.max_memory_allocated() if self.kind == "cuda" else _peak_resident_bytes()

    def forget_peak(self) -> None:
        """Reset the memory peak, if the device supports that."""
        if self.kind == "cuda":
            torch.cuda.reset_peak_memory_stats()

    def environment(self) -> Environment:
        """Describe the machine and the software, for the result."""
        name = torch.cuda.get_device_name() if self.kind == "cuda" else platform.processor() or platform.machine()
        packages = ("bertspec", "numpy", "tokenizers", "torch", "transformers")
        versions = {package: version_of(package) for package in packages}
        if self.kind == "cuda":
            versions["cuda"] = str(torch.version.cuda or torch.version.hip)
            cudnn: Any = torch.backends.cudnn  # the library has no types here
            versions["cudnn"] = str(cudnn.version())
        return Environment(
            device=self.kind,
            device_name=name,
            precision=self.precision,
            threads=self.threads,
            python=platform.python_version(),
            versions=versions,
        )


def choose(kind: Literal["auto", "cpu", "cuda"], recipe: RecipeConfig) -> Device:
    """Choose the device and the precision of a recipe on this machine.

    Raises:
        DeviceError: CUDA is requested and absent, or cannot be used; or bf16 is requested and the device lacks it.
    """
    if kind == "cuda" and not torch.cuda.is_available():
        raise DeviceError(
            "this machine has no CUDA device", given="cuda", allowed="cpu, auto", where="the device option"
        )
    chosen: Literal["cpu", "cuda"] = "cuda" if kind != "cpu" and torch.cuda.is_available() else "cpu"
    if chosen == "cuda":
        _make_cublas_repeatable()
    able = _computes_bf16_or_refuse(chosen)
    if recipe.precision == "bf16" and not able:
        raise DeviceError("this device has no bf16 arithmetic", given="bf16", allowed="fp32, auto", where="the recipe")
    precision: Literal["fp32", "bf16"] = "bf16" if able and recipe.precision != "fp32" else "fp32"
    return Device(chosen, precision, recipe.threads or default_threads())


def computes_bf16(kind: Literal["cpu", "cuda"]) -> bool:
    """Whether a device has bf16 arithmetic in hardware: emulated, it is slower than fp32."""
    if kind == "cuda":
        return torch.cuda.get_device_capability()[0] >= 8
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") or capabilities.get("arm_bf16"))


def cores() -> int:
    """Physical cores that this process may use: within its affinity and the quotas of its cgroups."""
    allowed = cpus.allowed()
    return max(1, min(allowed, int(torch.cpu.get_capabilities().get("num_physical_cores") or allowed)))


def default_threads() -> int:
    """Threads of a recipe that names none: as many as ``OMP_NUM_THREADS`` asks for, or one per core.

    Never more than the CPUs that this process may use.
    """
    requested = cpus.requested_threads()
    return cores() if requested is None else min(requested, cpus.allowed())


def _make_cublas_repeatable() -> None:
    """Set the variable that cuBLAS reads when it starts; deterministic kernels are refused without it.

    Raises:
        DeviceError: deterministic kernels are required, and it is too late.
    """
    cuda: Any = torch.cuda  # the library has no types here
    if not cuda.is_initialized():
        os.environ.setdefault(_CUBLAS, _REPEATABLE[0])
    value = os.environ.get(_CUBLAS)
    if torch.get_deterministic_debug_mode() == 2 and value not in _REPEATABLE:
        raise DeviceError(
            "deterministic kernels are required, and cuBLAS is not set up for them",
            given=f"{_CUBLAS}={value or ''}",
            allowed=" or ".join(f"{_CUBLAS}={each}" for each in _REPEATABLE) + ", set before Python starts",
            where="the environment",
        )


def _computes_bf16_or_refuse(kind: Literal["cpu", "cuda"]) -> bool:
    try:
        return computes_bf16(kind)
    except RuntimeError as failure:  # the first call that reaches the driver
        raise DeviceError(
            f"the CUDA device cannot be used: {brief(failure)}", allowed="cpu", where="the device option"
        ) from failure


def _set(restored: ExitStack, before: T, setter: Callable[[T], object], value: T) -> None:
    restored.callback(setter, before)
    setter(value)


@contextmanager
def _autocast(kind: str, *, enabled: bool) -> Iterator[None]:
    """Compute in bf16 or not, regardless of an autocast around this one.

    Torch keeps the bf16 copies of weights until the outermost autocast ends: inside one, a training loop would compute
    with the weights of its first step.
    """
    try:
        with torch.autocast(kind, dtype=torch.bfloat16, enabled=enabled):
            yield
    finally:
        torch.clear_autocast_cache()


@contextmanager
def _exact_fp32() -> Iterator[None]:
    """Compute products of fp32 numbers in fp32: no TF32, and no bf16 in oneDNN."""
    backends: Any = torch.backends  # the library has no types here
    parts = (  # those that others inherit from come first
        backends,
        backends.cudnn,
        backends.cuda.matmul,
        backends.cudnn.conv,
        backends.cudnn.rnn,
        backends.mkldnn.matmul,
        backends.mkldnn.conv,
        backends.mkldnn.rnn,
    )
    before = []
    for part in parts:
        before.append(part.fp32_precision)
        part.fp32_precision = "none"  # so that the next one shows its own setting, and not an inherited one
    for part in parts:
        part.fp32_precision = "ieee"
    try:
        yield
    finally:
        for part, precision in zip(parts, before, strict=True):
            part.fp32_precision = precision


def _peak_resident_bytes() -> int:
    """Peak resident memory of this process alone: on Linux, ru_maxrss starts at the parent's value."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text("ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss counts bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
