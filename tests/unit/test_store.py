from __future__ import annotations

import json
import logging
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from bertspec.errors import StoreError
from bertspec.result import Curve, Environment, Origin, Outcomes, Provenance, RunFacts, RunResult, Timings
from bertspec.spec import StudySpec
from bertspec.store import Store, StoredRun

NAME = "f" * 64


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def run(study_spec: StudySpec) -> StoredRun:
    origin = Origin(name="x", place="installed", sha256="0" * 64)
    facts = RunFacts(
        seed=1,
        scores={"accuracy": 0.75},
        steps=2,
        train_examples=8,
        train_tokens=80,
        evaluation_examples=2,
        timings=Timings(prepare_s=1, train_s=2, evaluate_s=3),
        peak_memory_bytes=10,
        environment=Environment(
            device="cpu", device_name="x", precision="fp32", threads=1, python="3.11", versions={"torch": "2"}
        ),
        provenance=Provenance(encoder=origin, tokenizer=origin, data=origin),
        finished="2026-01-01T00:00:00+00:00",
    )
    outcomes = Outcomes(np.array([[0.5, 1.5], [2.5, 0.1]], dtype=np.float32), np.array([1.0, 0.0]))
    result = RunResult(facts, outcomes, Curve(np.array([0.7, 0.6]), np.array([1e-3, 0.0])))
    return StoredRun(NAME, study_spec.runs()[0], result)


def folder(store: Store) -> Path:
    return store.root / "runs" / NAME


def test_a_run_comes_back_as_it_was_kept(store: Store, run: StoredRun) -> None:
    store.put(run)
    kept = store.get(NAME)
    assert kept is not None
    assert (kept.spec, kept.result.facts) == (run.spec, run.result.facts)
    assert np.array_equal(kept.result.outcomes.outputs, run.result.outcomes.outputs)
    assert np.array_equal(kept.result.curve.loss, run.result.curve.loss)


def test_what_was_never_run_is_not_there(store: Store) -> None:
    assert store.get(NAME) is None
    assert store.count() == 0
    assert list(store.runs()) == []


def test_a_run_may_be_replaced(store: Store, run: StoredRun) -> None:
    store.put(run)
    store.put(run)
    assert store.count() == 1
    assert [each.fingerprint for each in store.runs()] == [NAME]
    assert [path.name for path in (store.root / "runs").iterdir()] == [NAME]


@pytest.mark.parametrize("file", ["run.json", "arrays.npz"])
@pytest.mark.parametrize("damage", ["truncate", "flip", "remove", "empty"])
def test_a_damaged_run_is_set_aside_and_never_used(
    store: Store, run: StoredRun, file: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    store.put(run)
    path = folder(store) / file
    content = bytearray(path.read_bytes())
    if damage == "remove":
        path.unlink()
    elif damage == "flip":
        content[len(content) // 2] = ord("}") if file == "run.json" else content[len(content) // 2] ^ 1
        path.write_bytes(content)
    else:
        path.write_bytes(content[: len(content) // 2 * (damage == "truncate")])
    with caplog.at_level(logging.WARNING):
        assert store.get(NAME) is None
    assert "is damaged" in caplog.text
    assert not folder(store).exists()
    assert list(store.root.glob(f"damaged-*/{NAME}"))
    store.put(run)
    assert store.get(NAME) is not None


@pytest.mark.parametrize(
    ("field", "value"), [("fingerprint", "e" * 64), ("layout", 0), ("facts", {"seed": 1}), ("spec", {})]
)
def test_a_record_that_does_not_validate_is_not_used(store: Store, run: StoredRun, field: str, value: object) -> None:
    store.put(run)
    path = folder(store) / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    assert store.get(NAME) is None


def test_a_run_that_was_killed_while_written_leaves_no_run(store: Store, run: StoredRun) -> None:
    store.put(run)
    folder(store).rename(folder(store).with_name(".draft-x"))
    assert (store.get(NAME), store.count()) == (None, 0)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path, run: StoredRun) -> None:
    (tmp_path / "file").write_text("in the way")
    blocked = Store(tmp_path / "file")
    with pytest.raises(StoreError, match="cannot be stored.*BERTSPEC_STORE"):
        blocked.put(run)
    with pytest.raises(StoreError, match="the store cannot be written"), blocked.lock(NAME):
        pass


def test_the_lock_of_a_killed_process_is_free(store: Store, tmp_path: Path) -> None:
    script = tmp_path / "hold.py"
    script.write_text(
        "import sys, time\nfrom pathlib import Path\nfrom bertspec.store import Store\n"
        f"with Store(Path({str(store.root)!r})).lock({NAME!r}):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == "held"
        holder.kill()
        holder.wait()
    began = time.monotonic()
    with store.lock(NAME):
        assert time.monotonic() - began < 5
