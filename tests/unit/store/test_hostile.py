"""A store that others can write: planted links, pipes and records."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import io
import json
import logging
import operator
import os
import re
import resource
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bertspec.store
from bertspec import study
from bertspec.config import StudyConfig
from bertspec.errors import InvalidConfig, StoreError
from bertspec.printing import warn_once
from bertspec.store import Store, StoredRun
from bertspec.study import Session

from .test_store import NAME, run, store

__all__ = ["run", "store"]  # the fixtures of an invented run and of its store

AREAS: dict[str, Callable[[Store, StoredRun], object]] = {
    "runs": lambda store, run: store.put(run),
    "locks": lambda store, _: store.lock(NAME).__enter__(),
    "models": lambda store, _: store.new_model(NAME).__enter__(),
    "tokens": lambda store, _: store.token_cache,
    "tracking": lambda store, _: store.tracking,
    "unfinished": lambda store, _: store.forget_unfinished(NAME),
}


@pytest.fixture(autouse=True)
def _warnings_anew() -> None:
    warn_once.cache_clear()
    bertspec.store._warn_of_other_layouts.cache_clear()


def record(store: Store) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((store.folder(NAME) / "run.json").read_text("utf-8"))
    return content


def rewrite(store: Store, content: object) -> None:
    (store.folder(NAME) / "run.json").write_text(json.dumps(content), "utf-8")


def replace_arrays(store: Store, content: bytes) -> None:
    """With the hash that belongs to it, so that only the content can be refused."""
    (store.folder(NAME) / "arrays.npz").write_bytes(content)
    rewrite(store, record(store) | {"arrays_sha256": hashlib.sha256(content).hexdigest()})


@pytest.mark.parametrize("area", AREAS)
@pytest.mark.parametrize("kind", ["link", "file"])
def test_a_folder_of_the_store_that_is_a_link_or_a_file_is_refused(
    area: str, kind: str, store: Store, run: StoredRun, victim: Path
) -> None:
    store.root.mkdir()
    if kind == "link":
        (store.root / area).symlink_to(victim)
    else:
        (store.root / area).write_text("x")
    with pytest.raises(StoreError, match=f"a folder of the store is a (symbolic link|file); given: '.*{area}'"):
        AREAS[area](store, run)


@pytest.mark.parametrize("read", [Store.summaries, Store.count, lambda store: store.get(NAME), lambda s: s.find("x")])
def test_a_file_in_place_of_the_runs_is_no_empty_store(read: Callable[[Store], object], store: Store) -> None:
    store.root.mkdir()
    (store.root / "runs").write_text("x")
    with pytest.raises(StoreError, match="a folder of the store is a file"):
        read(store)


def test_a_store_may_itself_be_a_link(store: Store, run: StoredRun, tmp_path: Path) -> None:
    (tmp_path / "large disk").mkdir()
    store.root.symlink_to(tmp_path / "large disk")
    store.put(run)
    assert store.get(NAME) is not None


@pytest.mark.parametrize("suffix", ["reserve", "lock"])
def test_a_link_in_place_of_a_lock_leads_nowhere(suffix: str, store: Store, victim: Path) -> None:
    (store.root / "locks").mkdir(parents=True)
    (store.root / "locks" / f"{NAME}.{suffix}").symlink_to(victim / "step-1.safetensors")
    with store.lock(NAME):
        assert (store.root / "locks" / f"{NAME}.reserve").stat().st_size == 1 << 20


def test_a_pipe_in_place_of_a_lock_blocks_nobody(store: Store) -> None:
    (store.root / "locks").mkdir(parents=True)
    for suffix in ("reserve", "lock"):
        os.mkfifo(store.root / "locks" / f"{NAME}.{suffix}")
    with store.lock(NAME):
        assert (store.root / "locks" / f"{NAME}.reserve").is_file()


def test_only_the_link_in_place_of_an_unfinished_run_is_removed(store: Store, victim: Path) -> None:
    (store.root / "unfinished").mkdir(parents=True)
    store.unfinished(NAME).symlink_to(victim)
    store.forget_unfinished(NAME)
    assert not store.unfinished(NAME).is_symlink()


def test_a_run_that_is_a_link_is_set_aside_and_its_target_stays(store: Store, run: StoredRun, victim: Path) -> None:
    (store.root / "runs").mkdir(parents=True)
    (store.root / "runs" / NAME).symlink_to(victim)
    assert store.get(NAME) is None
    (store.root / "runs" / NAME).symlink_to(victim)
    store.put(run)
    assert store.get(NAME) is not None


def test_a_link_to_a_whole_run_is_not_read(store: Store, run: StoredRun, tmp_path: Path) -> None:
    store.put(run)
    elsewhere = store.folder(NAME).rename(tmp_path / "elsewhere")
    (store.root / "runs" / NAME).symlink_to(elsewhere)
    assert store.summaries() == []
    assert store.problem(NAME) == "damaged: a folder of the store is a symbolic link"
    assert store.get(NAME) is None
    assert sorted(file.name for file in elsewhere.iterdir()) == ["arrays.npz", "run.json"]


@pytest.mark.parametrize("name", ["../../victim", "", ".", "..", "a/b", "a\0b", "x" * 255, "\ud800"])
def test_a_name_that_is_no_fingerprint_leads_nowhere(
    name: str, store: Store, victim: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Records of sessions and sweeps, which others may write, name the runs that a report reads."""
    (store.root / "runs").mkdir(parents=True)
    for path in (name, str(victim)):
        with pytest.raises(StoreError, match="not a run's fingerprint"):
            store.get(path)
        assert list(store.readable([path])) == []
    assert "not a run's fingerprint" in caplog.text


@pytest.mark.parametrize("suffix", ["reserve", "lock"])
def test_a_folder_in_place_of_a_lock_is_refused_with_its_path(suffix: str, store: Store) -> None:
    path = store.root / "locks" / f"{NAME}.{suffix}"
    (path / "below").mkdir(parents=True)
    with (
        pytest.raises(StoreError, match=rf"a folder lies where a file belongs; given: '{path}'; allowed: .*remove it"),
        store.lock(NAME),
    ):
        pass
    assert (path / "below").is_dir()
    other = "a" * 64
    with store.lock(other):
        assert (store.root / "locks" / f"{other}.reserve").is_file()


def test_a_model_that_is_a_link_or_has_one_is_not_used(
    store: Store, victim: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store.models.mkdir(parents=True)
    (store.models / NAME).symlink_to(victim)
    assert store.intact_model(NAME) is None
    with store.new_model(NAME) as draft:
        (draft / "weights").touch()
    (store.models / NAME / "other").symlink_to(victim / "step-1.safetensors")
    assert store.intact_model(NAME) is None
    assert "is damaged (other) and is not used" in caplog.text


def test_a_pipe_in_a_model_blocks_nobody(store: Store) -> None:
    with store.new_model(NAME) as draft:
        (draft / "weights").touch()
    (store.models / NAME / "SHA256SUMS").unlink()
    os.mkfifo(store.models / NAME / "SHA256SUMS")
    assert store.intact_model(NAME) is None


RECORDS: dict[str, bytes] = {
    "deep": b"[" * 100_000,
    "deep object": b'{"layout":' * 100_000,
    "a list": b"[]",
    "a number": b"1",
    "null": b"null",
    "nothing": b"",
    "not UTF-8": b"\xff\xfe",
    "half a pair": b'{"layout": 2, "fingerprint": "\\ud800"}',
    "a large number": b'{"layout": ' + b"9" * 5_000 + b"}",
    "only a layout": b'{"layout": 2}',
    "NUL": bytes(100),
}


@pytest.mark.parametrize("content", RECORDS.values(), ids=RECORDS)
def test_a_planted_record_is_left_out_of_a_list_and_set_aside_by_a_run(
    content: bytes, store: Store, run: StoredRun, caplog: pytest.LogCaptureFixture
) -> None:
    store.put(run)
    (store.folder(NAME) / "run.json").write_bytes(content)
    assert store.summaries() == []
    assert f"stored runs that cannot be read are left out: {NAME[:12]} (" in caplog.text
    assert store.folder(NAME).exists()
    assert store.get(NAME) is None
    assert not store.folder(NAME).exists()


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("config", "recipe", "optimizer"), "adamw"),
        (("config", "recipe", "optimizer"), None),
        (("config", "recipe", "optimizer"), []),
        (("config", "task", "metrics"), []),
    ],
)
def test_a_record_with_a_field_of_another_shape_is_left_out_of_a_list(
    keys: tuple[str, ...], value: object, store: Store, run: StoredRun, caplog: pytest.LogCaptureFixture
) -> None:
    store.put(run)
    file = store.folder(NAME) / "run.json"
    content = json.loads(file.read_text("utf-8"))
    *outer, last = keys
    functools.reduce(operator.getitem, outer, content)[last] = value
    if value == [] and last == "metrics":
        content["facts"]["scores"] = {}
    file.write_text(json.dumps(content), "utf-8")
    assert store.summaries() == []
    assert "stored runs that cannot be read are left out" in caplog.text


@pytest.mark.parametrize("file", ["run.json", "arrays.npz"])
@pytest.mark.parametrize("kind", ["pipe", "link", "large", "folder", "socket"])
def test_a_record_that_is_no_file_or_too_large_blocks_nobody(
    file: str, kind: str, store: Store, run: StoredRun, tmp_path: Path
) -> None:
    store.put(run)
    path = store.folder(NAME) / file
    moved = path.rename(tmp_path / file)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to(moved)
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        os.mknod(path, stat.S_IFSOCK)
    else:
        with path.open("wb") as stream:
            stream.truncate(1 << 40)
    assert re.match("damaged: (it|arrays.npz) (is|has) ", store.problem(NAME) or "")
    assert store.get(NAME) is None
    assert list(store.root.glob(f"damaged-*/{NAME}"))


FIELDS: dict[str, Callable[[dict[str, Any]], object]] = {
    "scores of other metrics": lambda content: content["facts"].update(scores={"\x1b[31m": 0.5}),
    "a score is a word": lambda content: content["facts"]["scores"].update(accuracy="high"),
    "a score is missing": lambda content: content["facts"]["scores"].pop("f1"),
    "another seed": lambda content: content["facts"].update(seed=7),
    "another number of examples": lambda content: content["facts"].update(evaluation_examples=3),
    "no config": lambda content: content.pop("config"),
    "another head": lambda content: content["config"]["task"].update(head="regression"),
    "more labels": lambda content: content["config"]["task"].update(labels=["a", "b", "c"], metrics=["accuracy"]),
    "an unknown field": lambda content: content.update(more=1),
}


@pytest.mark.parametrize("change", FIELDS.values(), ids=FIELDS)
def test_a_record_of_wrong_shape_is_not_used(
    change: Callable[[dict[str, Any]], object], store: Store, run: StoredRun
) -> None:
    store.put(run)
    content = record(store)
    change(content)
    rewrite(store, content)
    assert store.get(NAME) is None
    assert list(store.root.glob(f"damaged-*/{NAME}"))


def archive(compression: int = zipfile.ZIP_STORED, **changed: Any) -> bytes:
    """``arrays.npz`` of the invented run, with some arrays changed; ``None`` leaves one out."""
    arrays = {
        "outputs": np.array([[0.5, 1.5], [2.5, 0.1]], dtype=np.float32),
        "references": np.array([1.0, 0.0]),
        "loss": np.array([0.7, 0.6]),
        "learning_rate": np.array([1e-3, 0.0]),
        "evaluated": np.array([1, 2]),
        "score": np.array([0.5, 1.0]),
    } | changed
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as content:
        for name, array in arrays.items():
            part = io.BytesIO()
            if isinstance(array, bytes):
                part.write(array)
            elif array is not None:
                np.save(part, array, allow_pickle=True)
            if array is not None:
                content.writestr(f"{name}.npy", part.getvalue())
    return stream.getvalue()


def header(shape: str, dtype: str = "<f4") -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": False, "shape": ()})
    return stream.getvalue().replace(b"()", shape.encode()) + bytes(8)


ARRAYS: dict[str, Callable[[], bytes]] = {
    "no archive": lambda: b"x",
    "compressed": lambda: archive(zipfile.ZIP_DEFLATED),
    "an array is missing": lambda: archive(score=None),
    "one more array": lambda: archive(more=np.zeros(1)),
    "three dimensions": lambda: archive(outputs=np.zeros((2, 7, 2), np.float32)),
    "one dimension": lambda: archive(outputs=np.zeros(2, np.float32)),
    "more classes": lambda: archive(outputs=np.zeros((2, 3), np.float32)),
    "fewer examples": lambda: archive(references=np.zeros(1)),
    "no dimension": lambda: archive(references=np.zeros(())),
    "another type": lambda: archive(outputs=np.zeros((2, 2))),
    "objects": lambda: archive(outputs=np.array([[1, None], [2, 3]])),
    "curves of two lengths": lambda: archive(loss=np.zeros(3)),
    "a loss that is no number": lambda: archive(loss=np.array([0.7, np.nan])),
    "a loss beyond all losses": lambda: archive(loss=np.array([0.7, 1e300])),
    "a rate that is infinite": lambda: archive(learning_rate=np.array([np.inf, 0.0])),
    "more steps than the run has": lambda: archive(loss=np.zeros(10_000), learning_rate=np.zeros(10_000)),
    "no numbers": lambda: archive(outputs=np.full((2, 2), np.nan, np.float32)),
    "an unknown class": lambda: archive(references=np.array([1.0, 7.0])),
    "a class beyond all numbers": lambda: archive(references=np.array([1.0, 1e300])),
    "a huge shape": lambda: archive(outputs=header("(1000000, 1000000)")),
    "a negative shape": lambda: archive(outputs=header("(-1, -2)")),
    "a deep header": lambda: archive(outputs=header("(" * 4000)),
    "a cut array": lambda: archive(outputs=archive()[:40]),
    "nothing in it": lambda: archive(outputs=b""),
}


@pytest.mark.parametrize("content", ARRAYS.values(), ids=ARRAYS)
def test_planted_arrays_are_not_used(content: Callable[[], bytes], store: Store, run: StoredRun) -> None:
    store.put(run)
    replace_arrays(store, content())
    assert [each.fingerprint for each in store.summaries()] == [NAME]
    assert (store.problem(NAME) or "").startswith("damaged: ")
    assert store.get(NAME) is None
    assert list(store.root.glob(f"damaged-*/{NAME}"))


def test_arrays_that_share_their_bytes_are_refused_before_memory_is_taken(store: Store, run: StoredRun) -> None:
    """Each array is said to be as long as the longest, and so runs over those behind it."""
    store.put(run)
    facts = record(store)["facts"] | {"evaluation_examples": 10_000}
    rewrite(store, record(store) | {"facts": facts})
    content = bytearray(archive(outputs=np.zeros((10_000, 2), np.float32)))
    position = content.find(b"PK\x01\x02")
    while position >= 0:
        struct.pack_into("<II", content, position + 20, 80_128, 80_128)
        position = content.find(b"PK\x01\x02", position + 4)
    replace_arrays(store, bytes(content))
    assert store.problem(NAME) == "damaged: the arrays of arrays.npz overlap"


def test_more_examples_than_can_be_scored_are_neither_read_nor_written(
    store: Store, run: StoredRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.put(run)
    monkeypatch.setattr("bertspec.store.runs.MOST_ROWS", 1)
    assert store.problem(NAME) == "damaged: run.json has more than 1 examples"
    with pytest.raises(StoreError, match="more outputs than could be read again; given: '2 examples, "):
        store.put(run)
    monkeypatch.undo()
    assert store.get(NAME) is not None


def test_arrays_that_are_as_they_should_be_are_used(store: Store, run: StoredRun) -> None:
    store.put(run)
    replace_arrays(store, archive())
    assert store.get(NAME) is not None


def test_an_archive_that_unpacks_to_a_gigabyte_takes_no_memory(store: Store, run: StoredRun) -> None:
    store.put(run)
    replace_arrays(store, archive(zipfile.ZIP_DEFLATED, outputs=bytes(1 << 28)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert store.get(NAME) is None
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(data=st.data(), value=JSON)
def test_whatever_stands_in_a_record_it_is_read_or_refused_and_never_fails(
    store: Store, run: StoredRun, data: st.DataObject, value: object
) -> None:
    """One value of the record, at any depth, becomes any other."""
    store.put(run)
    content: Any = record(store)
    holder: Any = {"": content}
    key: Any = ""
    while isinstance(holder[key], dict | list) and holder[key] and data.draw(st.integers(0, 3)):
        holder = holder[key]
        key = data.draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else range(len(holder))))
    holder[key] = value
    rewrite(store, content if key != "" else value)
    listed = store.summaries()
    assert len(listed) <= 1
    assert (store.problem(NAME) is None) <= (store.get(NAME) is not None)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
@given(position=st.integers(0, 2000), value=st.integers(0, 255), length=st.integers(0, 2000))
def test_whatever_stands_in_the_arrays_they_are_read_or_refused_and_never_fail(
    store: Store, run: StoredRun, position: int, value: int, length: int
) -> None:
    store.put(run)
    content = bytearray(archive())
    content[position % len(content)] = value
    replace_arrays(store, bytes(content[: len(content) - length % 3]))
    assert (store.problem(NAME) is None) <= (store.get(NAME) is not None)


def test_a_record_of_another_layout_stays_and_the_run_is_stored_beside_it(
    store: Store, run: StoredRun, caplog: pytest.LogCaptureFixture
) -> None:
    store.put(run)
    folder = store.folder(NAME)
    rewrite(store, dict(sorted((record(store) | {"layout": 99}).items())))  # the layout stands in the middle
    before = (folder / "run.json").read_bytes()
    assert store.get(NAME) is None
    assert (store.summaries(), store.count()) == ([], 0)
    assert "holds 1 run in another layout of bertspec's store (layout 99)" in caplog.text
    store.put(run)
    assert store.get(NAME) is not None
    assert [each.fingerprint for each in store.summaries()] == store.fingerprints() == [NAME]
    assert store.find(NAME[:4]).fingerprint == NAME
    assert (folder / "run.json").read_bytes() == before


@pytest.fixture
def lying(store: Store, run: StoredRun) -> Store:
    """The store of a run whose recorded accuracy is not that of its outputs."""
    facts = run.result.facts.model_copy(update={"scores": {"accuracy": 0.25, "f1": 1.0}})
    store.put(dataclasses.replace(run, result=dataclasses.replace(run.result, facts=facts)))
    return store


LIE = "accuracy 0.2500 is recorded, and the outputs give 1.0000"


def test_scores_that_the_outputs_do_not_give_are_never_used(lying: Store, caplog: pytest.LogCaptureFixture) -> None:
    assert lying.get(NAME) is None
    assert lying.get(NAME) is None
    assert caplog.text.count(f"the stored run {NAME[:12]} is not used: {LIE}") == 1
    assert lying.folder(NAME).exists()
    assert list(lying.runs()) == []


def test_a_run_that_is_asked_for_by_its_name_is_shown_with_what_is_wrong(
    lying: Store, caplog: pytest.LogCaptureFixture
) -> None:
    assert lying.find("latest").disagreement() == lying.find(NAME[:4]).disagreement() == lying.problem(NAME) == LIE
    assert f"the stored run {NAME[:12]}: {LIE}" in caplog.text
    assert lying.problem(NAME, ("f1",)) is None


def test_a_score_may_differ_by_a_rounding(store: Store, run: StoredRun) -> None:
    facts = run.result.facts.model_copy(update={"scores": {"accuracy": 1.0 - 1e-9, "f1": 1.0}})
    store.put(dataclasses.replace(run, result=dataclasses.replace(run.result, facts=facts)))
    assert store.get(NAME) is not None


def test_a_run_with_a_forged_score_is_trained_again(
    session: Session, study_config: StudyConfig, caplog: pytest.LogCaptureFixture
) -> None:
    config = study_config.model_copy(update={"seeds": (1,)})
    [honest] = study.run(config, session).runs
    file = session.store.folder(honest.fingerprint) / "run.json"
    content = json.loads(file.read_text("utf-8"))
    content["facts"]["scores"] = dict.fromkeys(content["facts"]["scores"], 0.987)
    file.write_text(json.dumps(content), "utf-8")
    again = study.run(config, session)
    assert again.trained == {honest.fingerprint}
    assert again.runs[0].result.facts.scores == honest.result.facts.scores
    assert "0.9870 is recorded, and the outputs give" in caplog.text
    assert study.run(config, session).trained == set()


def test_the_checkpoint_of_another_run_is_not_resumed(
    session: Session, study_config: StudyConfig, caplog: pytest.LogCaptureFixture
) -> None:
    from bertspec.engine import Checkpoints

    config = study_config.model_copy(update={"seeds": (1,)})
    [honest] = study.run(config, session).runs
    states: list[dict[str, Any]] = [{}, {"weights": {}}, {"weights": {}, "optimizer": {}, "random": [], "progress": {}}]
    for state in states:
        assert Checkpoints(session.store.unfinished(honest.fingerprint), every=1).save(1, state)
        [again] = study.run(config, dataclasses.replace(session, id="x", fresh=False, keep_models=True)).runs
        assert np.array_equal(again.result.outcomes.outputs, honest.result.outcomes.outputs)
        session.store.folder(honest.fingerprint).rename(session.store.root / f"gone-{len(state)}")
        (session.store.models / honest.fingerprint).rename(session.store.root / f"gone-model-{len(state)}")
    assert caplog.text.count("does not fit its run") == len(states)


def test_a_damaged_run_is_reported_in_one_short_line(
    store: Store, run: StoredRun, caplog: pytest.LogCaptureFixture
) -> None:
    store.put(run)
    rewrite(store, record(store) | {"session": ["\x1b[31m\n" * 1000]})
    with caplog.at_level(logging.WARNING):
        assert store.get(NAME) is None
    [message] = [each.getMessage() for each in caplog.records]
    assert message.isprintable()
    assert len(message) < 800


def test_a_store_whose_runs_cannot_be_read_has_no_latest_one(store: Store, run: StoredRun) -> None:
    store.put(run)
    (store.folder(NAME) / "run.json").write_text("[")
    with pytest.raises(InvalidConfig, match="the store holds no runs that can be read; given: 'latest'"):
        store.find("latest")
