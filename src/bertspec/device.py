"""The device of a run: precision, threads, seeding, synchronised clocks, memory peaks."""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from bertspec.config import RecipeConfig
from bertspec.errors import DeviceError
from bertspec.results import Environment

__all__ = ["Device", "choose", "computes_bf16", "cores"]


_OUT_OF_MEMORY = (
    "can't allocate memory",
    "could not create a primitive",
    "could not create a memory object",
    "bad_alloc",
)
"""On a CPU torch and oneDNN raise plain RuntimeErrors: only their text says that memory ran out."""


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

    def autocast(self) -> AbstractContextManager[object]:
        """Compute in ``precision`` inside this context."""
        return torch.autocast(self.kind, dtype=torch.bfloat16, enabled=self.precision == "bf16")

    @contextmanager
    def session(self, seed: int) -> Iterator[None]:
        """Seed torch, set its threads and, on a CPU, require deterministic kernels; all is restored at the end."""
        threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
        memory: Any = torch.utils.deterministic  # the library has no types here
        filling = memory.fill_uninitialized_memory
        devices = [torch.cuda.current_device()] if self.kind == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            torch.set_num_threads(self.threads)
            torch.use_deterministic_algorithms(self.kind == "cpu" or strict)
            # Filling every new tensor costs 8 % of a step, and only makes reads of uninitialized memory repeatable.
            memory.fill_uninitialized_memory = False
            try:
                yield
            finally:
                torch.set_num_threads(threads)
                torch.use_deterministic_algorithms(strict)
                memory.fill_uninitialized_memory = filling

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
        return isinstance(error, RuntimeError) and any(words in str(error) for words in _OUT_OF_MEMORY)

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
        return Environment(
            device=self.kind,
            device_name=name,
            precision=self.precision,
            threads=self.threads,
            python=platform.python_version(),
            versions={package: version(package) for package in packages},
        )


def _peak_resident_bytes() -> int:
    """Peak resident memory of this process alone: on Linux, ru_maxrss starts at the parent's value."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text("ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss counts bytes there, KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def choose(kind: Literal["auto", "cpu", "cuda"], recipe: RecipeConfig) -> Device:
    """Choose the device and the precision of a recipe on this machine.

    Raises:
        DeviceError: CUDA is requested and absent, or bf16 is requested and the device lacks it.
    """
    if kind == "cuda" and not torch.cuda.is_available():
        raise DeviceError(
            "this machine has no CUDA device", given="cuda", allowed="cpu, auto", where="the device option"
        )
    chosen: Literal["cpu", "cuda"] = "cuda" if kind != "cpu" and torch.cuda.is_available() else "cpu"
    able = computes_bf16(chosen)
    if recipe.precision == "bf16" and not able:
        raise DeviceError("this device has no bf16 arithmetic", given="bf16", allowed="fp32, auto", where="the recipe")
    precision: Literal["fp32", "bf16"] = "bf16" if able and recipe.precision != "fp32" else "fp32"
    return Device(chosen, precision, recipe.threads or cores())


def computes_bf16(kind: Literal["cpu", "cuda"]) -> bool:
    """Whether a device has bf16 arithmetic in hardware: emulated, it is slower than fp32."""
    if kind == "cuda":
        return torch.cuda.get_device_capability()[0] >= 8
    capabilities = torch.cpu.get_capabilities()
    return bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") or capabilities.get("arm_bf16"))


def cores() -> int:
    """Physical cores that this process may use."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(allowed, int(torch.cpu.get_capabilities().get("num_physical_cores") or allowed)))
