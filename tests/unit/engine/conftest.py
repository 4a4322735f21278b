from __future__ import annotations

from typing import Any, Protocol

import pytest

from bertspec import device, engine
from bertspec.engine import Material
from bertspec.result import RunObserver, RunResult
from bertspec.sources import checkpoints, tables
from bertspec.sources.places import Places
from bertspec.spec import RunSpec, StudySpec
from bertspec.tracking import SilentTracker


class Ran(Protocol):
    """Train one run on the CPU."""

    def __call__(self, spec: RunSpec, observer: RunObserver | None = None, **options: Any) -> RunResult: ...


@pytest.fixture
def spec(study_spec: StudySpec) -> RunSpec:
    return study_spec.runs()[0]


@pytest.fixture
def ran(nowhere: Places) -> Ran:
    def once(spec: RunSpec, observer: RunObserver | None = None, **options: Any) -> RunResult:
        material = Material(checkpoints.find(spec.encoder, nowhere), tables.load(spec.task, nowhere))
        heard = observer or SilentTracker().observe(spec, fingerprint="")
        return engine.run(spec, material, heard, device=device.choose("cpu", spec.recipe), **options)

    return once
