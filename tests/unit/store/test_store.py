from __future__ import annotations

import dataclasses
import json
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from filelock import FileLock

import bertspec.store
from bertspec.config import StudyConfig
from bertspec.errors import InvalidConfig, StoreError, UnknownName
from bertspec.files import sha256
from bertspec.heads import Classification
from bertspec.results import Curve, Environment, Origin, Outcomes, Provenance, RunFacts, RunResult, Timings
from bertspec.store import Store, StoredRun

NAME = "f" * 64
LOSS_AND_RATE = np.array([0.7, 0.6]), np.array([1e-3, 0.0])


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def run(study_config: StudyConfig) -> StoredRun:
    origin = Origin(name="x", source="installed", sha256="0" * 64)
    facts = RunFacts(
        seed=1,
        scores={"accuracy": 1.0, "f1": 1.0},
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
    outcomes = Outcomes(
        np.array([[0.5, 1.5], [2.5, 0.1]], dtype=np.float32),
        np.array([1.0, 0.0]),
        Classification(("negative", "positive")),
    )
    result = RunResult(facts, outcomes, Curve(*LOSS_AND_RATE, np.array([1, 2]), np.array([0.5, 0.75])))
    return StoredRun(NAME, study_config.runs()[0], result)


def folder(store: Store) -> Path:
    return store.root / "runs" / NAME


def test_a_run_comes_back_as_it_was_kept(store: Store, run: StoredRun) -> None:
    store.put(run)
    kept = store.get(NAME)
    assert kept is not None
    assert (kept.config, kept.result.facts) == (run.config, run.result.facts)
    assert np.array_equal(kept.result.outcomes.outputs, run.result.outcomes.outputs)
    for part in ("loss", "learning_rate", "evaluated", "score"):
        assert np.array_equal(getattr(kept.result.curve, part), getattr(run.result.curve, part))


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
    ("field", "value"), [("fingerprint", "e" * 64), ("layout", 0), ("facts", {"seed": 1}), ("config", {})]
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


def test_a_replaced_run_survives_a_writer_killed_between_its_renames(store: Store, run: StoredRun) -> None:
    store.put(run)
    folder(store).rename(folder(store).with_name(f".old-{NAME}"))
    assert store.get(NAME) is not None
    assert store.count() == 1


def test_a_killed_writer_s_draft_is_not_a_run_and_goes_with_the_next(store: Store, run: StoredRun) -> None:
    store.put(run)
    folder(store).rename(folder(store).with_name(f".draft-{NAME}"))
    assert store.get(NAME) is None
    assert list(store.runs()) == []
    store.put(run)
    assert [path.name for path in (store.root / "runs").iterdir()] == [NAME]


def test_room_for_the_record_is_held_while_a_run_trains(store: Store, run: StoredRun) -> None:
    with store.lock(NAME):
        held = store.root / "locks" / f"{NAME}.reserve"
        assert held.stat().st_size == 1 << 20
        store.put(run)
        assert not held.exists()


def test_a_disk_without_room_is_told_before_training(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> NoReturn:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(bertspec.store, "create", full)
    locked = store.lock(NAME)
    with pytest.raises(StoreError, match="cannot be written: No space left on device; allowed: .*free space"):
        locked.__enter__()
    FileLock(store.root / "locks" / f"{NAME}.lock", timeout=0).acquire()


def test_a_long_wait_for_another_process_is_told(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(bertspec.store, "_PATIENCE_S", 0.05)
    with store.lock(NAME):
        waiting = threading.Thread(target=lambda: store.lock(NAME).__enter__(), daemon=True)
        waiting.start()
        time.sleep(0.3)
    waiting.join(5)
    assert f"another process is training the run {NAME[:12]}; waiting for it" in caplog.text


def test_a_model_appears_whole_or_not_at_all(store: Store) -> None:
    def half() -> None:
        with store.new_model(NAME) as draft:
            (draft / "half").touch()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert store.model(NAME) is None
    with store.new_model(NAME) as draft:
        (draft / "weights").write_bytes(b"w")
    assert store.intact_model(NAME) == store.models / NAME


@pytest.mark.parametrize("name", ["weights", "SHA256SUMS"])
@pytest.mark.parametrize("content", [b"", b"\xff other", None])
def test_a_damaged_model_is_told_and_not_used(
    store: Store, name: str, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    with store.new_model(NAME) as draft:
        (draft / "weights").write_bytes(b"w")
    file = store.models / NAME / name
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    assert store.intact_model(NAME) is None
    assert "is damaged" in caplog.text


OLD, NEW = "ab" + "0" * 62, "ac" + "1" * 62


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, the current one, and no BERTSPEC_STORE."""
    monkeypatch.delenv("BERTSPEC_STORE", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def kept(store: Store, run: StoredRun) -> Store:
    """A store with two runs; the newer one finished later."""
    for name, finished in ((NEW, "2026-01-02T00:00:00+00:00"), (OLD, "2026-01-01T00:00:00+00:00")):
        facts = run.result.facts.model_copy(update={"finished": finished})
        store.put(StoredRun(name, run.config, dataclasses.replace(run.result, facts=facts)))
    return store


def test_the_store_lies_in_the_nearest_folder_above_that_has_one(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / ".bertspec").mkdir()
    (here / "features" / "deep").mkdir(parents=True)
    monkeypatch.chdir(here / "features" / "deep")
    assert Store.locate() == Store(here / ".bertspec")


def test_without_a_store_above_it_lies_here(here: Path) -> None:
    assert Store.locate() == Store(here / ".bertspec")


def test_a_named_store_comes_before_the_variable_and_the_variable_before_the_folder(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BERTSPEC_STORE", str(here / "by-variable"))
    assert Store.locate(root=here / "other").root == here / "by-variable"
    assert Store.locate("by-argument").root == here / "by-argument"


def test_a_file_is_not_a_store(here: Path) -> None:
    (here / "file").write_text("", "utf-8")
    with pytest.raises(StoreError, match=f"the store is not a folder; given: '{here}/file'"):
        Store.locate("file")


@pytest.mark.parametrize(("word", "fingerprint"), [("latest", NEW), ("ac", NEW), ("ab0", OLD), (OLD, OLD), ("AB", OLD)])
def test_a_run_is_named_by_the_beginning_of_its_fingerprint(kept: Store, word: str, fingerprint: str) -> None:
    assert kept.find(word).fingerprint == fingerprint


def test_the_beginning_of_several_fingerprints_is_refused(kept: Store) -> None:
    with pytest.raises(InvalidConfig, match=f"2 fingerprints begin with this; given: 'a'; allowed: .*{OLD[:16]}"):
        kept.find("a")


def test_an_unknown_run_is_answered_with_the_newest_ones(kept: Store) -> None:
    with pytest.raises(UnknownName, match=f"unknown run; given: 'zz'; allowed: {OLD[:12]}, {NEW[:12]}, latest"):
        kept.find("zz")


@pytest.mark.parametrize("word", ["latest", "ab"])
def test_an_empty_store_says_so(store: Store, word: str) -> None:
    with pytest.raises(InvalidConfig, match="the store holds no runs; .*bertspec run"):
        store.find(word)


def test_the_newest_fingerprint_comes_first(kept: Store) -> None:
    os.utime(kept.folder(OLD) / "run.json", (1, 1))
    assert kept.fingerprints() == [NEW, OLD]


@pytest.fixture
def old_run(store: Store) -> Path:
    """A run in layout 1."""
    folder = store.root / "runs" / ("a" * 64)
    folder.mkdir(parents=True)
    np.savez(folder / "arrays.npz", allow_pickle=False, outputs=np.zeros((1, 2)), references=np.zeros(1))
    origin = {"name": "x", "place": "installed", "revision": None, "sha256": "0" * 64}
    content = {
        "layout": 1,
        "fingerprint": "a" * 64,
        "session": "",
        "arrays_sha256": sha256(folder / "arrays.npz"),
        "spec": {"encoder": {"name": "bert-tiny"}, "task": {"overlap_allowed": 0.01}, "seed": 1},
        "facts": {"seed": 1, "provenance": {"encoder": origin, "tokenizer": origin, "data": origin}},
    }
    (folder / "run.json").write_text(json.dumps(content, indent=1, ensure_ascii=False), "utf-8")
    bertspec.store._warn_of_other_layouts.cache_clear()
    return folder


def test_a_run_of_another_layout_is_left_alone_and_mentioned_once(
    store: Store, run: StoredRun, old_run: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store.put(run)
    before = {file.name: file.read_bytes() for file in old_run.iterdir()}
    assert store.get(old_run.name) is None
    assert [each.fingerprint for each in store.runs()] == [NAME]
    assert store.fingerprints() == [NAME]
    assert store.count() == 1
    assert store.find("latest").fingerprint == NAME
    assert {file.name: file.read_bytes() for file in old_run.iterdir()} == before
    assert list(store.root.glob("damaged-*")) == []
    assert caplog.text.count("holds 1 run in an earlier layout of bertspec's store (layout 1)") == 1


def test_a_run_of_another_layout_is_no_damage_to_the_doctor(store: Store, old_run: Path) -> None:
    from bertspec.cli.commands.doctor import examine

    findings = {finding.subject: finding for finding in examine(store, store.root)}
    assert findings["runs"].detail.startswith("0 finished")
    assert "damaged" not in findings
    assert old_run.is_dir()
