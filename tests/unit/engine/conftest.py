from __future__ import annotations

from typing import Any, Protocol

import pytest

from bertspec import device, engine
from bertspec.config import RunConfig, StudyConfig
from bertspec.engine import RunInputs
from bertspec.results import RunObserver, RunResult
from bertspec.sources import Sources, pretrained, tables
from bertspec.tracking import SilentTracker


class Ran(Protocol):
    """Train one run on the CPU."""

    def __call__(self, config: RunConfig, observer: RunObserver | None = None, **options: Any) -> RunResult: ...


@pytest.fixture
def config(study_config: StudyConfig) -> RunConfig:
    return study_config.runs()[0]


@pytest.fixture
def ran(nowhere: Sources) -> Ran:
    def once(config: RunConfig, observer: RunObserver | None = None, **options: Any) -> RunResult:
        inputs = RunInputs(pretrained.find(config.encoder, nowhere), tables.load(config.task, nowhere))
        heard = observer or SilentTracker().observe(config, fingerprint="")
        return engine.run(config, inputs, heard, device=device.choose("cpu", config.recipe), **options)

    return once
