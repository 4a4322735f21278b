"""How fast the engine is here and now: figures to compare by, not bounds."""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from bertspec import device, engine, study
from bertspec.catalog import Catalog
from bertspec.sources import Sources
from bertspec.study import Session
from bertspec.tracking import SilentTracker


@pytest.fixture
def catalog(session: Session) -> Catalog:
    return session.catalog


@pytest.mark.parametrize("name", ["bert-tiny", "distilbert-tiny", "bert-mini"])
def test_a_short_training(name: str, catalog: Catalog, nowhere: Sources, benchmark: BenchmarkFixture) -> None:
    encoder, task = catalog.encoder(name), catalog.task("bundled/sentiment")
    plan = catalog.plan(encoder=encoder, task=task, seeds=(1,), steps=60)
    inputs, chosen = study.gather(plan, nowhere), device.choose("cpu", plan.recipe)
    config = plan.runs()[0]
    observer = SilentTracker().observe(config, fingerprint="")
    results = []

    def once() -> None:
        results.append(engine.run(config, inputs, observer, device=chosen).facts)

    benchmark.pedantic(once, rounds=3, warmup_rounds=1)
    timings = [facts.timings for facts in results[-3:]]
    benchmark.extra_info["train_examples_per_s"] = [60 * 32 / t.train_s for t in timings]
    benchmark.extra_info["evaluate_examples_per_s"] = [1000 / t.evaluate_s for t in timings]
    assert all(facts.train_examples == 60 * 32 for facts in results)
